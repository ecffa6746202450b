import { expect, test } from "vitest";
import { autoBucket, change, stack } from "./series";

test("bars stand on one another, over every bucket of the period", () => {
  const got = stack(
    [
      { kind: "dead_click", total: 3, sessions: 2, previous: 0, points: [{ t: 120_000, count: 3 }] },
      {
        kind: "rage_click",
        total: 2,
        sessions: 1,
        previous: 0,
        points: [
          { t: 60_000, count: 1 },
          { t: 120_000, count: 1 },
        ],
      },
      { kind: "u_turn", total: 0, sessions: 0, previous: 4, points: [] },
    ],
    60_000,
    240_000,
    60_000,
  );
  expect(got.times).toEqual([60, 120, 180]);
  expect(got.kinds).toEqual(["rage_click", "dead_click"]);
  expect(got.counts).toEqual([
    [1, 1, 0],
    [0, 3, 0],
  ]);
  expect(got.tops).toEqual([
    [1, 1, 0],
    [1, 4, 0],
  ]);
});

test("buckets fit the period, changes are against before", () => {
  expect(autoBucket(3_600_000)).toBe(60_000);
  expect(autoBucket(86_400_000)).toBe(3_600_000);
  expect(autoBucket(30 * 86_400_000)).toBe(86_400_000);
  expect(change(15, 10)).toBe(50);
  expect(change(3, 0)).toBeNull();
});
