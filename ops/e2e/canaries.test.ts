// What a page hides is in no table: secrets that are typed, hidden inputs, masked texts and blocked parts are planted
// in a page, and looked for in all that ClickHouse holds.
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { browserPath, launch } from "./browser.mjs";
import { System, until } from "./system.ts";

if (!browserPath) console.warn("NOT RUN: canaries in a browser, since no Chromium was found");

const BODY = `<h1>plain words</h1><form><input id="name"><input id="pw" type="password"><textarea id="area"></textarea>
  <input type="hidden" id="hid" value="canaryhidden"><input type="email" value="canarypreset"><div id="edit" contenteditable>x</div></form>
  <section data-gosight-mask><p id="masked" title="canarytitle">canarymasked</p><button id="button" aria-label="canarylabel">canarybutton</button></section>
  <section data-gosight-block><p id="blocked">canaryblocked</p><img alt="canaryalt"></section>
  <iframe srcdoc="<p data-gosight-mask>canaryframe</p>"></iframe>
  <script>setInterval(() => { hid.value = "canaryhidden" + Math.random(); blocked.textContent = "canaryblocked" + Math.random() }, 100)</script>`;

describe.skipIf(!browserPath)("canaries", () => {
  let system: System;
  let browser: Browser;
  let site: Server;

  beforeAll(async () => {
    system = await System.up();
    const { agent_http: agent, project_key: key } = system.ready;
    const page = `<!doctype html><title>Canaries</title><script src="http://${agent}/sdk/gosight.js" data-key="${key}"></script>${BODY}`;
    site = createServer((_, response) => response.setHeader("Content-Type", "text/html").end(page));
    await new Promise<void>((resolve) => site.listen(0, "127.0.0.1", resolve));
    browser = await launch();
  });

  afterAll(async () => {
    await browser?.close();
    site?.close();
    await system?.down();
  });

  test("are in no column of any table", async () => {
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${(site.address() as AddressInfo).port}/?token=canaryquery`);
    await until(
      "the recording has begun",
      15_000,
      async () => (await system.query("SELECT 1 FROM replay LIMIT 1")).length > 0,
    );
    for (const field of ["name", "pw", "area", "edit"])
      await page.locator(`#${field}`).pressSequentially(`canary${field}`);
    await page.evaluate(() => {
      document.getElementById("name")?.setAttribute("value", "canaryattribute");
      (document.getElementById("pw") as HTMLInputElement).type = "text";
      document.getElementById("masked")?.append(" canarylater");
    });
    await page.click("#masked");
    await page.click("#button");
    await page.goto("about:blank");
    await until("the whole visit is stored", 15_000, () => system.left("1"));
    // The text that is not hidden is there, so that a search that finds nothing means something.
    const tables = await system.query<{ name: string }>(
      "SELECT name FROM system.tables WHERE database = 'gosight' AND engine LIKE '%MergeTree'",
    );
    const holding = async (text: string) => {
      const found: string[] = [];
      for (const { name } of tables) {
        const [row] = await system.query<{ n: string }>(
          `SELECT countIf(positionCaseInsensitive(toString(tuple(*)), '${text}') > 0) AS n FROM ${name}`,
        );
        if (Number(row?.n) > 0) found.push(name);
      }
      return found;
    };
    expect(await holding("plain words")).toContain("replay");
    expect(await holding("canary")).toEqual([]);
  });
});
