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
    const epoch = Date.now() - performance.now();
    if (epoch + event.timeStamp - last < SAMPLE_MS || event.pointerType === "touch") return;
    if (event.buttons !== held) tell();
    held = event.buttons;
    // A busy page hears of several moves at once, and late: the trail is that of the hand all the same.
    const moves = event.getCoalescedEvents?.() ?? [];
    for (const move of moves.length ? moves : [event]) {
      const at = Math.round(epoch + move.timeStamp);
      if (at - last < SAMPLE_MS) continue;
      last = at;
      if (!points.length) {
        start = at;
        setTimeout(tell, EVENT_MS);
      }
      points.push([at - start, Math.round(move.clientX), Math.round(move.clientY)]);
    }
  });
  page.onHide(tell);
}
