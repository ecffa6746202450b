// What a browser test gets: an agent, a fresh profile and a page of its own, so that tests can run side by side.
import type { Browser, BrowserContext, Page } from "playwright-core";
import { test as base } from "vitest";
import { TestAgent } from "./agent.ts";
import { launch } from "./browser.ts";

let browser: Promise<Browser> | undefined;

export const closeBrowser = async () => (await browser)?.close();

export const test = base.extend<{ agent: TestAgent; context: BrowserContext; page: Page }>({
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads a fixture's needs from the pattern.
  agent: async ({}, use) => {
    const agent = new TestAgent();
    await agent.listen();
    await use(agent);
    agent.close();
  },
  context: async ({ agent: _ }, use) => {
    browser ??= launch();
    const context = await (await browser).newContext({ viewport: { width: 1000, height: 700 } });
    await use(context);
    await context.close();
  },
  page: async ({ context }, use) => use(await context.newPage()),
});
