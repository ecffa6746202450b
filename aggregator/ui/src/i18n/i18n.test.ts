import { expect, test } from "vitest";
import { texts as settings } from "../settings/texts";
import { en } from "./en";
import { fill } from "./index";
import { vi } from "./vi";

type Texts = Record<"en" | "vi", Record<string, string>>;

test("plurals and values", () => {
  expect(fill(en["sessions.count"], "en", { n: 1 })).toBe("1 session");
  expect(fill(en["sessions.count"], "en", { n: 1200 })).toBe("1,200 sessions");
  expect(fill(vi["sessions.count"], "vi", { n: 1200 })).toBe("1.200 phiên");
});

test.each([
  ["of all pages", { en, vi }],
  ["of the settings", settings],
])("both languages fill in the same names in the texts %s", (_, texts: Texts) => {
  const names = (text: string | undefined) => [...new Set(text?.match(/\{\w+\}/g))].sort();
  expect(Object.keys(texts.vi)).toEqual(expect.arrayContaining(Object.keys(texts.en)));
  for (const [key, text] of Object.entries(texts.en)) {
    expect(names(texts.vi[key]), key).toEqual(names(text));
    expect(texts.vi[key]?.trim(), key).not.toBe("");
  }
});
