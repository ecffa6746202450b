import { type RefObject, useEffect, useState, useSyncExternalStore } from "react";
import { loadReplay } from "../api/queries";
import { type PlayerState, ReplayController } from "./controller";
import { quiet } from "./quiet";

const idle: PlayerState = {
  status: "loading",
  playing: false,
  following: false,
  now: 0,
  speed: 1,
  skipping: false,
};
const never = () => () => {};
const asIdle = () => idle;

/** A controller for the visit's replay in the stage, and its state. */
export function useReplay(
  stage: RefObject<HTMLElement | null>,
  visit: { project: string; id: string; start: number; title: string } | null,
): [ReplayController | null, PlayerState] {
  const [controller, setController] = useState<ReplayController | null>(null);
  const { project, id, start, title } = visit ?? {};
  useEffect(() => {
    if (!stage.current || project === undefined || id === undefined || start === undefined) return;
    const load = async (at: { from?: number; cursor?: string }) => {
      const { ids, events, next_cursor } = await loadReplay(project, id, at);
      return { ids, events: quiet(events), next: next_cursor };
    };
    const made = new ReplayController(stage.current, load, title ?? "", start);
    setController(made);
    return () => {
      made.destroy();
      setController(null);
    };
  }, [stage, project, id, start, title]);
  const state = useSyncExternalStore(controller?.subscribe ?? never, controller?.snapshot ?? asIdle);
  return [controller, state];
}
