import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { type Batch, EventBuffer } from "./buffer.ts";
import { Nearest } from "./nearest.ts";
import {
  type GoSightClientOptions,
  type GoSightEvent,
  type GoSightProblem,
  type GoSightStats,
  type Limits,
  limitsOf,
  maxEventBytes,
  maxPayloadBytes,
} from "./options.ts";
import { backoffMs, durationMs, failureOf } from "./retry.ts";
import { Transport } from "./transport.ts";
import { version } from "./version.ts";
import { warnSometimes } from "./warn.ts";
import { encodeEvent, encodeHeader, joinBatch } from "./wire.ts";

export type { GoSightClientOptions, GoSightEvent, GoSightProblem, GoSightStats };

/**
 * Sends events to an edge agent. An event that `send` took is kept in memory, and sent again under the same id,
 * until the agent has it on disk, refuses it for good, or `close` runs out of time. Nothing here throws into the
 * program but the constructor, for options that make no sense.
 */
export class GoSightClient {
  readonly #limits: Limits;
  readonly #buffer: EventBuffer;
  readonly #transport: Transport | Nearest;
  readonly #header: Uint8Array;
  readonly #tell: (problem: GoSightProblem) => void;
  readonly #giveUp = new AbortController();
  /** Ids are this client's and a number: unique, and alike enough to compress. */
  readonly #idPrefix = randomUUID();
  #lastId = 0;
  #linger: NodeJS.Timeout | undefined;
  #underWay = 0;
  /** When the next attempt may start, by performance.now(). */
  #notBefore = 0;
  #accepted = 0;
  #retries = 0;
  readonly #dropped: Record<string, number> = {};
  #closed: Promise<void> | undefined;

