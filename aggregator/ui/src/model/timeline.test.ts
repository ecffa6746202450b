import { describe, expect, test } from "vitest";
import type { SessionEvent, Signal } from "../api/client";
import { currentIndex, density, fraction, marks, momentAt, neighbour } from "./timeline";

const span = { start: 1000, end: 101_000 };
const signal = (ts: number, kind = "rage_click"): Signal => ({
  signal_id: `${kind}${ts}`,
  kind,
  ts,
  url: "",
  selector: "",
  text: "",
  x: 0,
  y: 0,
  count: 1,
  duration_ms: 0,
  detected_by: "edge",
  page_id: "",
});
const event = (ts: number, event_type: string): SessionEvent => ({
  event_id: `${event_type}${ts}`,
  event_type,
  ts,
  url: "",
  payload: {},
  metadata: {},
});

describe("timeline", () => {
  test("moments and places map to each other", () => {
    expect(fraction(51_000, span)).toBe(0.5);
    expect(momentAt(0.5, span)).toBe(51_000);
    expect(fraction(0, span)).toBe(0);
    expect(momentAt(7, span)).toBe(101_000);
    expect(fraction(5, { start: 5, end: 5 })).toBe(0);
  });

  test("marks: signals, errors and pages; those of one kind that cover each other are one", () => {
    const found = marks(
      [signal(11_000), signal(11_500), signal(12_000, "dead_click")],
      [event(11_200, "error"), event(50_000, "navigate"), event(60_000, "click")],
      span,
    );
    expect(found.map((m) => [m.kind, m.count])).toEqual([
      ["rage_click", 2],
      ["error", 1],
      ["dead_click", 1],
      ["navigate", 1],
    ]);
    expect(found[0]?.place).toBeCloseTo(0.1);
    // The dead click stands beside the rage clicks, the error in a row of its own.
    expect(found.map((m) => m.beside)).toEqual([0, 0, 1, 0]);
  });

  test("next and previous signal walk through all, and stop at the ends", () => {
    const signals = [signal(20_000), signal(10_000), signal(40_000)];
    expect(neighbour(signals, 0, 1)?.ts).toBe(10_000);
    // A jump to 10,000 lands at 8,500.
    expect(neighbour(signals, 8500, 1)?.ts).toBe(20_000);
    expect(neighbour(signals, 18_500, -1)?.ts).toBe(10_000);
    expect(neighbour(signals, 8500, -1)).toBeUndefined();
    expect(neighbour(signals, 90_000, 1)).toBeUndefined();
  });

  test("the current line is the last at or before the moment", () => {
    const items = [{ ts: 1 }, { ts: 5 }, { ts: 5 }, { ts: 9 }];
    expect([0, 1, 5, 8, 9, 99].map((now) => currentIndex(items, now))).toEqual([-1, 0, 2, 2, 3, 3]);
    expect(currentIndex([], 5)).toBe(-1);
  });

  test("density counts every event once", () => {
    expect(density([{ ts: 1000 }, { ts: 51_000 }, { ts: 101_000 }], span, 4)).toEqual([1, 0, 1, 1]);
  });
});
