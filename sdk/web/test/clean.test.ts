// @vitest-environment happy-dom
import { expect, test } from "vitest";
import { cleanUrl, cut, mask } from "../src/clean.ts";
import { roleOf, selectorOf, textOf } from "../src/dom.ts";
import { subjectOf } from "../src/interactive.ts";
import { settle } from "../src/options.ts";

const settings = settle({}, {} as never);
const dom = (html: string) => {
  document.body.innerHTML = html;
  return document.getElementById("it") as Element;
};

test("of an address, the values of its query stay here", () => {
  for (const [from, to] of [
    ["https://u:p@a.example/x?token=1&utm_source=m&q", "https://a.example/x?token&utm_source=m&q"],
    ["https://a.example/#access_token=1&b=2", "https://a.example/#access_token&b"],
    ["https://a.example/#/cart/1", "https://a.example/#/cart/1"],
    ["blob:https://a.example/1-2-3", "blob:"],
    ["javascript:alert('x')", "javascript:"],
    ["data:text/plain,secret", "data:"],
    ["", ""],
  ]) {
    expect(cleanUrl(from as string, settings)).toBe(to);
  }
  expect(
    cleanUrl("https://a.example/user/7", { ...settings, cleanUrl: (url) => url.replace(/\d+/, "*") }),
  ).toBe("https://a.example/user/*");
});

test("texts are cut at 64 characters and masked to their shape", () => {
  expect(cut("x".repeat(65))).toHaveLength(64);
  expect(mask("Jo Do")).toBe("** **");
});

test("an element is named by what will be there in the next visit too", () => {
  expect(
    selectorOf(
      dom(`<main><div class="card css-1x2y3z"><p>a</p><p id="it-483920"></p></div><i id="it"></i></main>`),
    ),
  ).toBe("i#it");
  document.body.innerHTML = `<main><div class="card css-1x2y3z"><p>a</p><p id="gen-483920">b</p></div></main>`;
  expect(selectorOf(document.getElementById("gen-483920") as Element)).toBe("main>div.card>p:nth-of-type(2)");
});

test("who stands behind thousands of siblings is one of a crowd", () => {
  document.body.innerHTML = `<main>${"<p></p>".repeat(6_000)}<i></i></main>`;
  const [main] = document.getElementsByTagName("main");
  const place = (n: number) => selectorOf(main?.children[n] as Element);
  expect([place(1), place(4_999), place(5_500)]).toEqual([
    "main>p:nth-of-type(2)",
    "main>p:nth-of-type(5000)",
    "main>p:nth-of-type(n+5000)",
  ]);
  expect(place(6_000)).toBe("main>i");
});

test("an icon in a button is the button; its text leaves out what is typed or masked", () => {
  const icon = dom(`<button aria-label="Close"><svg id="it"></svg></button>`);
  expect(subjectOf(icon).localName).toBe("button");
  expect([roleOf(subjectOf(icon)), textOf(subjectOf(icon), "[data-gosight-mask]")]).toEqual([
    "button",
    "Close",
  ]);
  const box = dom(
    `<div id="it">Total <input value="secret"><b data-gosight-mask>Ann</b><textarea>secret</textarea> due</div>`,
  );
  expect(textOf(box, "[data-gosight-mask]")).toBe("Total *** due");
});
