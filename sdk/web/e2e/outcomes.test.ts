// Runs the pages of outcomes.ts side by side: most of the time they wait.
import type { Browser, BrowserContext } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { TestAgent } from "./agent.ts";
import { html, launch, tag } from "./browser.ts";
import { cases } from "./outcomes.ts";

const agent = new TestAgent();
let browser: Browser;
let context: BrowserContext;

beforeAll(async () => {
  await agent.listen();
  browser = await launch();
  context = await browser.newContext({ viewport: { width: 900, height: 600 } });
  agent.pages.set("/slow", (request, response) => {
    const ms = Number(new URL(request.url ?? "", agent.url).searchParams.get("ms"));
    setTimeout(() => response.end("slow"), ms);
  });
});
afterAll(async () => {
  await browser?.close();
  agent.close();
});

describe("click_outcome", { concurrent: true }, () => {
  for (const [index, [name, it]] of Object.entries(cases).entries()) {
    test(name, async () => {
      const path = `/case${index}/`;
      const script = tag(agent, 'data-replay="off"');
      agent.pages.set(path, html(it.body, it.first ? script.replace("async", "") : script));
      const page = await context.newPage();
      await page.goto(agent.url + path);
      await page.waitForFunction(
        () =>
          "evidence" in ((window as { __gosightChunk?: object }).__gosightChunk ?? {}) &&
          !document.querySelector("script[src*=evidence]"),
      );
      if (it.watchMs) await page.waitForTimeout(it.watchMs);
      await (it.act ? it.act(page) : page.click(it.click ?? "#it", { noWaitAfter: true }));
      const mine = (type: string) =>
        agent.of(type).filter((event) => event.metadata.url?.startsWith(agent.url + path));
      // The last click is the one in question.
      const found = await agent.until(() => {
        const clicks = mine("click");
        const id = (name.startsWith("double") ? clicks[0] : clicks.at(-1))?.id;
        const outcome = mine("click_outcome").find((event) => event.payload.click_id === id);
        return outcome && { click: clicks.find((event) => event.id === id), outcome };
      }, `outcome of "${name}"`);
      expect(found.outcome.payload).toMatchObject({ kind: it.want });
      // An answer that is said to have come after the deadline would be none.
      expect(found.outcome.payload.after_ms).toBeLessThanOrEqual(2500);
      if (it.interactive !== undefined) expect(found.click?.payload.interactive).toBe(it.interactive);
      await page.close();
    });
  }
});
