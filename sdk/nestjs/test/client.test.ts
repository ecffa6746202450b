import { status } from "@grpc/grpc-js";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import pkg from "../package.json" with { type: "json" };
import { GoSightClient, type GoSightClientOptions, type GoSightProblem } from "../src/client.ts";
import { version } from "../src/version.ts";
import { FakeAgent, refusal } from "./agent.ts";

let agent: FakeAgent;
let clients: GoSightClient[];
let problems: GoSightProblem[];

beforeEach(async () => {
  agent = await new FakeAgent().start();
  clients = [];
  problems = [];
});

afterEach(async () => {
  await Promise.all(clients.map((client) => client.close()));
  agent.stop();
});

function newClient(options: Partial<GoSightClientOptions> = {}): GoSightClient {
  const client = new GoSightClient({
    endpoint: agent.address,
    key: "k1",
    lingerMs: 5,
    minBackoffMs: 5,
    maxBackoffMs: 50,
    closeTimeoutMs: 200,
    onProblem: (problem) => problems.push(problem),
    channel: { "grpc.initial_reconnect_backoff_ms": 20, "grpc.max_reconnect_backoff_ms": 50 },
    ...options,
  });
  clients.push(client);
  return client;
}

const ids = () => agent.attempts.map(({ batch }) => batch.events.map((event) => event.eventId));
const event = (n: number) => ({ sessionId: "s1", type: "custom", payload: { n } });
const numbers = () => agent.stored.map(({ payload }) => JSON.parse(payload).n as number);

describe("delivery", () => {
  it("sends events with what they need", async () => {
    const client = newClient({ metadata: { service: "shop" } });
    expect(client.track("s1", "order", { total: 3 }, "u1")).toBe(true);
    expect(
      client.send({
        sessionId: "s2",
        type: "error",
        payload: {},
        timestamp: 1_700_000_000_000,
        id: "mine",
        metadata: { a: "b" },
      }),
    ).toBe(true);
    const before = Date.now();
    await client.flush();

    const [attempt] = agent.attempts;
    expect(agent.attempts).toHaveLength(1);
    expect(attempt?.key).toBe("k1");
    expect(attempt?.batch.metadata).toEqual({ sdk: "nestjs", sdk_version: version, service: "shop" });
    expect(Number(attempt?.batch.sentAt)).toBeGreaterThanOrEqual(before - 1000);
    const [first, second] = agent.stored;
    expect(first).toMatchObject({ sessionId: "s1", userId: "u1", eventType: "custom" });
    expect(JSON.parse(first?.payload ?? "")).toEqual({ name: "order", props: { total: 3 } });
    expect(first?.eventId).toMatch(/^[0-9a-f-]{36}\.1$/);
    expect(Math.abs(Number(first?.timestamp) - before)).toBeLessThan(1000);
    expect(second).toMatchObject({ eventId: "mine", timestamp: 1_700_000_000_000n, metadata: { a: "b" } });
    expect(client.stats()).toEqual({ buffered: 0, bufferedBytes: 0, accepted: 2, retries: 0, dropped: {} });
  });

  it("sends by itself when a batch is old or full", async () => {
    const client = newClient({ batchEvents: 2, lingerMs: 20 });
    for (let n = 0; n < 5; n++) client.send(event(n));
    await agent.until(() => agent.stored.length === 5);
    expect(agent.attempts.map(({ batch }) => batch.events.length).sort()).toEqual([1, 2, 2]);
  });

  it("says the version of its package", () => expect(version).toBe(pkg.version));
});

describe("retries", () => {
  it("sends the same ids after the delay that the agent asks for", async () => {
    agent.answers = [() => refusal(status.RESOURCE_EXHAUSTED, 120)];
    const client = newClient();
    client.send(event(1));
    client.send(event(2));
    const start = performance.now();
    await client.flush();
    expect(performance.now() - start).toBeGreaterThanOrEqual(119);
    expect(ids()).toHaveLength(2);
    expect(ids()[1]).toEqual(ids()[0]);
    expect(problems).toMatchObject([{ kind: "retry", reason: "resource_exhausted", events: 2 }]);
    expect(problems[0]?.delayMs).toBeGreaterThanOrEqual(120);
    expect(problems[0]?.delayMs).toBeLessThanOrEqual(150);
    expect(client.stats()).toMatchObject({ accepted: 2, retries: 1, dropped: {} });
  });

  it("sends all of a batch again where some of it had no room", async () => {
    agent.answers = [() => ({ accepted: 1n, rejected: 1n, reasons: { queue_full: 1n } })];
    const client = newClient();
    client.send(event(1));
    client.send(event(2));
    await client.flush();
    expect(ids()[1]).toEqual(ids()[0]);
    expect(client.stats()).toMatchObject({ accepted: 2, dropped: {} });
  });

  it("delivers everything after an agent that was away", async () => {
    const client = newClient();
    client.send(event(0));
    await client.flush();
    const { port } = agent;
    agent.stop();
    for (let n = 1; n < 50; n++) client.send(event(n));
    const flushed = client.flush();
    while (client.stats().retries < 3) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(client.stats().buffered).toBe(49);
    await agent.start(port);
    await flushed;
    expect(new Set(numbers())).toEqual(new Set(Array.from({ length: 50 }, (_, n) => n)));
    expect(new Set(ids().flat()).size).toBe(50);
    expect(client.stats()).toMatchObject({ buffered: 0, accepted: 50, dropped: {} });
  });

  it("gives up what the agent will never take", async () => {
    agent.answers = [() => refusal(status.UNAUTHENTICATED)];
    const client = newClient();
    client.send(event(1));
    await client.flush();
    expect(agent.attempts).toHaveLength(1);
    expect(client.stats()).toMatchObject({ accepted: 0, dropped: { unauthenticated: 1 } });
    expect(problems).toMatchObject([{ kind: "dropped", reason: "unauthenticated", events: 1 }]);
  });

  it("counts the events that the agent refused", async () => {
    agent.answers = [() => ({ accepted: 1n, rejected: 1n, reasons: { invalid_json: 1n } })];
    const client = newClient();
    client.send(event(1));
    client.send(event(2));
    await client.flush();
    expect(client.stats()).toMatchObject({ accepted: 1, dropped: { invalid_json: 1 } });
  });
});

