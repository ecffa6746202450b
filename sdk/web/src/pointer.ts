// The pointer's trail, at 20 samples a second, a second to an event. A trail drawn with a button held, as by who drags
// or selects, is an event of its own and says so: it is no thrashing.
import type { Page } from "./page.ts";

const SAMPLE_MS = 50;
const EVENT_MS = 1_000;

export function pointer(page: Page): void {
  let points: [number, number, number][] = [];
  let start = 0;
  let last = 0;
  let held = 0;
  const tell = () => {
    if (points.length)
      page.emit("pointer", { points, buttons: held || undefined }, { active: true, timestamp: start });
    points = [];
  };
  page.scope.listen<PointerEvent>(document, "pointermove", (event) => {
    page.pointer = [event.clientX, event.clientY];
    const now = Date.now();
    if (now - last < SAMPLE_MS || event.pointerType === "touch") return;
    last = now;
    if (event.buttons !== held) tell();
    held = event.buttons;
    if (!points.length) {
      start = now;
      setTimeout(tell, EVENT_MS);
    }
    points.push([now - start, Math.round(event.clientX), Math.round(event.clientY)]);
  });
  page.onHide(tell);
}
