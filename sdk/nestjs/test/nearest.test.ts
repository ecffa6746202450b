import { create, toBinary } from "@bufbuild/protobuf";
import { EventBatchSchema } from "@gosight/proto";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Nearest, pace } from "../src/nearest.ts";
import { Transport } from "../src/transport.ts";
import { FakeAgent } from "./agent.ts";

let near: FakeAgent;
let far: FakeAgent;
let agents: Nearest;

beforeEach(async () => {
  near = await new FakeAgent().start();
  far = await new FakeAgent().start();
  far.awayMs = 100;
  const channel = { "grpc.initial_reconnect_backoff_ms": 20, "grpc.max_reconnect_backoff_ms": 50 };
  const to = (agent: FakeAgent) => new Transport({ endpoint: agent.address, channel }, 10_000);
  agents = new Nearest([to(far), to(near)], { ...pace, look: 50 });
});

afterEach(() => {
  agents.close();
  near.stop();
  far.stop();
});

const batch = Buffer.from(
  toBinary(EventBatchSchema, create(EventBatchSchema, { events: [{ eventId: "e1" }] })),
);
const send = (stop = new AbortController().signal) => agents.send(batch, stop);

test("the nearest takes everything, whichever is named first", async () => {
  await send();
  await send();
  expect([near.stored.length, far.stored.length]).toEqual([2, 0]);
});

test("an agent that does not answer any more is left, and used again when it is well", async () => {
  await send();
  near.cut = true;
  await send();
  expect([near.stored.length, far.stored.length]).toEqual([1, 1]);
  near.cut = false;
  while (near.stored.length < 2) await send();
});

test("an agent that is down is left at once", async () => {
  await send();
  near.stop();
  await send();
  expect(far.stored.length).toBe(1);
});

test("a slow agent is waited for", async () => {
  await send();
  near.answers.push(async () => {
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    return { accepted: 1n };
  });
  await send();
  expect([near.stored.length, far.stored.length]).toEqual([2, 0]);
});

test("closing ends what waits", async () => {
  await send();
  near.cut = far.cut = true;
  const stop = new AbortController();
  const sent = send(stop.signal);
  stop.abort();
  await expect(sent).rejects.toThrow();
});
