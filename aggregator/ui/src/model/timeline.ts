import type { SessionEvent, Signal } from "../api/client";
import { isKind } from "./signals";

export interface Span {
  start: number;
  end: number;
}

/** Where a moment stands on a line, 0 to 1. */
export function fraction(ts: number, { start, end }: Span): number {
  if (end <= start) return 0;
  return Math.min(1, Math.max(0, (ts - start) / (end - start)));
}

/** The moment at a place of the line. */
export const momentAt = (place: number, { start, end }: Span): number =>
  Math.round(start + Math.min(1, Math.max(0, place)) * (end - start));

export interface Mark {
  id: string;
  ts: number;
  /** A signal's kind, error, or navigate. */
  kind: string;
  place: number;
  /** How many marks stand on one another here; the first speaks for them. */
  count: number;
  /** How many marks of other kinds it stands beside, so that none hides another. */
  beside: number;
}

const gravity = (kind: string): number => (isKind(kind) ? 0 : kind === "error" ? 1 : 2);

/**
 * The marks of a visit's line: signals, errors, navigations. Marks of one sort that would cover each other are one
 * mark with a count.
 */
export function marks(signals: Signal[], events: SessionEvent[], span: Span, apart = 0.012): Mark[] {
  const all = [
    ...signals.map((s) => ({ id: s.signal_id, ts: s.ts, kind: s.kind })),
    ...events
      .filter((e) => e.event_type === "error" || e.event_type === "navigate" || e.event_type === "page_load")
      .map((e) => ({ id: e.event_id, ts: e.ts, kind: e.event_type === "error" ? "error" : "navigate" })),
  ].sort((a, b) => a.ts - b.ts || a.id.localeCompare(b.id));
  const out: Mark[] = [];
  const latest = new Map<number, Mark>();
  for (const mark of all) {
    const place = fraction(mark.ts, span);
    const row = gravity(mark.kind);
    const before = latest.get(row);
    if (before && before.kind === mark.kind && place - before.place < apart) {
      before.count++;
      continue;
    }
    const beside = before && place - before.place < 2 * apart ? before.beside + 1 : 0;
    const next = { ...mark, place, count: 1, beside };
    latest.set(row, next);
    out.push(next);
  }
  return out;
}

/** The signal to jump to from a moment: the next one after it, or the last one before it. */
export function neighbour(signals: Signal[], now: number, step: 1 | -1): Signal | undefined {
  const sorted = signals.toSorted((a, b) => a.ts - b.ts);
  // A jump lands a moment before its signal: the same signal is not the next one, and is not the previous.
  return step > 0
    ? sorted.find((s) => s.ts - lead > now + 50)
    : sorted.findLast((s) => s.ts - lead < now - 1500);
}

/** How long before a signal the replay starts, so that one sees it coming (ms). */
export const lead = 1500;

/** The index of the last item at or before the moment, -1 before the first. Items are sorted by ts. */
export function currentIndex(items: { ts: number }[], now: number): number {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const mid = (low + high) >> 1;
    if ((items[mid]?.ts ?? 0) <= now) low = mid + 1;
    else high = mid;
  }
  return low - 1;
}

/** How busy each of n parts of the visit was. */
export function density(events: { ts: number }[], span: Span, n: number): number[] {
  const bars = new Array<number>(n).fill(0);
  for (const { ts } of events) {
    const i = Math.min(n - 1, Math.floor(fraction(ts, span) * n));
    bars[i] = (bars[i] ?? 0) + 1;
  }
  return bars;
}
