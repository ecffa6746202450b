import { expect, test } from "vitest";
import { quiet } from "./quiet";

const link = (attributes: Record<string, string>) => ({
  type: 2,
  tagName: "link",
  attributes,
  childNodes: [],
});

test("what reaches out without a policy's leave is taken out, wherever it comes in; styles stay", () => {
  const events = [
    {
      type: 2,
      data: { node: { childNodes: [{ childNodes: [link({ rel: "preconnect", href: "//spy" })] }] } },
    },
    { type: 3, data: { source: 0, adds: [{ node: link({ REL: "stylesheet preconnect", href: "//spy" }) }] } },
    {
      type: 3,
      data: { source: 0, attributes: [{ id: 1, attributes: { rel: "dns-prefetch", class: "a" } }] },
    },
    { type: 3, data: { source: 0, adds: [{ node: link({ "http-equiv": "refresh", content: "0" }) }] } },
    {
      type: 3,
      data: {
        source: 0,
        adds: [{ node: { tagName: "IFrame", attributes: { src: "//spy", srcdoc: "<p>" } } }],
      },
    },
    {
      type: 3,
      data: { source: 0, attributes: [{ id: 2, attributes: { src: "https://cdn.example/a b.png" } }] },
    },
    { type: 3, data: { source: 0, attributes: [{ id: 2, attributes: { src: null } }] } },
    { type: 3, data: { source: 0, adds: [{ node: link({ rel: "stylesheet", href: "a.css" }) }] } },
    { type: 3, data: { source: 0, adds: [{ node: { tagName: "img", attributes: { src: "a.png" } } }] } },
  ];
  expect(quiet(structuredClone(events))).toEqual([
    { type: 2, data: { node: { childNodes: [{ childNodes: [link({ href: "//spy" })] }] } } },
    { type: 3, data: { source: 0, adds: [{ node: link({ href: "//spy" }) }] } },
    { type: 3, data: { source: 0, attributes: [{ id: 1, attributes: { class: "a" } }] } },
    { type: 3, data: { source: 0, adds: [{ node: link({ content: "0" }) }] } },
    { type: 3, data: { source: 0, adds: [{ node: { tagName: "IFrame", attributes: {} } }] } },
    {
      type: 3,
      data: { source: 0, attributes: [{ id: 2, attributes: { srcset: "https://cdn.example/a%20b.png" } }] },
    },
    { type: 3, data: { source: 0, attributes: [{ id: 2, attributes: { srcset: null } }] } },
    ...events.slice(-2),
  ]);
});

test("events of any shape pass", () => {
  const odd = [null, 7, {}, { data: null }, { data: { node: "x", adds: [null], attributes: {} } }];
  expect(quiet(structuredClone(odd))).toEqual(odd);
  let deep: unknown = link({});
  for (let i = 0; i < 100_000; i++) deep = { childNodes: [deep] };
  expect(() => quiet([{ data: { node: deep } }])).not.toThrow();
});
