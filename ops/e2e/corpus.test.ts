// Small real pages in a real browser, the agent's own SDK, and the signals that analysts see of them: each page
// must give its signals and no others.
import { randomUUID } from "node:crypto";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { browserPath, launch } from "./browser.mjs";
import { type CorpusPage, corpus } from "./corpus/pages.ts";
import { System, until } from "./system.ts";

if (!browserPath) console.warn("NOT RUN: the browser corpus, since no Chromium was found");

const patience = 60_000;

describe.skipIf(!browserPath)("the browser corpus", { concurrent: true }, () => {
  let system: System;
  let browser: Browser;
  let site: Server;
  let origin = "";
  const began = Date.now();
  const judged: { page: string; right: string; must: string; gave: string }[] = [];
  const pages = Object.entries(corpus);

  beforeAll(async () => {
    [system, browser] = await Promise.all([System.up(), launch()]);
    site = createServer((request, response) => {
      const url = new URL(request.url ?? "/", "http://site");
      const it = pages[Number(/^\/page(\d+)\//.exec(url.pathname)?.[1])]?.[1];
      if (!it) return void setTimeout(() => response.end("slow"), Number(url.searchParams.get("ms")));
      response.setHeader("Content-Type", "text/html; charset=utf-8");
      response.end(html(it));
    });
    await new Promise<void>((resolve) => site.listen(0, "127.0.0.1", resolve));
    origin = `http://127.0.0.1:${(site.address() as AddressInfo).port}`;
  });

  afterAll(async () => {
    await browser?.close();
    site?.closeAllConnections();
    site?.close();
    await system?.down();
    console.table(judged.sort((a, b) => a.right.localeCompare(b.right)));
    const right = judged.filter((row) => row.right === "yes").length;
    console.log(
      `corpus: ${right} of ${pages.length} pages right, in ${Math.round((Date.now() - began) / 1000)} s`,
    );
  });

  const html = (it: CorpusPage) =>
    `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Page</title><link rel="icon" href="data:,">
<script ${it.first ? "" : "async"} src="http://${system.ready.agent_http}/sdk/gosight.js" data-key="${system.ready.project_key}" data-replay="off"></script>
</head><body>${it.body}</body></html>`;

  /** How many events of each type have a row. */
  async function stored(session: string): Promise<Record<string, number>> {
    const rows = await system.query<{ type: string; n: string }>(
      `SELECT event_type AS type, count() AS n FROM events FINAL WHERE session_id = '${session}' GROUP BY type`,
    );
    return Object.fromEntries(rows.map((row) => [row.type, Number(row.n)]));
  }

  async function visit(page: Page, it: CorpusPage, url: string): Promise<string> {
    await page.goto(url);
    const session = await page.waitForFunction(() => {
      const { gosight, __gosightChunk: chunks } = window as {
        gosight?: { sessionId?(): string };
        __gosightChunk?: object;
      };
      const learning = "evidence" in (chunks ?? {}) && !document.querySelector("script[src*=evidence]");
      return learning && gosight?.sessionId?.();
    });
    if (it.watchMs) await page.waitForTimeout(it.watchMs);
    await (it.act ? it.act(page) : page.click(it.click ?? "#it", { noWaitAfter: true }));
    const id = (await session.jsonValue()) as string;
    // The window in which a page may answer; its end is the SDK's to say.
    if (!it.act || it.signals.some((kind) => kind.endsWith("_click")))
      await until("every click has its outcome", patience, async () => {
        const n = await stored(id);
        return (n.click ?? 0) > 0 && n.click === n.click_outcome;
      });
    await page.goto("about:blank");
    await page.close();
    await until("the whole visit is stored", patience, () => system.left(`session_id = '${id}'`));
    return id;
  }

  /**
   * Resolves when the centre has decided all that came before. A dead click with its outcome, sent as any client may,
   * is the last thing of this session in the log: who has found it has seen everything else, and its time is past
   * every deadline of the visit.
   */
  async function decided(session: string): Promise<void> {
    const click = randomUUID();
    const timestamp = Date.now() + 3000;
    const event = (type: string, id: string, at: number, payload: object) => ({
      eventId: id,
      eventType: type,
      timestamp: at,
      payload: JSON.stringify(payload),
    });
    const answer = await fetch(`http://${system.ready.agent_http}/gosight.Ingestor/SendBatch`, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Gosight-Key": system.ready.project_key },
      body: JSON.stringify({
        sessionId: session,
        metadata: { url: `${origin}/end`, page_id: click },
        events: [
          event("click", click, timestamp, {
            x: 5000,
            y: 5000,
            page_x: 5000,
            page_y: 5000,
            selector: "#end",
            tag: "p",
            interactive: false,
          }),
          event("click_outcome", randomUUID(), timestamp + 3000, {
            click_id: click,
            kind: "none",
            after_ms: 2500,
          }),
        ],
      }),
    });
    if (!answer.ok)
      throw new Error(`the agent refused the last click: ${answer.status} ${await answer.text()}`);
    await until(
      "the centre has decided the last click",
      patience,
      async () =>
        (
          await system.query(
            `SELECT 1 FROM signals FINAL WHERE session_id = '${session}' AND selector = '#end' AND detected_by = 'centre'`,
          )
        ).length > 0,
    );
  }

  for (const [index, [name, it]] of pages.entries()) {
    test(name, async () => {
      const row = { page: name, right: "no", must: it.signals.join(" "), gave: "?" };
      judged.push(row);
      const context = await browser.newContext({ viewport: { width: 900, height: 600 } });
      const session = await visit(await context.newPage(), it, `${origin}/page${index}/`);
      await context.close();
      await decided(session);
      const found = await system.query<{ kind: string; how: string }>(
        `SELECT kind, toString((ts, count, duration_ms, detected_by, final, first_event_id, selector)) AS how
         FROM signals FINAL WHERE session_id = '${session}' AND selector != '#end' ORDER BY kind, ts`,
      );
      const kinds = found.map((signal) => signal.kind);
      row.gave = kinds.join(" ");
      if (row.gave === row.must) row.right = "yes";
      expect(kinds, found.map((signal) => `${signal.kind} ${signal.how}`).join("\n")).toEqual(it.signals);
    });
  }
});
