// What recording costs pages that are hard to record: many changes, and very many nodes.
import { afterAll, beforeAll, expect, test } from "vitest";
import { TestAgent } from "../e2e/agent.ts";
import { html, launch, tag } from "../e2e/browser.ts";
import { bareRecorder } from "./bare.ts";
import { watchTasks, watchThread } from "./thread.ts";

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

/** What the huge pages hold, and where they are clicked: what a click costs depends on what is around it. */
const ROWS = `"<div><b>cell</b><i>x</i></div>".repeat(${HUGE / 5})`;
const huge: Record<string, { body: string; click: [x: number, y: number] }> = {
  "nothing to see": {
    body: `<div id="d" style="contain:strict"></div><script>d.innerHTML = "<i></i>".repeat(${HUGE})</script>`,
    click: [15, 15],
  },
  "rows to see": { body: `<div id="d"></div><script>d.innerHTML = ${ROWS}</script>`, click: [15, 300] },
  "rows that come with a click": {
    body: `<div id="d"></div><script>document.querySelector("button").onclick = () => { d.innerHTML = ${ROWS} }</script>`,
    click: [15, 15],
  },
};

for (const [name, { body, click }] of Object.entries(huge)) {
  test(`a page of 250,000 nodes: ${name}`, async () => {
    const visit = async (script: string) => {
      agent.pages.set("/", html(`<button>x</button>${body}`));
      const browser = await launch();
      const page = await browser.newPage();
      await page.goto(agent.url);
      // The page's own work is over.
      await page.waitForTimeout(2_000);
      const stop = await watchTasks(browser, page, /\/sdk\//);
      await page.evaluate(
        (text) => void document.head.append(document.createRange().createContextualFragment(text)),
        script,
      );
      await page.waitForTimeout(4_000);
      await page.mouse.click(...click);
      await page.waitForTimeout(5_000);
      const told = await stop();
      await browser.close();
      return told;
    };
    agent.reset();
    const { ours, longest } = await visit(tag(agent));
    const clicks = agent.of("click").length;
    const refused = agent
      .of("custom")
      .filter(({ payload }) => payload.name === "gosight_replay_refused").length;
    const { longest: without } = await visit("");
    console.log(
      `huge page   ${name}: at most ${ours.scripts.toFixed(0)} ms of a task in our scripts, limit ${FREEZE_MS}; longest task of the page ${longest.task.toFixed(0)} ms, without us ${without.task.toFixed(0)} ms; replay refused with a marker: ${refused > 0}`,
    );
    expect({ clicks, refused }).toEqual({ clicks: 1, refused: 1 });
    expect(ours.scripts).toBeLessThanOrEqual(FREEZE_MS);
  });
}
