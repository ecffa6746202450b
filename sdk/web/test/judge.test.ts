import { describe, expect, test } from "vitest";
import { type Change, causedBy, type Evidence } from "../src/judge.ts";
import { Regions } from "../src/regions.ts";

const somewhere = {};
const change = (at: number, more: Partial<Change> = {}): Change => ({
  kind: "mutation",
  at,
  region: somewhere,
  sign: "#",
  direct: false,
  rhythm: 0,
  loading: false,
  ...more,
});
const evidence = (interactive: boolean, changes: Change[], responses: number[] = []): Evidence => ({
  at: 1_000,
  interactive,
  changes,
  responses,
});
const says = (it: Evidence, final = true) => causedBy(it, final)?.at;

describe("a change is the click's answer", () => {
  test("when its listeners made it, whatever the region does by itself", () => {
    expect(says(evidence(false, [change(1_002, { direct: true, rhythm: 9 })]), false)).toBe(1_002);
  });
  test("when it follows the response to the click's request", () => {
    expect(says(evidence(false, [change(2_060, { rhythm: 9 })], [2_000]), false)).toBe(2_060);
    expect(says(evidence(false, [change(2_400, { rhythm: 9 })], [2_000]))).toBeUndefined();
  });
  test("on a control, when it comes late from a region at rest", () => {
    expect(says(evidence(true, [change(3_100)]), false)).toBe(3_100);
  });
  test("on dead ground, late, only once the deadline shows that it was alone", () => {
    expect(says(evidence(false, [change(2_000)]), false)).toBeUndefined();
    expect(says(evidence(false, [change(2_000)]))).toBe(2_000);
    expect(says(evidence(false, [change(1_400), change(1_900), change(2_400)]))).toBeUndefined();
    expect(says(evidence(false, [change(2_000, { loading: true })]))).toBeUndefined();
    expect(says(evidence(false, [change(2_000, { rhythm: 1 })]))).toBeUndefined();
  });
});

describe("it is not", () => {
  test("when the region has a rhythm of its own", () => {
    expect(says(evidence(true, [change(1_050, { rhythm: 2 })]))).toBeUndefined();
  });
  test("when it goes on and on beside a control", () => {
    const ticks = [1_300, 1_900, 2_500, 3_100].map((at) => change(at));
    expect(says(evidence(true, ticks))).toBeUndefined();
  });
});

describe("regions", () => {
  test("have a rhythm from the second change on, until they have missed their beat", () => {
    const regions = new Regions();
    const rhythm = (now: number) => regions.rhythm(somewhere, "#", now);
    expect(rhythm(0)).toBe(0);
    regions.note(somewhere, "#", 0);
    expect(rhythm(1_000)).toBe(1);
    for (const at of [10_000, 10_050, 20_000, 30_000]) regions.note(somewhere, "#", at);
    expect(rhythm(31_000)).toBe(4);
    expect(rhythm(54_000)).toBe(4);
    expect(rhythm(60_000)).toBe(0);
    expect(regions.rhythm(somewhere, "@class", 31_000)).toBe(0);
    expect(regions.rhythm({}, "#", 31_000)).toBe(0);
  });
  test("that never pause are as restless as those that do", () => {
    const regions = new Regions();
    for (let at = 0; at <= 2_500; at += 50) regions.note(somewhere, "draw", at);
    expect(regions.rhythm(somewhere, "draw", 2_600)).toBe(3);
  });
  test("that were busy while the page was built are at rest soon after", () => {
    const regions = new Regions();
    for (const at of [100, 400, 900]) regions.note(somewhere, "+li.row", at);
    expect(regions.rhythm(somewhere, "+li.row", 1_500)).toBe(3);
    expect(regions.rhythm(somewhere, "+li.row", 4_000)).toBe(0);
  });
});
