import type { Browser, Page } from "playwright-core";
import { afterAll, describe, expect } from "vitest";
import type { GoSight } from "../src/index.ts";
import type { TestAgent } from "./agent.ts";
import { html, tag } from "./browser.ts";
import { closeBrowser, test } from "./fixture.ts";

declare const gosight: GoSight;

const INGEST = "**/gosight.Ingestor/**";

afterAll(closeBrowser);

const open = async (agent: TestAgent, page: Page, attributes = "") => {
  agent.pages.set("/", html(`<button id="it">Go</button>`, tag(agent, attributes)));
  agent.pages.set("/bare", html("bare"));
  await page.goto(agent.url);
  await page.waitForFunction(() => "gosight" in window);
};
const arrived = (agent: TestAgent, type = "page_load") => agent.until(() => agent.of(type).length > 0, type);
const tracked = (agent: TestAgent) => agent.of("custom").map((event) => event.payload.name);

describe("delivery", { concurrent: true }, () => {
  test("a page that is closed right after a click delivers it", async ({ agent, page }) => {
    await open(agent, page);
    await arrived(agent);
    await page.click("#it");
    await page.close();
    await arrived(agent, "click");
    await arrived(agent, "page_exit");
  });

  test("a page that is left with more than a keepalive request may carry delivers the rest on the next page", async ({
    agent,
    page,
  }) => {
    await open(agent, page);
    await agent.until(() => agent.of("full_snapshot").length === 2, "snapshot");
    await page.evaluate(() => {
      // Noise, so that compression cannot make it fit.
      const noise = () =>
        Array.from(crypto.getRandomValues(new Uint32Array(1_800)), (n) => n.toString(36)).join("");
      for (let i = 0; i < 14; i++) gosight.track(`big${i}`, { filler: noise() });
      location.href = "/bare";
    });
    await page.waitForURL("**/bare");
    await page.goto(agent.url);
    await agent.until(() => tracked(agent).length === 14, "fourteen events");
  });

  test("nothing is lost by reloads while no agent answers, and nothing comes under two ids", async ({
    agent,
    page,
  }) => {
    await open(agent, page);
    await arrived(agent);
    agent.down = true;
    await page.evaluate(() => gosight.track("one"));
    await page.click("#it");
    await page.waitForRequest(INGEST);
    await page.evaluate(() => gosight.track("two"));
    await page.reload();
    await page.waitForFunction(() => "gosight" in window);
    await page.evaluate(() => gosight.track("three"));
    await page.waitForTimeout(400);
    await page.evaluate(() => gosight.track("four"));
    await page.reload();
    await page.waitForFunction(() => "gosight" in window);
    expect(tracked(agent)).toEqual([]);
    agent.down = false;
    await agent.until(
      () => agent.of("page_load").length === 3 && tracked(agent).length === 4,
      "everything",
      20_000,
    );
    expect(tracked(agent)).toEqual(["one", "two", "three", "four"]);
    expect(agent.of("click")).toHaveLength(1);
    expect(agent.of("page_exit")).toHaveLength(2);
    await agent.until(() => agent.of("full_snapshot").length === 6, "snapshots of three pages");
    const stored = await page.evaluate(() =>
      Object.keys(localStorage).filter((key) => key.startsWith("gosight.stash")),
    );
    expect(stored).toEqual([]);
  });

  test("an agent that is full is asked again after the time it names, with the same ids", async ({
    agent,
    page,
  }) => {
    await open(agent, page);
    await arrived(agent);
    agent.refuse = { status: 429, headers: { "Retry-After": "1" } };
    const errors: unknown[] = [];
    page.on("pageerror", (error) => errors.push(error));
    await page.evaluate(() => gosight.track("held"));
    await page.waitForResponse((response) => response.status() === 429);
    const refusedAt = Date.now();
    agent.refuse = undefined;
    await agent.until(() => tracked(agent).length === 1, "held event");
    expect(Date.now() - refusedAt).toBeLessThan(6_000);
    expect(errors).toEqual([]);
  });

  test("an agent that does not know columns gets the replay plainly, from a snapshot on", async ({
    agent,
    page,
  }) => {
    agent.old = true;
    await open(agent, page);
    await agent.until(() => agent.of("full_snapshot").length === 2, "plain snapshot");
    await page.evaluate(() => document.body.append("later"));
    await agent.until(() => agent.saw("later"), "plain mutation");
    await page.evaluate(() => gosight.track("last"));
    await agent.until(() => tracked(agent).length === 1, "event");
    expect(agent.events.some((event) => Number(event.metadata.dropped) > 0)).toBe(true);
  });

  test("a wrong key is not tried for ever", async ({ agent, page }) => {
    // A page at rest: what is still under way when the key is refused would be answered too.
    await open(agent, page, 'data-replay-sample="0"');
    await arrived(agent, "web_vital");
    agent.refuse = { status: 401 };
    const refused = page.waitForResponse((response) => response.status() === 401);
    await page.evaluate(() => gosight.track("one"));
    await (await refused).finished();
    agent.refuse = undefined;
    await page.evaluate(() => gosight.track("two"));
    await page.click("#it");
    await page.waitForTimeout(600);
    await page.goto(`${agent.url}/bare`); // leaving sends what is at hand
    expect([tracked(agent), agent.of("click"), agent.of("page_exit")]).toEqual([[], [], []]);
  });

  for (const [name, signal] of [
    ["Global Privacy Control", { globalPrivacyControl: true }],
    ["Do Not Track", { doNotTrack: "1" }],
  ] as const) {
    test(`${name}: no request at all`, async ({ agent, context, page }) => {
      const requests: string[] = [];
      await context.addInitScript((values) => {
        for (const [key, value] of Object.entries(values))
          Object.defineProperty(Navigator.prototype, key, { get: () => value });
      }, signal);
      page.on("request", (request) => requests.push(request.url()));
      await open(agent, page);
      await page.click("#it");
      await page.evaluate(() => gosight.track("x"));
      await page.goto(`${agent.url}/bare`);
      await page.waitForTimeout(500);
      expect(requests.map((url) => url.slice(agent.url.length))).toEqual(["/", "/sdk/gosight.js", "/bare"]);
      expect(agent.requests).toBe(0);
    });
  }

  test("nothing before consent, nothing after it is taken back", async ({ agent, page }) => {
    await open(agent, page, 'data-consent="required"');
    await page.click("#it");
    await page.waitForTimeout(400);
    expect(agent.requests).toBe(0);
    expect(await page.evaluate(() => [gosight.sessionId(), Object.keys(localStorage)])).toEqual(["", []]);
    await page.evaluate(() => gosight.optIn());
    await page.click("#it");
    await arrived(agent, "click");
    expect(agent.of("click")[0]?.metadata.consent).toBe("granted");
    expect(await page.evaluate(() => gosight.sessionId())).toBe(agent.of("click")[0]?.session);

    await page.evaluate(() => gosight.optOut());
    await page.click("#it");
    // What was under way when consent ended may still come; of the next page nothing may.
    const requests: string[] = [];
    await page.goto(`${agent.url}/bare`);
    page.on("request", (request) => requests.push(request.url()));
    await page.goto(agent.url);
    await page.waitForFunction(() => "gosight" in window);
    await page.click("#it");
    await page.waitForTimeout(500);
    expect(requests.map((url) => url.slice(agent.url.length))).toEqual(["/", "/sdk/gosight.js"]);
    expect(agent.of("click")).toHaveLength(1);
    expect(agent.of("page_exit")).toEqual([]);
  });

  test("a sample of none records nothing; of sessions without replay, no replay", async ({
    agent,
    context,
    page,
  }) => {
    await open(agent, page, 'data-sample="0"');
    await page.click("#it");
    await page.waitForTimeout(400);
    expect(agent.requests).toBe(0);
    const other = await (context.browser() as Browser).newContext();
    await open(agent, await other.newPage(), 'data-replay-sample="0"');
    await arrived(agent, "web_vital");
    expect(agent.of("full_snapshot")).toEqual([]);
    await other.close();
  });

  test("tabs share one session and one user; stop ends a page's recording", async ({
    agent,
    context,
    page,
  }) => {
    await open(agent, page);
    await page.evaluate(() => gosight.identify("u-7"));
    const second = await context.newPage();
    await open(agent, second);
    await second.evaluate(() => gosight.track("second"));
    await agent.until(() => tracked(agent).length === 1, "event of the second tab");
    expect(agent.of("custom")[0]?.user).toBe("u-7");
    expect(new Set(agent.events.map((event) => event.session)).size).toBe(1);
    expect(new Set(agent.events.map((event) => event.metadata.page_id)).size).toBe(2);
    await page.evaluate(() => {
      gosight.stop();
      gosight.track("after");
    });
    await page.click("#it");
    await page.waitForTimeout(400);
    expect(tracked(agent)).toEqual(["second"]);
  });

  test("the page's own functions stay what they were", async ({ agent, page }) => {
    await open(agent, page);
    await arrived(agent, "web_vital");
    const native = await page.evaluate(() =>
      [fetch, history.pushState, EventTarget.prototype.addEventListener].map(
        (fn) => `${fn.name}/${fn.length} ${/native code/.test(String(fn))}`,
      ),
    );
    expect(native).toEqual(["fetch/1 true", "pushState/2 true", "addEventListener/2 true"]);
  });

  test("a page of more than 100,000 elements says that it is not replayed", async ({ agent, page }) => {
    agent.pages.set(
      "/",
      html(`<div id="d" hidden></div><script>d.innerHTML="<i></i>".repeat(100000)</script>${tag(agent)}`),
    );
    await page.goto(agent.url);
    await agent.until(() => tracked(agent).includes("gosight_replay_refused"), "marker");
    expect(agent.of("full_snapshot")).toEqual([]);
  });

  for (const [how, grow] of [
    ["at once", `d.innerHTML = "<i></i>".repeat(110000)`],
    ["in one piece", `d.innerHTML = "<p>" + "<b><i></i></b>".repeat(55000) + "</p>"`],
    [
      "by and by",
      `for (let i = 0; i < 110; i++) { d.append(document.createElement("p")); d.lastChild.innerHTML = "<i></i>".repeat(1000); await null }`,
    ],
  ] as const) {
    test(`a page that grows to that size, ${how}, is replayed no further`, async ({ agent, page }) => {
      agent.pages.set("/", html(`<div id="d" hidden></div>`, tag(agent)));
      await page.goto(agent.url);
      await agent.until(() => agent.of("full_snapshot").length === 2, "snapshot");
      await page.evaluate(`(async () => { ${grow} })()`);
      await agent.until(() => tracked(agent).includes("gosight_replay_refused"), "marker");
      await page.evaluate(`d.replaceChildren()`);
      await page.goto("about:blank");
      await agent.until(() => agent.left(), "the whole page");
      const adds = agent
        .of("mutation")
        .map(({ payload }) => (payload.data as { adds?: object[] }).adds?.length ?? 0);
      const seen = adds.reduce((sum, count) => sum + count, 0);
      expect(seen).toBeLessThanOrEqual(100_500);
      if (how !== "by and by") expect(seen).toBe(0);
    });
  }
});
