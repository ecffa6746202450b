// Records the pointer traces of ops/signals/traces anew (`make traces`): a hand moves over a page in a real browser, the
// agent's own SDK samples it, and what the store then holds is the trace. Seeded, so that only the browser's own timing
// differs from one recording to the next.
import { mkdir, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Browser, BrowserContext } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { launch } from "./browser.mjs";
import { System, until } from "./system.ts";
import { replay } from "./traces/hand.ts";
import { hands } from "./traces/hands.ts";

const folder = new URL("../signals/traces/", import.meta.url);
const perFamily = 8;
const base = 1_800_000_000_000;

describe.skipIf(!process.env.GOSIGHT_TRACES)("recorded pointer traces", { concurrent: true }, () => {
  let system: System;
  let browser: Browser;
  let site: Server;
  let origin = "";

  beforeAll(async () => {
    [system, browser] = await Promise.all([System.up(), launch()]);
    site = createServer((_, response) => {
      response.setHeader("Content-Type", "text/html; charset=utf-8");
      response.end(`<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Page</title><link rel="icon" href="data:,">
<script async src="http://${system.ready.agent_http}/sdk/gosight.js" data-key="${system.ready.project_key}" data-replay="off"></script>
</head><body style="font:16px/24px sans-serif">${"<p>Nobody reads the terms of a lamp before it is dark.</p>".repeat(20)}</body></html>`);
    });
    await new Promise<void>((resolve) => site.listen(0, "127.0.0.1", resolve));
    origin = `http://127.0.0.1:${(site.address() as AddressInfo).port}/`;
    await mkdir(folder, { recursive: true });
  });

  afterAll(async () => {
    await browser?.close();
    site?.closeAllConnections();
    site?.close();
    await system?.down();
  });

  async function record(
    context: BrowserContext,
    file: string,
    moves: ReturnType<(typeof hands)[string]["moves"]>,
  ) {
    const page = await context.newPage();
    await page.goto(origin);
    const session = await page.waitForFunction(() =>
      (window as { gosight?: { sessionId?(): string } }).gosight?.sessionId?.(),
    );
    const id = (await session.jsonValue()) as string;
    await replay(page, moves);
    await page.goto("about:blank");
    const of = `session_id = '${id}'`;
    await until("the whole visit is stored", 60_000, () => system.left(of));
    const rows = await system.query<{ ts: string; payload: string }>(
      `SELECT toUnixTimestamp64Milli(ts) AS ts, payload FROM events FINAL WHERE ${of} AND event_type = 'pointer' ORDER BY ts`,
    );
    expect(rows.length, file).toBeGreaterThan(0);
    const first = Number(rows[0]?.ts);
    return rows.map((row, i) => ({
      event_id: `e${i}`,
      event_type: "pointer",
      timestamp: base + Number(row.ts) - first,
      url: "http://site/",
      page_id: "page",
      payload: JSON.parse(row.payload),
    }));
  }

  for (const [family, hand] of Object.entries(hands)) {
    test(family, async () => {
      for (let n = 0; n < perFamily; n++) {
        const file = `${family.replaceAll(" ", "-")}-${n}.json`;
        const context = await browser.newContext({ viewport: { width: 1200, height: 800 } });
        const events = await record(context, file, hand.moves(n));
        await context.close();
        const text = `{"family":${JSON.stringify(family)},"about":${JSON.stringify(hand.about)},"want":${JSON.stringify(hand.want)},"events":[\n`;
        await rm(new URL(file, folder), { force: true });
        await writeFile(
          new URL(file, folder),
          `${text}${events.map((event) => JSON.stringify(event)).join(",\n")}\n]}\n`,
        );
      }
    }, 600_000);
  }
});
