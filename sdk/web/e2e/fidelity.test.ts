// Fifteen pages, recorded and played: at five moments each, the player's document is the page's, node by node, and
// looks like it.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import pixelmatch from "pixelmatch";
import type { Page } from "playwright-core";
import { PNG } from "pngjs";
import { afterAll, describe, expect } from "vitest";
import type { TestAgent } from "./agent.ts";
import { html } from "./browser.ts";
import { PAGES } from "./fidelity-pages.ts";
import { closeBrowser, test } from "./fixture.ts";
import { openPlayer, recording, structure } from "./player.ts";

afterAll(closeBrowser);

/** Share of pixels that may differ: edges of letters, where a frame is composed otherwise than a page. */
const PIXELS = 0.002;

const FONT = createRequire(import.meta.url).resolve(
  "@fontsource-variable/inter/files/inter-latin-wght-normal.woff2",
);

/** From npm's entrance, since drawings are recorded on request only. */
const started = (agent: TestAgent) =>
  `<script type="module">import { start } from "/sdk/index.mjs"; start({ key: "${agent.key}", endpoint: "${agent.url}", replay: { canvas: true } })</script>
  <script>const $ = (selector) => document.querySelector(selector);
  const set = (selector, value) => { $(selector).value = value; $(selector).dispatchEvent(new Event("input", { bubbles: true })) }</script>`;

const picture = async (page: Page) =>
  PNG.sync.read(await page.screenshot({ animations: "disabled", caret: "hide" }));

function difference(one: PNG, other: PNG): number {
  expect([other.width, other.height]).toEqual([one.width, one.height]);
  return (
    pixelmatch(one.data, other.data, undefined, one.width, one.height, { threshold: 0.2 }) /
    (one.width * one.height)
  );
}

/** What was begun is finished: frames are drawn, and throttled parts of the recorder (scroll, canvas) are out. */
const settled = (page: Page) =>
  page.evaluate(async () => {
    await document.fonts.ready;
    await new Promise((resolve) => setTimeout(resolve, 400));
    await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
    return Date.now();
  });

describe("replay is the page", { concurrent: true }, () => {
  test.for(PAGES)("$name", async ({ head = "", body, steps }, { agent, page }) => {
    agent.pages.set("/", html(body, started(agent) + head));
    agent.pages.set("/served.woff2", (_, response) => {
      response.setHeader("Access-Control-Allow-Origin", "*");
      response.end(readFileSync(FONT));
    });
    const faults: string[] = [];
    page.on("pageerror", (fault) => faults.push(String(fault)));
    await page.goto(agent.url);
    await agent.until(() => agent.of("full_snapshot").length === 2, "snapshot");

    const moments: { at: number; nodes: string[]; seen: PNG }[] = [];
    for (const step of ["", ...steps]) {
      await page.evaluate(`(() => { ${step} })()`);
      const at = await settled(page);
      const nodes = await page.evaluate(structure, (await page.$("body")) as never);
      moments.push({ at, nodes, seen: await picture(page) });
    }
    await page.goto("about:blank");
    await agent.until(() => agent.left(), "the whole page");
    expect(faults).toEqual([]);

    const player = await openPlayer(agent, page, recording(agent));
    for (const [n, { at, nodes, seen }] of moments.entries()) {
      await player.seek(at);
      const frame = player.frame();
      await settled(page);
      const played = await frame.evaluate(structure, (await frame.$("body")) as never);
      expect(played, `moment ${n}: structure`).toEqual(nodes);
      expect(difference(seen, await picture(page)), `moment ${n}: share of pixels`).toBeLessThanOrEqual(
        PIXELS,
      );
    }
    expect(player.warnings.filter((text) => /not found|missing/i.test(text))).toEqual([]);
  });
});
