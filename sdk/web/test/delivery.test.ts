import { expect, test } from "vitest";
import { backoff, verdict } from "../src/delivery.ts";

test("what an agent's answer means", () => {
  expect([200, 0, 408, 429, 500, 503, 400, 404, 413, 401, 403].map(verdict)).toEqual([
    "stored",
    "later",
    "later",
    "later",
    "later",
    "later",
    "never",
    "never",
    "never",
    "closed",
    "closed",
  ]);
});

test("waits double with jitter, up to a minute; the agent's own wish comes first", () => {
  expect(backoff(0, 0, 0)).toBe(500);
  expect(backoff(0, 0, 1)).toBe(1_500);
  expect(backoff(3, 0, 1)).toBe(8_500);
  expect(backoff(50, 0, 1)).toBeLessThanOrEqual(60_500);
  expect(backoff(50, 2_000, 0)).toBe(2_000);
  expect(backoff(0, 2_000, 1)).toBe(2_500);
});
