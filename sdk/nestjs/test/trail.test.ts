// One trail from a click in a browser to the error of the server behind it: the web SDK's visit, and this one's.
import { Controller, Get, Header, type INestApplication, Module } from "@nestjs/common";
import { NestFactory } from "@nestjs/core";
import { ExpressAdapter } from "@nestjs/platform-express";
import { FastifyAdapter } from "@nestjs/platform-fastify";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { TestAgent } from "../../web/e2e/agent.ts";
import { html, launch, tag } from "../../web/e2e/browser.ts";
import { FakeAgent } from "./agent.ts";
import { shop } from "./shop.ts";

let browser: Browser;
beforeAll(async () => {
  browser = await launch();
});
afterAll(() => browser.close());

/** The shop's front: a button that orders what is out of stock. */
function front(edge: TestAgent) {
  const body = `<button id="order">Order</button><p id="said"></p><script>
    order.addEventListener("click", async () => { said.textContent = (await fetch("/orders/7/broken")).status; });
  </script>`;
  @Controller()
  class Front {
    @Get()
    @Header("Content-Type", "text/html; charset=utf-8")
    page() {
      return html(body, tag(edge));
    }
  }
  @Module({ controllers: [Front] })
  class FrontModule {}
  return FrontModule;
}

it.each([
  ["express", () => new ExpressAdapter()],
  ["fastify", () => new FastifyAdapter()],
] as const)("from the click to the error, on %s", { timeout: 60_000 }, async (_, adapter) => {
  const edge = new TestAgent();
  await edge.listen();
  const agent = await new FakeAgent().start();
  const { imports, module } = shop({ endpoint: agent.address, key: "k", lingerMs: 60_000 });
  const app: INestApplication = await NestFactory.create(
    { module, imports: [...imports, front(edge)] },
    adapter(),
    { logger: false },
  );
  await app.listen(0, "127.0.0.1");
  const context = await browser.newContext();
  try {
    const page = await context.newPage();
    await page.goto(await app.getUrl());
    // The chunk that knows of requests is a script that takes itself out of the page once it has run.
    await page.waitForFunction(
      `performance.getEntriesByType("resource").some(({ name }) => name.endsWith("/evidence.js")) &&
       !document.querySelector("script[src$='evidence.js']")`,
    );
    await page.click("#order");
    await page.waitForFunction(`said.textContent === "500"`);
    const click = await edge.until(() => edge.of("click")[0], "click");
    const network = await edge.until(() => edge.of("network")[0], "network");
    expect(network.payload).toMatchObject({ method: "GET", status: 500 });
    await context.close();
    await app.close();
    const events = agent.of(click.session);
    expect(events.map(({ type }) => type).sort()).toEqual(["error", "server_request"]);
    expect(events.find(({ type }) => type === "error")?.payload).toMatchObject({
      source: "server",
      message: "no stock",
      route: "/orders/:id/broken",
    });
    for (const { event } of events) expect(event.metadata.page_id).toBe(click.metadata.page_id);
    // The page itself was asked for before there was a visit: nothing but the trail is recorded.
    expect(agent.stored).toHaveLength(2);
  } finally {
    await context.close();
    await app.close();
    agent.stop();
    edge.close();
  }
});
