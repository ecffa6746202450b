import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { nearest } from "../src/nearest.ts";

const NEAR = "https://near.example.com";
const FAR = "https://far.example.com";
const OTHER = "https://other.example.com";
const PATH = "/gosight.Ingestor/SendBatch";

/** Agents so many ms away; one that is cut off answers nothing, one that is down refuses at once. */
class World {
  ms: Record<string, number> = { [NEAR]: 40, [FAR]: 240, [OTHER]: 300 };
  cut = new Set<string>();
  down = new Set<string>();
  /** How long an agent's disk takes. */
  slow = 0;
  listed: { url?: string; draining: boolean }[] = [];
  taken: string[] = [];

  readonly send = async (input: RequestInfo | URL, init: RequestInit = {}): Promise<Response> => {
    const { origin, pathname } = new URL(String(input));
    if (this.down.has(origin)) throw new TypeError("refused");
    const asked = pathname === "/agents";
    await new Promise<void>((resolve, reject) => {
      init.signal?.addEventListener("abort", () => reject(new DOMException("", "AbortError")));
      const away = (this.ms[origin] ?? 0) + (asked ? 0 : this.slow);
      setTimeout(() => this.cut.has(origin) || resolve(), away);
    });
    if (!asked) this.taken.push(origin);
    return Response.json({ agents: this.listed });
  };
}

let world: World;
let stored: Map<string, string>;

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(AbortSignal, "timeout").mockImplementation((ms) => {
    const end = new AbortController();
    setTimeout(() => end.abort(), ms);
    return end.signal;
  });
  world = new World();
  stored = new Map();
  vi.stubGlobal("sessionStorage", {
    getItem: (key: string) => stored.get(key) ?? null,
    setItem: (key: string, value: string) => stored.set(key, value),
  });
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

/** How long a parcel takes; the world's time passes meanwhile. */
async function post(to: typeof fetch, init: RequestInit = {}): Promise<number> {
  const began = Date.now();
  let took = -1;
  const sent = to(FAR + PATH, { method: "POST", ...init }).then(() => {
    took = Date.now() - began;
  });
  sent.catch(() => {});
  for (let ms = 0; took < 0 && ms < 60_000; ms += 10) await vi.advanceTimersByTimeAsync(10);
  await sent;
  return took;
}

test("the nearest agent takes everything, whichever is named first", async () => {
  const send = nearest([FAR, NEAR], world.send);
  await post(send);
  await post(send, { keepalive: true });
  expect(world.taken).toEqual([NEAR, NEAR]);
});

test("an agent that is cut off is left within a second, and used again when it is well", async () => {
  const send = nearest([FAR, NEAR], world.send);
  await post(send);
  world.cut.add(NEAR);
  expect(await post(send)).toBeLessThan(1_000);
  expect(await post(send)).toBeLessThan(300);
  world.cut.clear();
  await vi.advanceTimersByTimeAsync(11_000);
  await post(send);
  expect(world.taken).toEqual([NEAR, FAR, FAR, NEAR]);
});

test("an agent that is down is left at once", async () => {
  const send = nearest([FAR, NEAR], world.send);
  await post(send);
  world.down.add(NEAR);
  expect(await post(send)).toBeLessThan(300);
  expect(world.taken).toEqual([NEAR, FAR]);
});

test("a slow agent is not a dead one", async () => {
  const send = nearest([FAR, NEAR], world.send);
  world.slow = 8_000;
  expect(await post(send)).toBeGreaterThan(8_000);
  expect(world.taken).toEqual([NEAR]);
});

test("the caller's end of patience is its own", async () => {
  const send = nearest([FAR, NEAR], world.send);
  world.slow = 8_000;
  await expect(post(send, { signal: AbortSignal.timeout(2_000) })).rejects.toThrow();
  expect(world.taken).toEqual([]);
});

test("with nobody there each is tried once and the failure told", async () => {
  world.down = new Set([NEAR, FAR]);
  await expect(post(nearest([FAR, NEAR], world.send))).rejects.toThrow("refused");
});

test("the fleet's other agents are there when those named are not", async () => {
  world.listed = [
    { draining: false },
    { url: OTHER, draining: false },
    { url: "https://gone.example.com", draining: true },
  ];
  const send = nearest([FAR, NEAR], world.send);
  await post(send);
  await vi.advanceTimersByTimeAsync(1_000);
  world.down = new Set([NEAR, FAR]);
  await post(send);
  expect(world.taken).toEqual([NEAR, OTHER]);
});

test("a tab stays with its agent on its next page, without measuring", async () => {
  await post(nearest([FAR, NEAR], world.send));
  world.ms = { [NEAR]: 200, [FAR]: 10 };
  const send = nearest([FAR, NEAR], world.send);
  expect(await post(send)).toBeLessThan(250);
  expect(world.taken).toEqual([NEAR, NEAR]);
});