describe("bounds", () => {
  it("says that the buffer is full, and lets a producer wait for room", async () => {
    let answer = () => {};
    const held = new Promise<void>((resolve) => {
      answer = resolve;
    });
    let attempt = () => {};
    const attempted = new Promise<void>((resolve) => {
      attempt = resolve;
    });
    agent.answers = [
      () => {
        attempt();
        return held.then(() => ({ accepted: 2n }));
      },
    ];
    const client = newClient({ maxBufferEvents: 2 });
    expect(client.send(event(1))).toBe(true);
    expect(client.send(event(2))).toBe(true);
    expect(client.send(event(3))).toBe(false);
    expect(client.stats().dropped).toEqual({ buffer_full: 1 });
    let waited = false;
    const later = client.sendWhenRoom(event(4)).then((taken) => {
      waited = true;
      return taken;
    });
    await attempted;
    expect(waited).toBe(false);
    answer();
    expect(await later).toBe(true);
    await client.flush();
    expect(numbers()).toEqual([1, 2, 4]);
  });

  it("is bounded by bytes too", () => {
    const client = newClient({ maxBufferBytes: 128 * 1024 });
    const large = { sessionId: "s", type: "custom", payload: { text: "x".repeat(50_000) } };
    expect([client.send(large), client.send(large), client.send(large)]).toEqual([true, true, false]);
    expect(client.stats().bufferedBytes).toBeLessThanOrEqual(128 * 1024);
  });

  it("keeps batches small whatever their events are", async () => {
    const client = newClient({ batchBytes: 100_000 });
    for (let n = 0; n < 6; n++) client.send({ ...event(n), payload: { text: "x".repeat(40_000) } });
    await client.flush();
    expect(agent.attempts.map(({ batch }) => batch.events.length)).toEqual([2, 2, 2]);
  });

  it("refuses what can't be an event, without a throw", () => {
    const client = newClient();
    const cycle: Record<string, unknown> = {};
    cycle.self = cycle;
    expect(client.send({ sessionId: "", type: "custom" })).toBe(false);
    expect(client.send({ sessionId: "s", type: "" })).toBe(false);
    expect(client.send({ sessionId: "s", type: "custom", payload: cycle })).toBe(false);
    expect(client.send({ sessionId: "s", type: "custom", payload: { n: 1n } })).toBe(false);
    expect(client.send({ sessionId: "s", type: "custom", timestamp: Number.NaN })).toBe(false);
    expect(client.send({ sessionId: "s", type: "custom", payload: { text: "x".repeat(70_000) } })).toBe(
      false,
    );
    expect(client.send({ sessionId: "s", type: "custom", metadata: { text: "x".repeat(140_000) } })).toBe(
      false,
    );
    expect(client.stats().dropped).toEqual({
      event_too_large: 1,
      missing_session_id: 1,
      missing_event_type: 1,
      invalid_payload: 3,
      payload_too_large: 1,
    });
  });

  it("refuses options that make no sense", () => {
    expect(() => new GoSightClient({ endpoint: "" })).toThrow("endpoint");
    expect(() => new GoSightClient({ endpoint: "a:1", maxBufferEvents: 0 })).toThrow("maxBufferEvents");
    expect(() => new GoSightClient({ endpoint: "a:1", maxBufferBytes: 1000 })).toThrow("maxBufferBytes");
  });

  it("survives a listener that throws", async () => {
    const client = newClient({
      onProblem: () => {
        throw new Error("listener");
      },
    });
    expect(client.send({ sessionId: "", type: "custom" })).toBe(false);
  });
});

describe("close", () => {
  it("delivers what is there and takes no more", async () => {
    const client = newClient({ lingerMs: 60_000 });
    client.send(event(1));
    await client.close();
    expect(numbers()).toEqual([1]);
    expect(client.send(event(2))).toBe(false);
    expect(await client.sendWhenRoom(event(3))).toBe(false);
    expect(client.stats().dropped).toEqual({ closed: 2 });
  });

  it("gives up in time where there is no agent, and says how much was lost", async () => {
    agent.stop();
    const client = newClient({ closeTimeoutMs: 100 });
    for (let n = 0; n < 7; n++) client.send(event(n));
    const start = performance.now();
    await client.close();
    expect(performance.now() - start).toBeLessThan(2_000);
    expect(client.stats()).toMatchObject({ buffered: 0, dropped: { close_timeout: 7 } });
  });

  it("gives up on an agent that never answers", async () => {
    agent.answers = [() => new Promise(() => {})];
    const client = newClient({ closeTimeoutMs: 100 });
    client.send(event(1));
    await client.close();
    expect(client.stats()).toMatchObject({ buffered: 0, dropped: { close_timeout: 1 } });
  });
});
