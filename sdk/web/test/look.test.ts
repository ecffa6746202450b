// @vitest-environment happy-dom
import { afterEach, expect, test, vi } from "vitest";
import { differs, look } from "../src/look.ts";

afterEach(() => void vi.restoreAllMocks());

/** A page on which a sample takes as long as `cost` says, and shows `shown` wherever one looks. */
function page(cost: (sample: number) => number) {
  const it = { shown: document.createElement("p"), samples: 0 };
  let now = 0;
  vi.spyOn(performance, "now").mockImplementation(() => now);
  document.elementFromPoint = () => {
    now += cost(it.samples++);
    return it.shown;
  };
  return it;
}
const take = () => look(document.body, 1, 1);

test("where to find what is at a point takes long, few are asked", () => {
  const huge = page(() => 10);
  take();
  expect(huge.samples).toBe(3);
  const large = page(() => 2);
  take();
  expect(large.samples).toBe(5);
});

test("laying the page out, and one pause of the machine's, cost no sample", () => {
  const common = page((sample) => (sample === 0 || sample === 9 ? 40 : 0.1));
  take();
  expect(common.samples).toBe(26);
});

test("what only one of two looks had time for is no difference", () => {
  let cost = 0.1;
  const it = page(() => cost);
  const before = take();
  cost = 10;
  expect(differs(before, document.body, () => false)).toBe(false);
  it.shown = document.createElement("i");
  expect(differs(before, document.body, () => false)).toBe(true);
  const short = take();
  cost = 0.1;
  expect(differs(short, document.body, () => false)).toBe(false);
});
