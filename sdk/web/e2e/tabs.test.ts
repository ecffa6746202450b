// Many tabs at once, and an agent that is away: one visit, every event once, nothing in a page's console.
import type { Page } from "playwright-core";
import { afterAll, expect } from "vitest";
import type { GoSight } from "../src/index.ts";
import { html, tag } from "./browser.ts";
import { closeBrowser, test } from "./fixture.ts";

declare const gosight: GoSight;

afterAll(closeBrowser);

const TABS = 50;
/** How long the agent is away: `make e2e-sdk-long` makes it a minute. */
const AWAY_MS = Number(process.env.AWAY_MS ?? 5_000);

test("fifty tabs are one visit, and each of their events comes once", { timeout: 240_000 }, async ({
  agent,
  context,
}) => {
  agent.pages.set("/", html(`<button id="it">Go</button>`, tag(agent)));
  const pages: Page[] = [];
  for (let n = 0; n < TABS; n++) {
    const page = await context.newPage();
    pages.push(page);
    await page.goto(agent.url);
    await page.waitForFunction(() => "gosight" in window);
    await page.evaluate((tab) => gosight.track(`tab ${tab}`), n);
    await page.click("#it");
  }
  await agent.until(() => agent.of("full_snapshot").length === 2 * TABS, "a snapshot of each", 120_000);
  await Promise.all(pages.map((page) => page.close()));
  await agent.until(() => agent.of("page_exit").length === TABS, "each tab's end", 60_000);
  const names = agent.of("custom").map((event) => event.payload.name);
  expect(names.sort()).toEqual(Array.from({ length: TABS }, (_, n) => `tab ${n}`).sort());
  expect(agent.of("click")).toHaveLength(TABS);
  expect(agent.of("page_load")).toHaveLength(TABS);
  expect(new Set(agent.events.map((event) => event.session)).size).toBe(1);
  expect(new Set(agent.events.map((event) => event.metadata.page_id)).size).toBe(TABS);
});

test("an agent that is away leaves no error in the page, and gets all of it after", {
  timeout: 240_000,
}, async ({ agent, page }) => {
  const faults: string[] = [];
  page.on("pageerror", (fault) => faults.push(String(fault)));
  // What the browser itself says of a request that failed is not the page's doing, nor ours to silence.
  page.on("console", (line) => {
    if (line.type() === "error" && !line.text().startsWith("Failed to load resource"))
      faults.push(line.text());
  });
  agent.pages.set("/", html(`<button id="it">Go</button><p id="p"></p>`, tag(agent)));
  await page.goto(agent.url);
  await agent.until(() => agent.of("full_snapshot").length === 2, "snapshot");
  agent.down = true;
  const until = Date.now() + AWAY_MS;
  let said = 0;
  while (Date.now() < until) {
    await page.evaluate((n) => {
      gosight.track(`away ${n}`);
      (document.getElementById("p") as HTMLElement).textContent = `change ${n}`;
    }, said++);
    await page.click("#it");
    await page.waitForTimeout(AWAY_MS / 20);
  }
  expect(agent.of("custom")).toEqual([]);
  agent.down = false;
  await agent.until(
    () => agent.of("custom").length === said && agent.of("click").length === said,
    "all of it",
    120_000,
  );
  expect(agent.of("custom").map((event) => event.payload.name)).toEqual(
    Array.from({ length: said }, (_, n) => `away ${n}`),
  );
  await agent.until(() => agent.saw(`change ${said - 1}`), "the last change");
  expect(faults).toEqual([]);
});
