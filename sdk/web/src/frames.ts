// The page's window, and those of frames of the same origin as they come and load.
import { quietly, type Scope } from "./scope.ts";

export type Window = typeof window;

export function eachWindow(scope: Scope, fn: (win: Window) => void): void {
  const seen = new WeakSet<Document>();
  const visit = (win: Window) => {
    const { document } = win;
    if (seen.has(document)) return;
    seen.add(document);
    fn(win);
    // `load` of a frame does not bubble, but it can be captured.
    scope.listen(document, "load", ({ target }) => enter(target));
    for (const frame of document.querySelectorAll("iframe")) enter(frame);
  };
  const enter = (frame: EventTarget | null) =>
    quietly(() => {
      const inner = (frame as HTMLIFrameElement).contentWindow;
      // Reading the document of another origin throws.
      if ((frame as Element).localName === "iframe" && inner?.document) visit(inner as Window);
    });
  visit(window);
}

/** How many ms ago an event was. A frame's events count from the frame's own beginning, not the page's. */
export const ageOf = ({ view, timeStamp }: UIEvent): number => (view ?? window).performance.now() - timeStamp;

/** Where a frame's viewport stands in the page's. */
export function offsetOf(win: Window | null): [x: number, y: number] {
  const frame = win && quietly(() => win.frameElement);
  if (!frame) return [0, 0];
  const box = frame.getBoundingClientRect();
  const [x, y] = offsetOf(frame.ownerDocument.defaultView as Window);
  return [x + box.x + frame.clientLeft, y + box.y + frame.clientTop];
}
