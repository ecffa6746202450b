import type { Page } from "playwright-core";
import { afterAll, expect } from "vitest";
import type { TestAgent } from "./agent.ts";
import { html, tag } from "./browser.ts";
import { closeBrowser, test } from "./fixture.ts";

afterAll(closeBrowser);

const open = async (agent: TestAgent, page: Page, body: string, path = "/") => {
  agent.pages.set(path.split("?")[0] as string, html(body, tag(agent)));
  await page.goto(agent.url + path);
  await agent.until(() => agent.of("page_load").length > 0, "page_load");
};

test("a visit gives every type of event, with the fields of the contract", async ({ agent, page }) => {
  await open(
    agent,
    page,
    `<h1>Shop</h1><button id="buy">Buy <b>now</b></button>
     <input id="name" name="name"><div style="height:3000px"></div>
     <script>document.getElementById("buy").addEventListener("click", () => document.getElementById("buy").append("!"));</script>`,
    "/shop?secret=canary-query&utm_source=mail",
  );
  const load = agent.of("page_load")[0];
  expect(load?.payload).toMatchObject({
    url: `${agent.url}/shop?secret&utm_source=mail`,
    title: "Test page",
    referrer: "",
  });
  expect(load?.metadata).toMatchObject({
    sdk: "web",
    language: "en-US",
    url: `${agent.url}/shop?secret&utm_source=mail`,
  });
  expect(load?.metadata.page_id).toMatch(/^[0-9a-z]{8}$/);

  await agent.until(() => agent.of("full_snapshot").length === 2, "two full_snapshots");
  expect(agent.of("full_snapshot").map((event) => event.payload.type)).toEqual([4, 2]);

  await page.click("#buy b");
  const click = await agent.until(() => agent.of("click")[0], "click");
  expect(click.payload).toMatchObject({
    selector: "button#buy",
    tag: "button",
    role: "button",
    text: "Buy now",
    button: 0,
    interactive: true,
    vw: 1000,
    vh: 700,
  });
  expect(click.payload.x).toBeGreaterThan(0);
  await page.dblclick("h1");
  await page.click("h1", { button: "right" });
  await page.fill("#name", "canary-name");
  await page.mouse.wheel(0, 1500);
  const scroll = await agent.until(() => agent.of("scroll").at(-1), "scroll");
  expect(scroll.payload.y).toBeGreaterThan(1000);
  await page.evaluate(() => {
    (
      window as never as {
        gosight: { track(n: string, p: object): void; identify(u: string, t: object): void };
      }
    ).gosight.track("paid", { n: 3 });
    (window as never as { gosight: { identify(u: string, t: object): void } }).gosight.identify("u-1", {
      plan: "pro",
    });
    history.pushState({}, "", "/shop/cart");
    history.replaceState({}, "", "/shop/cart?tab=2");
    location.hash = "zone";
    setTimeout(() => {
      throw new Error("boom");
    });
    void Promise.reject(new TypeError("later"));
    console.warn("careful", { secret: 1 });
    void fetch("/missing?token=canary-token");
  });
  await agent.until(() => agent.of("network").length, "network");
  await page.goBack();
  await agent.until(() => agent.of("navigate").length === 4, "four navigates");
  expect(agent.of("navigate").map((event) => event.payload.kind)).toEqual(["push", "replace", "hash", "pop"]);
  expect(agent.of("dblclick")).toHaveLength(1);
  expect(agent.of("contextmenu")[0]?.payload).toMatchObject({
    tag: "h1",
    button: 2,
    interactive: false,
    text: "Shop",
  });
  expect(agent.of("custom")[0]?.payload).toEqual({ name: "paid", props: { n: 3 } });
  expect(agent.of("identify")[0]).toMatchObject({ user: "u-1", payload: { traits: { plan: "pro" } } });
  expect(agent.of("error").map((event) => event.payload.message)).toEqual(
    expect.arrayContaining(["Uncaught Error: boom", "TypeError: later"]),
  );
  expect(agent.of("network")[0]?.payload).toMatchObject({
    method: "GET",
    status: 404,
    url: `${agent.url}/missing?token`,
  });
  const input = await agent.until(() => agent.of("input")[0], "input");
  expect(input.payload).toEqual({ selector: "input#name", tag: "input", type: "text", length: 11 });
  expect(agent.of("console")[0]?.payload).toEqual({ level: "warn", message: "careful [object Object]" });
  await agent.until(() => agent.of("pointer").length, "pointer");
  await agent.until(() => agent.of("mutation").length, "mutation");
  await page.goto("about:blank");
  await agent.until(() => agent.left(), "the whole page");
  expect(agent.of("page_exit")[0]?.payload.dwell_ms).toBeGreaterThan(500);
  await agent.until(() => agent.of("web_vital").length >= 3, "web vitals");
  expect(new Set(agent.events.map((event) => event.session)).size).toBe(1);
  for (const canary of ["canary-query", "canary-name", "canary-token"])
    expect(agent.saw(canary), canary).toBe(false);
});

