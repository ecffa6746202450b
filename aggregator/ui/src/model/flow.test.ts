import { expect, test } from "vitest";
import { flow } from "./flow";

const link = (step: number, from: string, to: string, sessions: number) => ({ step, from, to, sessions });

test("each column keeps its most frequent pages, and the sum of the others", () => {
  const { nodes, links } = flow(
    [
      link(1, "/", "/a", 9),
      link(1, "/", "/b", 5),
      link(1, "/", "/c", 2),
      link(1, "/", "", 1),
      link(2, "/a", "/c", 4),
      link(2, "/c", "", 2),
    ],
    "/",
    "from",
    2,
  );
  expect(nodes.filter((n) => n.step === 1).map((n) => (n.other ? "other" : n.page))).toEqual([
    "/a",
    "/b",
    "other",
  ]);
  expect(links.filter((l) => l.source === "0 /").reduce((sum, l) => sum + l.value, 0)).toBe(17);
  expect(links).toContainEqual({ source: "0 /", target: "1 other", value: 3 });
  expect(links).toContainEqual({ source: "1 other", target: "2 ", value: 2 });
});

test("what led to a page stands to its left", () => {
  const { links } = flow([link(1, "/cart", "/pay", 3), link(2, "", "/cart", 2)], "/pay", "to");
  expect(links).toEqual([
    { source: "1 /cart", target: "0 /pay", value: 3 },
    { source: "2 ", target: "1 /cart", value: 2 },
  ]);
});
