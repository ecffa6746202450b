import { type ReactNode, useEffect, useRef, useState } from "react";
import { Icon, type IconName } from "./Icon";

/** A button that opens a box below it; Escape and a press elsewhere close it. */
export function Popover(props: {
  label: string;
  icon: IconName;
  /** narrow: one column, that opens towards the right. */
  narrow?: boolean;
  children: (close: () => void) => ReactNode;
}) {
  const [open, setOpen] = useState(false);
  const root = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (!open) return;
    const onKey = (event: KeyboardEvent) => {
      if (event.key !== "Escape") return;
      root.current?.querySelector("button")?.focus();
      setOpen(false);
    };
    const onPress = (event: Event) => {
      if (!(event.target instanceof Node && root.current?.contains(event.target))) setOpen(false);
    };
    document.addEventListener("pointerdown", onPress);
    document.addEventListener("keydown", onKey);
    return () => {
      document.removeEventListener("pointerdown", onPress);
      document.removeEventListener("keydown", onKey);
    };
  }, [open]);
  return (
    <div className="popover-root" ref={root}>
      <button type="button" className="button" aria-expanded={open} onClick={() => setOpen(!open)}>
        <Icon name={props.icon} size={14} /> {props.label}
      </button>
      {open && (
        <div className="popover" data-narrow={props.narrow}>
          {props.children(() => setOpen(false))}
        </div>
      )}
    </div>
  );
}
