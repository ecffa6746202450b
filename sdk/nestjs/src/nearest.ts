import type { Status } from "@gosight/proto";
import { status } from "@grpc/grpc-js";
import { failureOf } from "./retry.ts";
import type { Transport } from "./transport.ts";

/** Milliseconds. */
export const pace = {
  /** How long the first batch waits to know the nearest agent. */
  measure: 1_000,
  /** An agent that has not answered for this long is asked whether it is well, and given as long again to say so. */
  patience: 150,
  longestPatience: 30_000,
  /** How often a nearer agent that was left is asked; twice well is well. */
  look: 5_000,
};

interface Agent {
  transport: Transport;
  /** The shortest round trip in ms, for one may be delayed by anything; Infinity: not known. */
  rtt: number;
  /** It was left, and has not been well since. */
  away: boolean;
}

const gone = new Set<string>([status.UNAVAILABLE, status.CANCELLED, status.DEADLINE_EXCEEDED].map(nameOf));

function nameOf(code: status): string {
  return (status[code] ?? "").toLowerCase();
}

/** Waits without keeping the process alive. */
const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms).unref());

/**
 * Several agents as if they were one: the nearest takes everything, is left within a second when it does not answer,
 * and is used again when it is well.
 * @internal
 */
export class Nearest {
  readonly #agents: Agent[];
  readonly #measured: Promise<void>;
  readonly #pace: typeof pace;
  #use: Agent;
  #patience: number;
  #looking = false;
  #closed = false;

  constructor(transports: [Transport, ...Transport[]], given = pace) {
    this.#pace = given;
    this.#patience = given.patience;
    const agents = transports.map(
      (transport): Agent => ({ transport, rtt: Number.POSITIVE_INFINITY, away: false }),
    );
    this.#agents = agents;
    this.#use = agents[0] as Agent;
    this.#measured = this.#measure();
  }

  /** As Transport.send, at the nearest agent that is there. */
  async send(batch: Buffer, stop: AbortSignal): Promise<Status> {
    await this.#measured;
    for (let tries = this.#agents.length; ; tries--) {
      const agent = this.#use;
      try {
        return await this.#sendTo(agent, batch, stop);
      } catch (error) {
        if (stop.aborted || !gone.has(failureOf(error).reason)) throw error;
        this.#leave(agent);
        if (tries <= 1) throw error;
      }
    }
  }

  close(): void {
    this.#closed = true;
    for (const { transport } of this.#agents) transport.close();
  }

  async #ask(agent: Agent, ms: number): Promise<void> {
    const began = performance.now();
    await agent.transport.ask(ms);
    agent.rtt = Math.min(agent.rtt, performance.now() - began);
  }

  /** Asks all twice, the first time to connect. The first to be done is the nearest. */
  async #measure(): Promise<void> {
    const { measure } = this.#pace;
    const all = this.#agents.map(async (agent) => {
      await this.#ask(agent, measure);
      await this.#ask(agent, measure);
      return agent;
    });
    const first = Promise.any(all).then(
      (agent) => {
        this.#use = agent;
      },
      () => undefined,
    );
    await Promise.race([first, sleep(measure)]);
  }

  async #sendTo(agent: Agent, batch: Buffer, stop: AbortSignal): Promise<Status> {
    const given = new AbortController();
    const abort = () => given.abort();
    const over = new AbortController();
    stop.addEventListener("abort", abort, { once: true });
    void this.#watch(agent, over.signal, abort);
    try {
      const answer = await agent.transport.send(batch, given.signal);
      this.#patience = this.#pace.patience;
      return answer;
    } finally {
      over.abort();
      stop.removeEventListener("abort", abort);
    }
  }

  /** Gives up on an agent that neither answers a batch nor says that it is well. */
  async #watch(agent: Agent, over: AbortSignal, giveUp: () => void): Promise<void> {
    while (!over.aborted) {
      const patience = Math.max(this.#patience, Number.isFinite(agent.rtt) ? 3 * agent.rtt : 0);
      await sleep(patience);
      if (over.aborted) return;
      try {
        await this.#ask(agent, patience);
      } catch {
        if (!over.aborted) giveUp();
        return;
      }
    }
  }

  /** Goes to the next best, unless somebody already did. */
  #leave(left: Agent): void {
    if (this.#use !== left) return;
    left.away = true;
    const others = this.#agents.filter((agent) => agent !== left);
    this.#use = others.sort((a, b) => Number(a.away) - Number(b.away) || a.rtt - b.rtt)[0] ?? left;
    this.#use.away = false;
    // Where the way out is full of what we send, no agent answers sooner.
    this.#patience = Math.min(2 * this.#patience, this.#pace.longestPatience);
    void this.#look(left);
  }

  /** Asks an agent that was left until it is well again, and goes back to it where it is nearer. */
  async #look(left: Agent): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    for (let well = 0; this.#use !== left && well < 2 && !this.#closed; ) {
      await sleep(this.#pace.look);
      well = await this.#ask(left, this.#pace.measure).then(
        () => well + 1,
        () => 0,
      );
    }
    this.#looking = false;
    left.away = false;
    if (left.rtt < this.#use.rtt) this.#use = left;
  }
}