test("the trail of a drag says that a button was held", async ({ agent, page }) => {
  agent.pages.set("/", html("<p>words</p>", tag(agent, 'data-replay="off"')));
  await page.goto(agent.url);
  await page.waitForFunction(() => "gosight" in window);
  await page.mouse.move(10, 10);
  await page.mouse.move(40, 10);
  await page.mouse.down();
  for (const x of [100, 300, 100]) {
    await page.mouse.move(x, 40);
    await page.waitForTimeout(80); // longer than the time between two samples
  }
  await page.mouse.up();
  await page.mouse.move(500, 200);
  await page.goto("about:blank");
  await agent.until(() => agent.left(), "the whole page");
  const trails = agent.of("pointer");
  // One trail, or two where the machine takes more than a second for it.
  const held = trails.filter((trail) => trail.payload.buttons).map((trail) => trail.payload);
  expect(new Set(held.map(({ buttons }) => buttons))).toEqual(new Set([1]));
  expect(held.flatMap(({ points }) => points)).toContainEqual([expect.any(Number), 300, 40]);
  expect(trails.some((trail) => !trail.payload.buttons)).toBe(true);
});

const keepBusy = (page: Page) =>
  page.evaluate(() => {
    const until = performance.now() + 700;
    while (performance.now() < until);
  });

// A busy page hears late of what a hand did meanwhile, and of many moves at once.
test("a trail is the hand's, however busy the page", async ({ agent, page }) => {
  await open(agent, page, "<p>Wait</p>");
  const hand = await page.context().newCDPSession(page);
  const busy = keepBusy(page);
  const began = Date.now();
  const sent: Promise<unknown>[] = [];
  for (let i = 0; i < 10; i++) {
    const [x, timestamp] = [100 + (i % 2) * 300, (began + i * 60) / 1000];
    sent.push(hand.send("Input.dispatchMouseEvent", { type: "mouseMoved", x, y: 50 + i, timestamp }));
    await page.waitForTimeout(60);
  }
  await Promise.all([busy, ...sent]);
  await page.goto("about:blank");
  await agent.until(() => agent.left(), "the whole page");
  const trails = agent.of("pointer");
  const points = trails.flatMap(({ timestamp, payload }) =>
    (payload.points as number[][]).map(([ms = 0, x, y]) => [
      Math.round((Number(timestamp) + ms - began) / 60) + 0, // no -0
      x,
      y,
    ]),
  );
  expect(points).toEqual(Array.from({ length: 10 }, (_, i) => [i, 100 + (i % 2) * 300, 50 + i]));
});

test("clicks have the hand's times, however busy the page", async ({ agent, page }) => {
  await open(agent, page, `<button id="it">Go</button>`);
  const box = await page.locator("#it").boundingBox();
  const [x, y] = [(box?.x ?? 0) + 5, (box?.y ?? 0) + 5];
  const hand = await page.context().newCDPSession(page);
  const busy = keepBusy(page);
  const began = Date.now();
  const sent: Promise<unknown>[] = [];
  for (let i = 0; i < 6; i++) {
    const timestamp = (began + i * 600) / 1000;
    for (const type of ["mousePressed", "mouseReleased"] as const)
      sent.push(
        hand.send("Input.dispatchMouseEvent", { type, x, y, button: "left", clickCount: 1, timestamp }),
      );
  }
  await Promise.all([busy, ...sent]);
  await agent.until(() => agent.of("click").length === 6, "six clicks");
  expect(agent.of("click").map(({ timestamp }) => Math.round((timestamp - began) / 60) + 0)).toEqual([
    0, 10, 20, 30, 40, 50,
  ]);
});
