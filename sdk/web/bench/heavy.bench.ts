// What recording costs pages that are hard to record: many changes, and very many nodes.
import { afterAll, beforeAll, expect, test } from "vitest";
import { TestAgent } from "../e2e/agent.ts";
import { html, launch, tag } from "../e2e/browser.ts";
import { bareRecorder } from "./bare.ts";
import { watchThread } from "./thread.ts";

const NODES = 10_000;
const CHANGES_PER_SECOND = 1_000;
const SECONDS = 10;
/** Share of the main thread that recording those may take. */
const SHARE = 0.05;
const HUGE = 250_000;
const FREEZE_MS = 50;

const agent = new TestAgent();
beforeAll(() => agent.listen());
afterAll(() => agent.close());

/** Texts, attributes, and rows that go and come, in twenty portions a second as a framework renders them. */
const busy = `<script>
  const rows = [...document.querySelectorAll("#grid > div")]; let n = 0;
  window.begin = () => setInterval(() => { for (let i = 0; i < ${CHANGES_PER_SECOND / 20}; i++) { const row = rows[(n * 7919) % rows.length];
    if (n % 3 === 0) row.firstChild.firstChild.data = "cell " + n; else if (n % 3 === 1) row.className = "c" + (n % 50); else row.append(row.firstChild); n++ } }, 50);
</script>`;

async function share(script: string): Promise<{ share: number; ms: number }> {
  agent.pages.set(
    "/",
    html(`<div id="grid">${"<div><b>cell</b><i>x</i></div>".repeat(NODES / 5)}</div>${busy}`, script),
  );
  const browser = await launch();
  const page = await browser.newPage();
  await page.goto(agent.url);
  // The snapshot has been taken, and the first changes are behind.
  await page.waitForTimeout(3_000);
  await page.evaluate("begin()");
  await page.waitForTimeout(1_000);
  const stop = await watchThread(page, /\/sdk\/|bare\.js/);
  await page.waitForTimeout(SECONDS * 1_000);
  const { scripts } = await stop();
  await browser.close();
  return { share: scripts / (SECONDS * 1_000), ms: scripts };
}

test("a page of 10,000 nodes with 1,000 changes a second", async () => {
  agent.pages.set("/bare.js", await bareRecorder());
  const ours = await share(tag(agent));
  const bare = await share(`<script src="/bare.js"></script>`);
  const told = ({ share, ms }: typeof ours) =>
    `${(100 * share).toFixed(2)} % of the main thread (${ms.toFixed(0)} ms in ${SECONDS} s)`;
  console.log(`heavy page  ${told(ours)}, limit ${100 * SHARE} %; bare rrweb ${told(bare)}`);
  expect(ours.share).toBeLessThanOrEqual(SHARE);
});

test("a page of 250,000 nodes", async () => {
  const freeze = async (script: string) => {
    const grow = `<script>const d = document.createElement("div"); d.style.contain = "strict"; d.innerHTML = "<i></i>".repeat(${HUGE}); document.body.append(d)</script>`;
    agent.pages.set("/", html(`<button id="b">x</button>${grow}`));
    const browser = await launch();
    const page = await browser.newPage();
    await page.goto(agent.url);
    // The page's own work is over.
    await page.waitForTimeout(2_000);
    const stop = await watchThread(page, /\/sdk\//);
    await page.evaluate((text) => {
      const at = window as unknown as { tasks: number[] };
      at.tasks = [];
      new PerformanceObserver((list) =>
        at.tasks.push(...list.getEntries().map((entry) => entry.duration)),
      ).observe({ type: "longtask" });
      document.head.append(document.createRange().createContextualFragment(text));
    }, script);
    await page.waitForTimeout(4_000);
    await page.click("#b");
    await page.waitForTimeout(3_000);
    const tasks = (await page.evaluate("tasks")) as number[];
    const { scripts } = await stop();
    await browser.close();
    return { longest: Math.max(0, ...tasks), scripts };
  };
  const ours = await freeze(tag(agent));
  const none = await freeze("");
  const refused = agent.of("custom").filter((event) => event.payload.name === "gosight_replay_refused");
  const told = (ms: number) => (ms ? `${ms.toFixed(0)} ms` : `under ${FREEZE_MS} ms`);
  console.log(
    `huge page   longest task ${told(ours.longest)}, without us ${told(none.longest)}; ${ours.scripts.toFixed(0)} ms in our scripts in all; replay refused with a marker: ${refused.length > 0}`,
  );
  expect(refused).toHaveLength(1);
  expect(ours.scripts).toBeLessThanOrEqual(FREEZE_MS * 4);
});
