// Records testdata/replay.json: a visit to testdata/shop.html in Chromium, by rrweb's own recorder. Also writes
// what happened when, so that seeded signals and events fit the picture. Run it after changing the page.
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { launch } from "../../../ops/e2e/browser.mjs";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const recorder = createRequire(import.meta.url)
  .resolve("@rrweb/record")
  .replace(/record\.(c?js|js)$/, "record.umd.cjs");
const browser = await launch();
const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
await page.addInitScript({ content: readFileSync(recorder, "utf8") });
await page.goto("about:blank");
await page.route("http://shop.example/**", (route) =>
  route.fulfill({ contentType: "text/html", body: readFileSync(here("../testdata/shop.html"), "utf8") }),
);
await page.goto("http://shop.example/");
await page.evaluate(() => {
  globalThis.recorded = [];
  const record = globalThis.rrwebRecord.record ?? globalThis.rrwebRecord;
  record({
    emit: (event) => globalThis.recorded.push(event),
    maskAllInputs: true,
    sampling: { mousemove: 50 },
  });
});
const marks = [];
const mark = async (what, selector) => {
  const box = selector && (await page.locator(selector).first().boundingBox());
  const at = box && { x: Math.round(box.x + box.width / 2), y: Math.round(box.y + box.height / 2) };
  const scroll = await page.evaluate(() => scrollY);
  marks.push({ what, selector: selector ?? "", ts: Date.now(), ...at, ...(at && { page_y: at.y + scroll }) });
};
const click = async (selector) => {
  const box = await page.locator(selector).first().boundingBox();
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2, { steps: 14 });
  await mark("click", selector);
  await page.mouse.click(box.x + box.width / 2, box.y + box.height / 2);
};
await page.mouse.move(300, 200, { steps: 10 });
await page.waitForTimeout(900);
await page.mouse.wheel(0, 260);
await page.waitForTimeout(700);
await click("button[data-i='1']");
await page.waitForTimeout(800);
await click(".card:nth-child(3) .pic");
await mark("dead_click", ".card:nth-child(3) .pic");
await page.waitForTimeout(1600);
await click("button[data-i='2']");
await page.waitForTimeout(500);
await page.mouse.wheel(0, -400);
await page.waitForTimeout(600);
await click("#cart");
await mark("navigate");
await page.waitForTimeout(900);
await click("#name");
await page.keyboard.type("Ada Lovelace", { delay: 60 });
await click("#street");
await page.keyboard.type("12 Analytical Way", { delay: 50 });
await click("#card");
await page.keyboard.type("4242424242424242", { delay: 40 });
await page.waitForTimeout(400);
await click("#pay");
await page.waitForTimeout(900);
await mark("rage_click", "#pay");
for (let i = 0; i < 7; i++) {
  await click("#pay");
  await page.waitForTimeout(130);
}
await page.waitForTimeout(500);
await mark("error", "#pay");
await mark("thrashed_cursor");
for (let i = 0; i < 12; i++)
  await page.mouse.move(520 + (i % 2 ? 160 : -120), 470 + (i % 3) * 40, { steps: 5 });
await page.waitForTimeout(1200);
const events = await page.evaluate(() => globalThis.recorded);
await browser.close();
// The recorder's own order, from zero: whoever seeds adds the start.
const start = events[0].timestamp;
for (const event of events) event.timestamp -= start;
for (const m of marks) m.ts -= start;
writeFileSync(here("../testdata/replay.json"), `${JSON.stringify({ marks, events })}\n`);
console.log(`${events.length} events, ${marks.length} marks, ${events.at(-1).timestamp} ms`);
