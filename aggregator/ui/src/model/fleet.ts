import type { Member } from "../api/client";

/** A figure of all programs that answer, put together: added up, or as `by` says. */
export function total(
  members: Member[],
  figure: keyof Member["figures"],
  by: (a: number, b: number) => number = (a, b) => a + b,
): number {
  return members
    .filter((m) => m.up)
    .map((m) => m.figures[figure])
    .reduce<number>((sum, value) => (typeof value === "number" ? by(sum, value) : sum), 0);
}
