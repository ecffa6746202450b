import { Replayer } from "rrweb";
import "rrweb/dist/style.css";
import { loadReplay } from "../api/queries";
import { quiet } from "./quiet";

export interface PageSnapshot {
  width: number;
  height: number;
  /** Fits the page into so many pixels across. */
  scaleTo: (width: number) => void;
  destroy: () => void;
}

/** Shows the page as a visit saw it at a moment, in its whole height, in the place. */
export async function showSnapshot(
  place: HTMLElement,
  at: { project: string; session: string; ts: number },
  title: string,
): Promise<PageSnapshot | null> {
  const chunk = await loadReplay(at.project, at.session, { from: at.ts });
  const events = quiet(chunk.events);
  const first = events[0];
  if (!first || events.length < 2) return null;
  const replayer = new Replayer(events, {
    root: place,
    mouseTail: false,
    showWarning: false,
    triggerFocus: false,
  });
  let [width, height] = [1280, 800];
  replayer.on("resize", (size) => {
    ({ width, height } = size as { width: number; height: number });
  });
  const last = events.at(-1)?.timestamp ?? at.ts;
  replayer.pause(Math.min(Math.max(at.ts, first.timestamp), last) - first.timestamp);
  replayer.iframe.title = title;
  replayer.iframe.tabIndex = -1;
  // Its styles have to apply before the page has its height.
  await new Promise((resolve) => setTimeout(resolve, 120));
  const page = replayer.iframe.contentDocument?.documentElement;
  const full = Math.min(20_000, Math.max(height, page?.scrollHeight ?? 0));
  replayer.iframe.contentWindow?.scrollTo(0, 0);
  replayer.iframe.setAttribute("height", String(full));
  return {
    width,
    height: full,
    scaleTo: (target) => {
      replayer.wrapper.style.transform = `scale(${target / width})`;
      replayer.wrapper.style.transformOrigin = "0 0";
    },
    destroy: () => replayer.destroy(),
  };
}
