// The scripted visit of 55 seconds that the budgets are about: bytes uploaded, and time of the main thread spent in
// our scripts, beside bare rrweb (JSON, gzip every 5 seconds) on the same visit.
import { gzipSync } from "node:zlib";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { TestAgent } from "../e2e/agent.ts";
import { launch, tag } from "../e2e/browser.ts";
import { bareRecorder } from "./bare.ts";
import { shop, walk } from "./shop.ts";
import { median, type Thread, watchThread } from "./thread.ts";

const BYTES = 85_000;
const MAIN_THREAD_MS = 400;
const VISIT_MS = 55_000;
/** Visits of each kind: more give a steadier median. */
const RUNS = Number(process.env.RUNS ?? 1);

const agent = new TestAgent();
beforeAll(() => agent.listen());
afterAll(() => agent.close());

test("scripted visit", async () => {
  const ours: Thread[] = [];
  const rrweb: Thread[] = [];
  const uploads: number[] = [];
  for (let run = 0; run < RUNS; run++) {
    agent.reset();
    ours.push(await visit(tag(agent)));
    await agent.until(() => agent.of("page_exit").length, "page_exit");
    uploads.push(agent.bodyBytes);
    const json = agent.events.reduce((sum, event) => sum + JSON.stringify(event).length, 0);
    const clicks = agent.of("click").length;
    const { requests } = agent;
    let bareBytes = 0;
    agent.pages.set("/bare.js", await bareRecorder());
    rrweb.push(
      await visit(`<script src="/bare.js"></script>`, async (page) => {
        const text = await page.evaluate(() =>
          JSON.stringify((window as unknown as { events: unknown[] }).events.splice(0)),
        );
        bareBytes += gzipSync(text).length;
      }),
    );
    const bytes = uploads[run] as number;
    console.log(
      [
        `upload      ${kB(bytes)} in ${requests} requests (budget ${kB(BYTES)}; bare rrweb ${kB(bareBytes)}; JSON of the same events ${kB(json)}, ${((100 * (json - bytes)) / json).toFixed(1)} % less)`,
        `main thread ${told(ours[run])} in our scripts, bare rrweb ${told(rrweb[run])}`,
        `clicks      ${clicks} of 36, the last ones before the close among them`,
      ].join("\n"),
    );
    expect(clicks).toBe(36);
  }
  const own = median(ours.map(({ scripts }) => scripts));
  const peer = median(rrweb.map(({ scripts }) => scripts));
  console.log(
    `main thread, median of ${RUNS}: ${own.toFixed(0)} ms of processor time (budget ${MAIN_THREAD_MS} ms), bare rrweb ${peer.toFixed(0)} ms, ${(own / peer).toFixed(2)} times`,
  );
  if (process.env.PROFILE) console.log([...lines(ours[0]?.files), ...lines(ours[0]?.functions)].join("\n"));
  expect(median(uploads)).toBeLessThanOrEqual(BYTES);
  expect(own).toBeLessThanOrEqual(MAIN_THREAD_MS);
});

const kB = (bytes: number) => `${(bytes / 1000).toFixed(1)} kB`;
const told = (thread: Thread | undefined) =>
  `${thread?.scripts.toFixed(0)} ms (of ${thread?.all.toFixed(0)} ms that the page took)`;
const lines = (times: [string, number][] = []) =>
  times.map(([name, ms]) => `${ms.toFixed(1).padStart(7)} ms ${name}`);

/** Goes through the shop. */
async function visit(script: string, each5s?: (page: Page) => Promise<void>): Promise<Thread> {
  const home = shop(script);
  for (const path of ["/", "/r0", "/r1", "/r2", "/r3", "/r4", "/r5"]) agent.pages.set(path, home);
  const browser = await launch();
  const page = await (await browser.newContext({ viewport: { width: 1200, height: 800 } })).newPage();
  const stop = await watchThread(page, /\/sdk\/|bare\.js/);
  await page.goto(agent.url);
  const timer = each5s && setInterval(() => void each5s(page).catch(() => undefined), 5_000);
  await walk(page, VISIT_MS);
  const thread = await stop();
  clearInterval(timer);
  await each5s?.(page);
  await page.close();
  await browser.close();
  return thread;
}
