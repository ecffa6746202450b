import type { KindSeries } from "../api/client";
import { byGravity } from "./signals";

/** The width of a bucket that makes a chart of the period readable: at most about sixty bars. */
export function autoBucket(spanMs: number): number {
  const sizes = [60_000, 300_000, 3_600_000, 21_600_000, 86_400_000];
  return sizes.find((size) => spanMs / size <= 60) ?? 86_400_000;
}

export interface Stacked {
  /** Bucket starts, Unix seconds, without gaps. */
  times: number[];
  /** Kinds from the bottom of the stack up. */
  kinds: string[];
  /** Counts by kind and bucket. */
  counts: number[][];
  /** Heights by kind and bucket: a kind's own count and those of all below it. */
  tops: number[][];
}

/** Series as a stack of bars over every bucket of the period. */
export function stack(series: KindSeries[], from: number, to: number, bucket: number): Stacked {
  const first = Math.floor(from / bucket);
  const size = Math.max(1, Math.floor((to - 1) / bucket) - first + 1);
  const times = Array.from({ length: size }, (_, i) => ((first + i) * bucket) / 1000);
  const filled = series.filter((s) => s.total > 0).sort((a, b) => byGravity(a.kind, b.kind));
  const sums = new Array<number>(size).fill(0);
  const counts: number[][] = [];
  const tops: number[][] = [];
  for (const { points } of filled) {
    const own = new Array<number>(size).fill(0);
    for (const { t, count } of points) {
      const i = Math.round(t / bucket) - first;
      if (i >= 0 && i < size) own[i] = count;
    }
    counts.push(own);
    own.forEach((count, i) => {
      sums[i] = (sums[i] ?? 0) + count;
    });
    tops.push([...sums]);
  }
  return { times, kinds: filled.map((s) => s.kind), counts, tops };
}

/** The change against before in percent; null where there was nothing before. */
export function change(now: number, before: number): number | null {
  return before === 0 ? null : Math.round(((now - before) / before) * 100);
}
