import { request, type Server } from "node:http";
import { type ArgumentsHost, Catch, type ExceptionFilter, type INestApplication } from "@nestjs/common";
import { APP_FILTER, NestFactory } from "@nestjs/core";
import { ExpressAdapter } from "@nestjs/platform-express";
import { FastifyAdapter } from "@nestjs/platform-fastify";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { GoSightExceptionFilter, type GoSightModuleOptions, GoSightSession } from "../src/index.ts";
import { FakeAgent } from "./agent.ts";
import { shop, shopAsync } from "./shop.ts";

const adapters = { express: () => new ExpressAdapter(), fastify: () => new FastifyAdapter() };

@Catch()
class Teapot implements ExceptionFilter {
  catch(_: unknown, host: ArgumentsHost) {
    const response = host.switchToHttp().getResponse();
    response.status(418).send({ teapot: true });
  }
}

class Extended extends GoSightExceptionFilter {}

describe.each(["express", "fastify"] as const)("on %s", (name) => {
  let agent: FakeAgent;
  let app: INestApplication | undefined;
  let url: string;

  beforeEach(async () => {
    agent = await new FakeAgent().start();
  });

  afterEach(async () => {
    await app?.close();
    app = undefined;
    agent.stop();
  });

  interface Start extends Partial<GoSightModuleOptions> {
    build?: typeof shop;
    before?: (app: INestApplication) => void;
    providers?: { provide: symbol | string; useClass: new (...args: never[]) => unknown }[];
  }

  async function start({ build = shop, before, providers = [], ...options }: Start = {}) {
    const module = build({ endpoint: agent.address, key: "k", lingerMs: 60_000, ...options });
    app = await NestFactory.create({ ...module, providers }, adapters[name](), { logger: false });
    before?.(app);
    await app.listen(0, "127.0.0.1");
    url = await app.getUrl();
  }

  const headers = { "x-gosight-session": "s1", "x-gosight-user": "u1" };
  const get = (path: string, init: RequestInit = { headers }) => fetch(url + path, init);
  /** Everything is delivered when the application is closed: that is promised. */
  async function recorded(sessionId = "s1") {
    await app?.close();
    app = undefined;
    return agent.of(sessionId);
  }

  it.each([shop, shopAsync])("times a route in the browser's session", async (build) => {
    await start({ build });
    const before = Date.now();
    expect((await get("/orders/7", { headers: { ...headers, "x-gosight-page": "p1" } })).status).toBe(200);
    const events = await recorded();
    expect(events[0]?.event.metadata).toEqual({ page_id: "p1" });
    expect(events).toMatchObject([
      { type: "server_request", userId: "u1", payload: { method: "GET", route: "/orders/:id", status: 200 } },
    ]);
    expect(events[0]?.payload.duration_ms).toBeGreaterThanOrEqual(0);
    expect(events[0]?.payload).not.toHaveProperty("aborted");
    expect(Number(events[0]?.event.timestamp)).toBeGreaterThanOrEqual(before);
    expect(agent.attempts[0]?.key).toBe("k");
  });

  it.each([
    ["/orders/7/broken", "/orders/:id/broken", "no stock", "Error"],
    ["/orders/7/odd", "/orders/:id/odd", "just text", "string"],
    ["/orders/7/unavailable", "/orders/:id/unavailable", "later", "InternalServerErrorException"],
    ["/orders/7/stream", "/orders/:id/stream", "late", "Error"],
  ])("%s: the error and the answer, once each", async (path, route, message, errorName) => {
    await start();
    const answer = await get(path);
    expect(answer.status).toBe(500);
    expect(await answer.json()).toHaveProperty("statusCode", 500);
    const events = await recorded();
    expect(events.map(({ type }) => type).sort()).toEqual(["error", "server_request"]);
    expect(events.find(({ type }) => type === "error")?.payload).toMatchObject({
      source: "server",
      message,
      name: errorName,
      method: "GET",
      route,
      status: 500,
      stack: errorName === "string" ? "" : expect.stringContaining("shop.ts"),
    });
    expect(events.find(({ type }) => type === "server_request")?.payload).toMatchObject({
      route,
      status: 500,
    });
  });

  it("sees what guards refuse, and what breaks in them", async () => {
    await start();
    expect((await get("/orders/7/refused")).status).toBe(403);
    expect((await get("/orders/7/crashed")).status).toBe(500);
    const events = await recorded();
    const of = (type: string) => events.filter((event) => event.type === type).map(({ payload }) => payload);
    expect(of("error")).toMatchObject([{ message: "guard broke" }]);
    expect(of("server_request")).toMatchObject([
      { route: "/orders/:id/refused", status: 403 },
      { route: "/orders/:id/crashed", status: 500 },
    ]);
  });

  it("times what no route takes, without a route and without an error", async () => {
    await start();
    expect((await get("/nothing?secret=1")).status).toBe(404);
    const events = await recorded();
    expect(events).toMatchObject([{ type: "server_request", payload: { method: "GET", status: 404 } }]);
    expect(events[0]?.payload).not.toHaveProperty("route");
  });

  it("tells a visitor who did not wait for the answer", async () => {
    await start({ lingerMs: 5 });
    const server = app?.getHttpServer() as Server;
    const arrived = new Promise((resolve) => server.once("request", resolve));
    const visitor = request(`${url}/orders/7/endless`, { headers, agent: false }).end();
    const left = new Promise((resolve) => visitor.once("error", resolve));
    await arrived;
    visitor.destroy();
    await left;
    await agent.until(() => agent.stored.length > 0);
    expect(agent.of("s1")).toMatchObject([
      { type: "server_request", payload: { route: "/orders/:id/endless", aborted: true } },
    ]);
  });

  it("takes the visitor's mistakes for no errors", async () => {
    await start();
    await get("/orders/7/wrong");
    expect((await recorded()).map(({ type, payload }) => [type, payload.status])).toEqual([
      ["server_request", 400],
    ]);
  });

  it("leaves a request without a session alone", async () => {
    await start();
    await get("/orders/7/broken", {});
    await get("/orders/7/broken", { headers: { "x-gosight-session": "x".repeat(129) } });
    await recorded();
    expect(agent.stored).toEqual([]);
  });

  it("follows a request without a session where the site names one", async () => {
    await start({
      session: (asked) => `api-${String(asked.headers["x-tenant"])}`,
      user: () => "site-user",
    });
    await get("/orders/7", { headers: { "x-tenant": "9" } });
    await get("/orders/8");
    expect(await recorded("api-9")).toMatchObject([{ type: "server_request", userId: "site-user" }]);
    expect(agent.of("s1")).toMatchObject([{ type: "server_request", userId: "site-user" }]);
  });

  it("records what it is told to", async () => {
    await start({
      sessionHeader: "X-Visit",
      requests: false,
      ignore: (asked) => asked.url === "/orders/7/broken",
      isError: (_, status) => status === 400,
    });
    const visit = { headers: { "x-visit": "v" } };
    await get("/orders/7/broken", visit);
    await get("/orders/8/broken", visit);
    await get("/orders/8/wrong", visit);
    expect(await recorded("v")).toMatchObject([{ type: "error", payload: { status: 400 } }]);
  });

  it("survives the site's own functions", async () => {
    const fails = () => {
      throw new Error("site");
    };
    await start({ ignore: fails, session: fails, user: fails });
    expect((await get("/orders/7")).status).toBe(200);
    expect((await get("/orders/7", {})).status).toBe(200);
    expect(await recorded()).toMatchObject([{ type: "server_request", userId: "u1" }]);
  });

  it("takes custom events in the request's session and in others", async () => {
    await start();
    await get("/orders/7/pay", {
      method: "POST",
      headers: { ...headers, "content-type": "application/json" },
      body: "{}",
    });
    await get("/orders/7/survived");
    expect(app?.get(GoSightSession).track("outside")).toBe(false);
    const events = await recorded();
    expect(events.find(({ type }) => type === "custom")).toMatchObject({
      userId: "u1",
      payload: { name: "paid", props: { total: 12 } },
    });
    expect(events.find(({ type }) => type === "error")?.payload).toMatchObject({ message: "cache is down" });
    expect(agent.of("elsewhere")).toMatchObject([{ type: "custom", payload: { name: "audit" } }]);
  });

  it.each<[string, Start]>([
    ["useGlobalFilters", { before: (application) => application.useGlobalFilters(new Teapot()) }],
    ["APP_FILTER", { providers: [{ provide: APP_FILTER, useClass: Teapot }] }],
  ])("leaves the answer to the application's own filter by %s", async (_, options) => {
    await start(options);
    expect((await get("/orders/7/broken")).status).toBe(418);
    expect((await get("/orders/7/crashed")).status).toBe(418);
    const events = await recorded();
    expect(events.filter(({ type }) => type === "error")).toMatchObject([
      { payload: { message: "no stock" } },
    ]);
    expect(events.filter(({ type }) => type === "server_request")).toMatchObject([
      { payload: { status: 418 } },
      { payload: { status: 418 } },
    ]);
  });

  it("lets the application's filter extend its own", async () => {
    await start({ providers: [{ provide: APP_FILTER, useClass: Extended }] });
    expect((await get("/orders/7/crashed")).status).toBe(500);
    expect((await recorded()).filter(({ type }) => type === "error")).toHaveLength(1);
  });

  it("knows routes under a prefix", async () => {
    await start({ before: (application) => application.setGlobalPrefix("api") });
    expect((await get("/api/orders/7")).status).toBe(200);
    expect((await get("/api/orders/7/refused")).status).toBe(403);
    expect((await recorded()).map(({ payload }) => payload.route)).toEqual([
      "/api/orders/:id",
      "/api/orders/:id/refused",
    ]);
  });
});
