// Which parts of a page change by themselves: tickers, adverts, carousels, clocks. Pure: times are arguments.

/** Changes closer together than this are one. */
const BURST_MS = 200;
const LONGEST_BURST_MS = 1_000;
/** A region that changed once by itself is remembered this long, … */
const ONCE_MS = 60_000;
/** … and one with a rhythm until it has missed its beat, but at least this long. */
const RESTLESS_MS = 3_000;

interface Trace {
  bursts: number;
  /** When the latest burst began. */
  since: number;
  first: number;
  last: number;
}

export class Regions {
  #traces = new WeakMap<object, Map<string, Trace>>();

  /** A change that no one caused. */
  note(region: object, sign: string, now: number): void {
    const signs = this.#traces.get(region) ?? new Map<string, Trace>();
    this.#traces.set(region, signs);
    const trace = signs.get(sign);
    if (!trace) {
      // A list whose rows all differ would fill the memory; its first rows tell enough.
      if (signs.size < 32) signs.set(sign, { bursts: 1, since: now, first: now, last: now });
      return;
    }
    // What never pauses, such as a canvas that is drawn all the time, has bursts as long as this.
    if (now - trace.last > BURST_MS || now - trace.since > LONGEST_BURST_MS) {
      trace.bursts++;
      trace.since = now;
    }
    trace.last = now;
  }

  /** How often it changed by itself and may again: 0 is still, 1 is perhaps, from 2 it has a rhythm. */
  rhythm(region: object, sign: string, now: number): number {
    const trace = this.#traces.get(region)?.get(sign);
    if (!trace) return 0;
    const beat = (trace.last - trace.first) / (trace.bursts - 1);
    const patience = trace.bursts > 1 ? Math.max(RESTLESS_MS, beat * 2.5) : ONCE_MS;
    return now - trace.last <= patience ? trace.bursts : 0;
  }
}
