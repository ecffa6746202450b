import { describe, expect, it } from "vitest";
import { backoffMs, retryInfoMs } from "../src/retry.ts";
import { retryStatus } from "./agent.ts";

const limits = { minBackoffMs: 100, maxBackoffMs: 1000 };

describe("backoffMs", () => {
  it("doubles up to the longest, half of it by chance", () => {
    expect([0, 1, 2, 3, 4, 500].map((attempt) => backoffMs(attempt, 0, limits, 1))).toEqual([
      100, 200, 400, 800, 1000, 1000,
    ]);
    expect(backoffMs(1, 0, limits, 0)).toBe(100);
  });

  it("waits what the agent asks for at least", () => {
    expect(backoffMs(0, 5000, limits, 0)).toBe(5000);
    expect(backoffMs(9, 5000, limits, 1)).toBe(6250);
  });
});

describe("retryInfoMs", () => {
  it("finds the delay among other details", () => {
    expect(retryInfoMs(retryStatus(8, 1500))).toBe(1500);
    expect(retryInfoMs(retryStatus(8, 0))).toBe(0);
  });

  it("reads any bytes without a throw", () => {
    const good = retryStatus(8, 1500);
    for (let length = 0; length < good.length; length++) {
      expect(retryInfoMs(good.subarray(0, length))).toBeGreaterThanOrEqual(0);
    }
    for (let at = 0; at < good.length; at++) {
      for (const value of [0, 0x7f, 0x80, 0xff]) {
        const bad = good.slice();
        bad[at] = value;
        expect(retryInfoMs(bad)).toBeGreaterThanOrEqual(0);
      }
    }
  });
});
