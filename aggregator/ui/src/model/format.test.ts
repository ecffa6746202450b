import { expect, test } from "vitest";
import { ago, clock, initials, path, span } from "./format";

test("times for people", () => {
  expect([0, 65_000, 3_725_000].map(clock)).toEqual(["0:00", "1:05", "1:02:05"]);
  expect([480, 2190, 12_000, 600_000].map(span)).toEqual(["480 ms", "2.2 s", "12 s", "10 min"]);
  expect(ago(0, 3 * 60_000, "en")).toBe("3 min. ago");
  expect(ago(10, 5, "en")).toBe("now");
});

test("addresses and names", () => {
  expect(path("https://shop.example/a?b=1#c")).toBe("/a?b=1#c");
  expect(path("not an address")).toBe("not an address");
  expect(initials("u-20817")).toBe("U2");
});
