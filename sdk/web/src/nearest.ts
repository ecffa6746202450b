// The chunk that chooses among several agents: the nearest takes everything, is left within a second when it does not
// answer, and is used again when it is well. Only pages that name more than one agent load it.

/** An agent that has not answered for this long is asked whether it is well, and given as long again to say so. */
const PATIENCE_MS = 150;
const LONGEST_PATIENCE_MS = 30_000;
/** How long the first parcel waits to know the nearest. */
const MEASURE_MS = 1_000;
/** How often a nearer agent that was left is asked; twice well is well. */
const LOOK_MS = 5_000;
/** The tab's choice: a visit stays with its agent while that is well. */
const CHOICE = "gosight.agent";

interface Agent {
  url: string;
  /** The shortest round trip in ms, for one may be delayed by anything; Infinity: not known. */
  rtt: number;
  /** It was left, and has not been well since. */
  away: boolean;
}

interface Listed {
  agents: { url?: string; draining: boolean }[];
}

export interface NearestModule {
  nearest: typeof nearest;
}

const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** Takes the place of `send`: a request to any of `endpoints` goes to the nearest agent that is well. */
export function nearest(endpoints: readonly string[], send: typeof fetch): typeof fetch {
  const unknown = (url: string): Agent => ({ url, rtt: Number.POSITIVE_INFINITY, away: false });
  const agents = endpoints.map(unknown);
  let use = agents.find((agent) => agent.url === remembered()) ?? (agents[0] as Agent);
  let patience = PATIENCE_MS;
  let looking = false;
  const measured = remembered() === use.url ? Promise.resolve() : measure();
  void measured.then(discover);

  async function ask(agent: Agent, ms: number): Promise<Response> {
    const began = performance.now();
    const signal = AbortSignal.timeout(ms);
    const answer = await send(`${agent.url}/agents`, { cache: "no-store", credentials: "omit", signal });
    if (!answer.ok) throw new Error(agent.url);
    agent.rtt = Math.min(agent.rtt, performance.now() - began);
    return answer;
  }

  /** Asks all twice, the first time to connect. The first to be done is the nearest. */
  async function measure(): Promise<void> {
    const both = agents.map(async (agent) => {
      await ask(agent, MEASURE_MS);
      await ask(agent, MEASURE_MS);
      return agent;
    });
    const first = Promise.any(both).then(choose, () => undefined);
    await Promise.race([first, sleep(MEASURE_MS)]);
  }

  function choose(agent: Agent): void {
    use = agent;
    try {
      sessionStorage.setItem(CHOICE, agent.url);
    } catch {
      // Storage is switched off: each page measures anew.
    }
  }

  /** Adds the agents that the one in use knows of: they are there when those named are not. */
  async function discover(): Promise<void> {
    try {
      const list = (await (await ask(use, MEASURE_MS)).json()) as Listed;
      for (const { url, draining } of list.agents) {
        if (url && !draining && !agents.some((agent) => agent.url === url)) agents.push(unknown(url));
      }
    } catch {
      // It may know nothing, or be older than the list.
    }
  }

  /** The best of the others. */
  const next = (left: Agent): Agent =>
    agents.filter((agent) => agent !== left).sort((a, b) => +a.away - +b.away || a.rtt - b.rtt)[0] ?? left;

  /** Goes to the next best, unless somebody already did. */
  function leave(left: Agent): void {
    if (use !== left) return;
    left.away = true;
    use = next(left);
    use.away = false;
    // Where the way out is full of what we send, no agent answers sooner.
    patience = Math.min(2 * patience, LONGEST_PATIENCE_MS);
    void look(left);
  }

  /** Asks an agent that was left until it is well again, and goes back to it where it is nearer. */
  async function look(left: Agent): Promise<void> {
    if (looking) return;
    looking = true;
    for (let well = 0; use !== left && well < 2; ) {
      await sleep(LOOK_MS);
      well = await ask(left, MEASURE_MS).then(
        () => well + 1,
        () => 0,
      );
    }
    looking = left.away = false;
    if (left.rtt < use.rtt) choose(left);
  }

  /** Gives up on an agent that neither answers a request nor says that it is well. */
  async function watch(agent: Agent, over: AbortSignal, giveUp: () => void): Promise<void> {
    for (;;) {
      const patient = Math.max(patience, agent.rtt < MEASURE_MS ? 3 * agent.rtt : 0);
      await sleep(patient);
      if (over.aborted) return;
      // The way to the next best is opened meanwhile: it may be needed in a moment.
      ask(next(agent), MEASURE_MS).catch(() => undefined);
      try {
        await ask(agent, patient);
      } catch {
        if (!over.aborted) giveUp();
        return;
      }
    }
  }

  async function tryAt(agent: Agent, path: string, init: RequestInit): Promise<Response> {
    const given = new AbortController();
    const over = new AbortController();
    const abort = () => given.abort();
    init.signal?.addEventListener("abort", abort);
    void watch(agent, over.signal, abort);
    try {
      const answer = await send(agent.url + path, { ...init, signal: given.signal });
      patience = PATIENCE_MS;
      return answer;
    } finally {
      over.abort();
      init.signal?.removeEventListener("abort", abort);
    }
  }

  return async (input, init = {}) => {
    const url = String(input);
    const path = url.slice(endpoints.find((endpoint) => url.startsWith(endpoint))?.length);
    // A page that is going has no time to wait or to try again.
    if (init.keepalive) return send(use.url + path, init);
    await measured;
    for (let tries = agents.length; ; tries--) {
      const agent = use;
      try {
        return await tryAt(agent, path, init);
      } catch (error) {
        if (init.signal?.aborted) throw error;
        leave(agent);
        if (tries <= 1) throw error;
      }
    }
  };
}

function remembered(): string | null {
  try {
    return sessionStorage.getItem(CHOICE);
  } catch {
    return null;
  }
}
