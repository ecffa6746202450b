import { expect, test } from "vitest";
import { en } from "./en";
import { fill } from "./index";
import { vi } from "./vi";

test("plurals and values", () => {
  expect(fill(en["sessions.count"], "en", { n: 1 })).toBe("1 session");
  expect(fill(en["sessions.count"], "en", { n: 1200 })).toBe("1,200 sessions");
  expect(fill(vi["sessions.count"], "vi", { n: 1200 })).toBe("1.200 phiên");
});

test("both languages fill in the same names", () => {
  const names = (text: string) => [...new Set(text.match(/\{\w+\}/g))].sort();
  for (const [key, text] of Object.entries(en)) {
    expect(names(vi[key as keyof typeof en]), key).toEqual(names(text));
    expect(vi[key as keyof typeof en].trim(), key).not.toBe("");
  }
});
