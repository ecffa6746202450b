// @vitest-environment happy-dom
import { expect, test } from "vitest";
import type { Page } from "../src/page.ts";
import { carry, trail } from "../src/trail.ts";

const page = (sampled: boolean, traceOrigins?: string[]) =>
  ({
    pageId: "p",
    settings: { traceOrigins },
    sessions: { at: () => ({ id: "s", sampled }) },
  }) as unknown as Page;
const said: [string, string][] = [
  ["X-GoSight-Session", "s"],
  ["X-GoSight-Page", "p"],
];

test("said to the page's own origin and to those named, and to no other", () => {
  const here = `${location.origin}/api`;
  expect(trail(page(true), here)).toEqual(said);
  expect(trail(page(false), here)).toEqual([]);
  expect(trail(page(true), "https://api.example.com/x")).toEqual([]);
  const named = page(true, ["https://api.example.com"]);
  expect(trail(named, "https://api.example.com/x")).toEqual(said);
  expect(trail(named, "https://api.example.com.evil.net/x")).toEqual([]);
  expect(trail(named, "http://api.example.com/x")).toEqual([]);
  expect(trail(page(true), "data:text/plain,x")).toEqual([]);
});

test("the page's own headers, options and objects stay as they are", () => {
  const init = { method: "POST", headers: { Accept: "a" }, body: "b" };
  const args: unknown[] = ["/api", init];
  carry(args, said);
  const sent = args[1] as RequestInit;
  expect(sent).toMatchObject({ method: "POST", body: "b" });
  const headers = sent.headers as Headers;
  expect(["accept", "x-gosight-session", "x-gosight-page"].map((name) => headers.get(name))).toEqual([
    "a",
    "s",
    "p",
  ]);
  expect(init.headers).toEqual({ Accept: "a" });

  const request = new Request(`${location.origin}/api`, { headers: { Accept: "a" } });
  const other: unknown[] = [request];
  carry(other, said);
  expect(request.headers.has("x-gosight-session")).toBe(false);
  expect((other[0] as Request).headers.get("x-gosight-session")).toBe("s");
  expect((other[0] as Request).headers.get("accept")).toBe("a");
});

test("nothing to say, or options that cannot be copied: the call stays as it is", () => {
  const args: unknown[] = ["/api"];
  carry(args, []);
  expect(args).toEqual(["/api"]);
  class Getters {
    get method() {
      return "PUT";
    }
  }
  const init = new Getters();
  const odd: unknown[] = ["/api", init];
  carry(odd, said);
  expect(odd[1]).toBe(init);
});