  constructor(options: GoSightClientOptions) {
    if (!options.endpoint) throw new TypeError("endpoint is needed: the agent's gRPC address, host:port");
    const limits = limitsOf(options);
    this.#limits = limits;
    this.#buffer = new EventBuffer(
      limits.maxBufferEvents,
      limits.maxBufferBytes,
      limits.batchEvents,
      limits.batchBytes,
    );
    const to = (endpoint: string) => new Transport({ ...options, endpoint }, limits.timeoutMs);
    const { endpoint } = options;
    if (typeof endpoint === "string") this.#transport = to(endpoint);
    else {
      const [first, ...others] = endpoint;
      this.#transport = others.length > 0 ? new Nearest([to(first), ...others.map(to)]) : to(first);
    }
    this.#header = encodeHeader({ sdk: "nestjs", sdk_version: version, ...options.metadata });
    this.#tell = options.onProblem ?? warnSometimes((text) => process.emitWarning(text, "GoSightWarning"));
  }

  /** Takes an event to be sent; false where it was not taken: the buffer is full, or the event can't be sent. */
  send(event: GoSightEvent): boolean {
    const encoded = this.#encode(event);
    if (!encoded) return false;
    if (this.#closed) return this.#drop("closed", 1);
    if (!this.#buffer.fits(encoded)) return this.#drop("buffer_full", 1);
    this.#add(encoded);
    return true;
  }

  /** `send` for producers that can wait: for room, where the buffer is full. */
  async sendWhenRoom(event: GoSightEvent): Promise<boolean> {
    const encoded = this.#encode(event);
    if (!encoded) return false;
    while (!this.#closed && !this.#buffer.fits(encoded)) await awake(this.#buffer.room());
    if (this.#closed) return this.#drop("closed", 1);
    this.#add(encoded);
    return true;
  }

  /** Takes a custom event: something the business has a name for. */
  track(sessionId: string, name: string, props: object = {}, userId?: string): boolean {
    return this.send({ sessionId, userId, type: "custom", payload: { name, props } });
  }

  /** Resolves when what was taken until now has been delivered or given up. */
  async flush(): Promise<void> {
    this.#sealAndSend();
    await awake(this.#buffer.settled());
  }

  /** Takes no more, delivers what is there, for as long as `closeTimeoutMs`, and hangs up. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  stats(): GoSightStats {
    return {
      buffered: this.#buffer.events,
      bufferedBytes: this.#buffer.bytes,
      accepted: this.#accepted,
      retries: this.#retries,
      dropped: { ...this.#dropped },
    };
  }

  async #close(): Promise<void> {
    const limit = setTimeout(() => this.#giveUp.abort(), this.#limits.closeTimeoutMs);
    await this.flush();
    clearTimeout(limit);
    this.#transport.close();
  }

  #encode(event: GoSightEvent): Uint8Array | undefined {
    if (!event.sessionId) return void this.#drop("missing_session_id", 1);
    if (!event.type) return void this.#drop("missing_event_type", 1);
    try {
      const payload = JSON.stringify(event.payload ?? {}) ?? "{}";
      if (Buffer.byteLength(payload) > maxPayloadBytes) return void this.#drop("payload_too_large", 1);
      const id = event.id || `${this.#idPrefix}.${(++this.#lastId).toString(36)}`;
      const encoded = encodeEvent(event, id, payload, Date.now());
      // Ids and metadata have no end either; what is taken fits into an empty buffer.
      return encoded.length > maxEventBytes ? void this.#drop("event_too_large", 1) : encoded;
    } catch (cause) {
      // A cycle or a BigInt in the payload, or a field that is not of its type.
      return void this.#drop("invalid_payload", 1, cause instanceof Error ? cause : undefined);
    }
  }

  #add(encoded: Uint8Array): void {
    this.#buffer.add(encoded);
    if (this.#buffer.hasSealed) this.#pump();
    this.#linger ??= setTimeout(() => this.#sealAndSend(), this.#limits.lingerMs);
  }

  #sealAndSend(): void {
    clearTimeout(this.#linger);
    this.#linger = undefined;
    this.#buffer.seal();
    this.#pump();
  }

  #pump(): void {
    while (this.#underWay < this.#limits.inFlight) {
      const batch = this.#buffer.take();
      if (!batch) return;
      this.#underWay++;
      void this.#deliver(batch).finally(() => {
        this.#underWay--;
        this.#buffer.settle(batch);
        this.#pump();
      });
    }
  }

  /** Sends a batch until it is answered for good. Never rejects. */
  async #deliver(batch: Batch): Promise<void> {
    for (let attempt = 0; await this.#turn(); attempt++) {
      const answer = await this.#attempt(batch);
      if (!answer) return;
      const delayMs = backoffMs(attempt, answer.delayMs, this.#limits);
      this.#wait(delayMs);
      if (this.#giveUp.signal.aborted) continue;
      this.#retries++;
      this.#report({ kind: "retry", ...answer, events: batch.events.length, delayMs });
    }
    this.#drop("close_timeout", batch.events.length);
  }

  /** One attempt; what it returns says that and why another is needed. */
  async #attempt(batch: Batch): Promise<{ reason: string; delayMs: number; error?: Error } | undefined> {
    const bytes = joinBatch(this.#header, batch.events, Date.now());
    try {
      const answer = await this.#transport.send(bytes, this.#giveUp.signal);
      const delayMs = durationMs(answer.retryDelay);
      // Some of it had no room: all of it goes again, and what is there already counts once.
      if (answer.reasons.queue_full) return { reason: "queue_full", delayMs };
      this.#wait(delayMs);
      this.#accepted += Number(answer.accepted);
      for (const [reason, events] of Object.entries(answer.reasons)) this.#drop(reason, Number(events));
      return undefined;
    } catch (cause) {
      const failure = failureOf(cause);
      if (!failure.permanent) return failure;
      this.#drop(failure.reason, batch.events.length, failure.error);
      return undefined;
    }
  }

  /** Waits until an attempt may start; false where none may any more. */
  async #turn(): Promise<boolean> {
    const { signal } = this.#giveUp;
    for (;;) {
      if (signal.aborted) return false;
      const wait = this.#notBefore - performance.now();
      if (wait <= 0) return true;
      await sleep(wait, undefined, { signal, ref: false }).catch(() => {});
    }
  }

  #wait(delayMs: number): void {
    this.#notBefore = Math.max(this.#notBefore, performance.now() + delayMs);
  }

  #drop(reason: string, events: number, error?: Error): false {
    this.#dropped[reason] = (this.#dropped[reason] ?? 0) + events;
    this.#report({ kind: "dropped", reason, events, error });
    return false;
  }

  #report(problem: GoSightProblem): void {
    try {
      this.#tell(problem);
    } catch {
      // The listener's fault is not the program's.
    }
  }
}

/** The waits between attempts keep no process alive that has nothing else to do; one that waits for us does have. */
async function awake(promise: Promise<void>): Promise<void> {
  const alive = setInterval(() => {}, 60_000);
  await promise;
  clearInterval(alive);
}
