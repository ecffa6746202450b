// A hand on a mouse: where it is at each moment, and how a browser is told of it.
import type { Page } from "playwright-core";

/** [ms, x, y, buttons held] */
export type Move = [number, number, number, number];
type Place = [number, number];

/** A small seeded generator (mulberry32): the same hand for the same seed. */
export function dice(seed: number): (least: number, most: number) => number {
  let state = seed * 0x9e3779b9 + 0x6d2b79f5;
  return (least, most) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return least + (((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * (most - least);
  };
}

/** A mouse reports about this often. */
const REPORT_MS = 16;

/** Draws a path of strokes, each with the bell-shaped speed of a hand, and pauses between them. */
export class Hand {
  readonly moves: Move[] = [];
  private ms = 0;

  constructor(
    private readonly roll: (least: number, most: number) => number,
    private at: Place,
    private readonly tremble = 0.6,
  ) {
    this.report(0);
  }

  /** A stroke to a place, in a time; bow is how far it swings out to the side, px. */
  to(x: number, y: number, ms: number, bow = 0, buttons = 0): this {
    const [fromX, fromY] = this.at;
    const [dx, dy] = [x - fromX, y - fromY];
    const length = Math.hypot(dx, dy) || 1;
    const begin = this.ms;
    while (this.ms < begin + ms) {
      this.ms = Math.min(this.ms + REPORT_MS, begin + ms);
      const t = (this.ms - begin) / ms;
      const way = t ** 3 * (10 - 15 * t + 6 * t * t);
      const side = (Math.sin(Math.PI * way) * bow) / length;
      this.at = [fromX + dx * way - dy * side, fromY + dy * way + dx * side];
      this.report(buttons);
    }
    this.at = [x, y];
    return this;
  }

  /** By a way from where it is. */
  by(dx: number, dy: number, ms: number, bow = 0, buttons = 0): this {
    return this.to(this.at[0] + dx, this.at[1] + dy, ms, bow, buttons);
  }

  rest(ms: number): this {
    this.ms += ms;
    return this;
  }

  private report(buttons: number): void {
    const shake = () => this.roll(-this.tremble, this.tremble);
    this.moves.push([Math.round(this.ms), this.at[0] + shake(), this.at[1] + shake(), buttons]);
  }
}

/** Tells the browser of the moves, each with the time at which it was made; a hand does not wait for a busy browser. */
export async function replay(page: Page, moves: Move[]): Promise<void> {
  const cdp = await page.context().newCDPSession(page);
  const began = Date.now();
  const sent: Promise<unknown>[] = [];
  let held = 0;
  for (const [ms, x, y, buttons] of moves) {
    await page.waitForTimeout(Math.max(0, began + ms - Date.now()));
    const event = { x, y, timestamp: (began + ms) / 1000 };
    if (buttons !== held) {
      const type = buttons ? "mousePressed" : "mouseReleased";
      sent.push(cdp.send("Input.dispatchMouseEvent", { ...event, type, button: "left", clickCount: 1 }));
      held = buttons;
    }
    sent.push(
      cdp.send("Input.dispatchMouseEvent", {
        ...event,
        type: "mouseMoved",
        button: held ? "left" : "none",
        buttons,
      }),
    );
  }
  await Promise.all(sent);
}
