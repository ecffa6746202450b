import { describe, expect, test } from "vitest";
import {
  activeFilters,
  parseSearch,
  parseSessionSearch,
  rangeStart,
  stringifySearch,
  toggle,
  toSessionsQuery,
} from "./filters";

describe("filters and addresses", () => {
  test("what is written is read back", () => {
    const search = {
      range: "24h" as const,
      page: "/checkout?x=1&y",
      user: "linh@example.com",
      kind: ["rage_click", "dead_click"],
      country: ["VN"],
      min: 60,
      errors: true,
    };
    const address = stringifySearch(search);
    expect(address).toContain("kind=rage_click&kind=dead_click");
    expect(parseSessionSearch(parseSearch(address))).toEqual(search);
  });

  test("nothing set is an empty address", () => {
    expect(stringifySearch({ ...parseSessionSearch({}) })).toBe("");
    expect(activeFilters({})).toBe(0);
  });

  test("nonsense is dropped", () => {
    expect(
      parseSessionSearch({ range: "yesterday", min: "-5", errors: "no", kind: ["", 3], page: {} }),
    ).toEqual({});
  });

  test("one value of a list is a list", () => {
    expect(parseSessionSearch(parseSearch("?kind=rage_click"))).toEqual({ kind: ["rage_click"] });
  });

  test("query parameters of the API", () => {
    const now = Date.UTC(2026, 10, 23, 12, 0, 30);
    expect(toSessionsQuery({ range: "1h", min: 10, live: true }, now)).toEqual({
      from: Date.UTC(2026, 10, 23, 11, 0),
      min_duration_ms: 10_000,
      live: true,
    });
    expect(rangeStart("all", now)).toBeUndefined();
  });

  test("toggle keeps order and ends as none", () => {
    expect(toggle(undefined, "a")).toEqual(["a"]);
    expect(toggle(["a", "b"], "a")).toEqual(["b"]);
    expect(toggle(["b"], "b")).toBeUndefined();
  });
});
