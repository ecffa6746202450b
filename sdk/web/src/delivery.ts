// Takes parcels to the agent until it says they are on disk. The same bytes and event ids on every try: an agent
// that took a parcel and could not say so counts nothing twice.
import { Backlog, stash, stashed, unstash } from "./backlog.ts";
import type { Parcel } from "./batches.ts";
import type { Chunks } from "./chunks.ts";
import { concat, decodeStatus, encodeSentAt } from "./wire.ts";

const PATH = "/gosight.Ingestor/SendBatch";
/** What browsers allow all keepalive requests of a page together, less some for headers. */
const KEEPALIVE_BYTES = 60_000;
/** Promises that compression may take, many more than it does. */
const TURNS = 500;
const TIMEOUT_MS = 30_000;
const RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 60_000;
/** Below this, compression takes more than it gives. */
const SMALL_BYTES = 200;
const HELD_BYTES = 4 << 20;

/** `never`: these bytes will not be taken; `closed`: nothing of ours will, the key is not known. */
export type Verdict = "stored" | "later" | "never" | "closed";

/** What the agent's answer means for the parcel. Pure. */
export function verdict(status: number): Verdict {
  if (status >= 200 && status < 300) return "stored";
  if (status === 401 || status === 403) return "closed";
  // Connect: 408 canceled, 429 resource_exhausted, 5xx unavailable and the like; 0 is no answer at all.
  return status === 0 || status === 408 || status === 429 || status >= 500 ? "later" : "never";
}

/** Full jitter, doubling: a thousand tabs that lost one agent do not come back in one moment. Pure. */
export const backoff = (failures: number, asked: number, random: number): number =>
  asked > 0
    ? asked * (1 + random / 4)
    : RETRY_MS / 2 + random * Math.min(LONGEST_RETRY_MS, RETRY_MS * 2 ** Math.min(failures, 10));

/** Gives back small bytes, and all where the browser has no compression, as they are. */
async function gzip(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  if (bytes.length < SMALL_BYTES || typeof CompressionStream !== "function") return bytes;
  const { readable, writable } = new CompressionStream("gzip");
  const writer = writable.getWriter();
  void writer.write(bytes);
  void writer.close();
  const reader = readable.getReader();
  const parts: Uint8Array[] = [];
  for (;;) {
    const { value } = await reader.read();
    if (!value) return concat(parts);
    parts.push(value);
  }
}

export interface DeliverySettings {
  key: string;
  endpoints: string[];
  chunks: Pick<Chunks, "nearest">;
}

export class Delivery {
  /** Handed over and not known to be safe anywhere else. */
  #held = new Map<string, Parcel>();
  #flying = new Set<string>();
  #hurried = new Set<string>();
  #hurrying = false;
  #room = 0;
  #heldBytes = 0;
  #failures = 0;
  #notBefore = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #draining = false;
  #endpoint = 0;
  #stopped = false;
  /** The browser's own, whatever the page puts in its place later. */
  #fetch = fetch.bind(window);
  readonly backlog: Backlog;
  /** Told where an agent took a parcel and did not know what to make of its replay. */
  passedOver?: () => void;

  constructor(
    private readonly settings: DeliverySettings,
    private readonly dropped: (events: number) => void,
  ) {
    this.backlog = new Backlog(dropped);
  }

  /** Begins with what earlier pages could not deliver. */
  start(): void {
    const { endpoints, chunks } = this.settings;
    // Until it is there, and where it cannot be had, the agents take turns.
    if (endpoints[1])
      chunks.nearest().then(
        ({ nearest }) => {
          this.#fetch = nearest(endpoints, this.#fetch);
        },
        () => {},
      );
    for (const parcel of stashed()) this.send(parcel);
    void this.#drain();
  }

  send(parcel: Parcel): void {
    if (this.#stopped || this.#heldBytes + parcel.body.length > HELD_BYTES) {
      this.dropped(parcel.count);
      return;
    }
    this.#hold(parcel);
    if (this.#hurrying) return;
    // While an agent is away, parcels go to disk first, and from there in their turn.
    void (Date.now() < this.#notBefore ? this.#keep(parcel) : this.#try(parcel));
  }

  /**
   * The page is going, perhaps: everything at hand leaves now, without waiting for compression or preflights. `last`
   * hands over what was still being collected.
   */
  hurry(last: () => void): void {
    this.#hurrying = true;
    last();
    this.#hurrying = false;
    this.#room = KEEPALIVE_BYTES;
    for (const parcel of this.#held.values()) {
      stash(parcel);
      // Hidden comes before gone: what left then need not leave again.
      if (!this.#hurried.has(parcel.id)) void this.#leave(parcel);
    }
  }

  async #leave(parcel: Parcel): Promise<void> {
    this.#hurried.add(parcel.id);
    const raw = concat([parcel.body, encodeSentAt(Date.now())]);
    let body = raw;
    void gzip(raw).then((packed) => {
      body = packed;
    });
    // A page that is going still runs promises to their end, but no timers: compression is given that long.
    for (let turn = 0; turn < TURNS && body === raw; turn++) await undefined;
    try {
      this.#room -= body.length + 64;
      if (this.#room < 0) throw 0;
      const answer = await this.#request(body, body !== raw, { keepalive: true });
      if (!answer.ok) throw 0;
      this.#release(parcel);
    } catch {
      this.#hurried.delete(parcel.id);
      if (this.#held.has(parcel.id)) void this.#keep(parcel);
    }
  }

  async stop(forget: boolean): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    if (forget) {
      this.#held.clear();
      await this.backlog.clear();
    }
  }

  /**
   * As a beacon's: key and compression stand in the address, since in headers they would cost a preflight, a round trip
   * to each agent before its first batch.
   */
  #request(body: Uint8Array<ArrayBuffer>, packed: boolean, how: RequestInit): Promise<Response> {
    const { endpoints, key } = this.settings;
    const query = `?key=${encodeURIComponent(key)}${packed ? "&compression=gzip" : ""}`;
    return this.#fetch(endpoints[this.#endpoint % endpoints.length] + PATH + query, {
      method: "POST",
      body,
      headers: { "Content-Type": "text/plain" },
      credentials: "omit",
      ...how,
    });
  }

  #hold(parcel: Parcel): void {
    if (!this.#held.has(parcel.id)) this.#heldBytes += parcel.body.length;
    this.#held.set(parcel.id, parcel);
  }

  #release(parcel: Parcel): void {
    if (this.#held.delete(parcel.id)) this.#heldBytes -= parcel.body.length;
    this.#hurried.delete(parcel.id);
    unstash(parcel.id);
  }

  async #keep(parcel: Parcel): Promise<void> {
    this.#later();
    try {
      await this.backlog.put(parcel);
      this.#release(parcel);
    } catch {
      // The disk is full: it stays in memory and is tried again with the rest.
    }
  }

  /** One try. True when the parcel is dealt with, for good or ill. */
  async #try(parcel: Parcel): Promise<boolean> {
    this.#flying.add(parcel.id);
    const { status, asked, known = 0 } = await this.#post(parcel.body);
    this.#flying.delete(parcel.id);
    const says = verdict(status);
    if (says === "later") {
      this.#notBefore = Date.now() + backoff(this.#failures++, asked, Math.random());
      // The next of several agents may be well.
      if (!asked) this.#endpoint++;
      await this.#keep(parcel);
      return false;
    }
    this.#failures = 0;
    this.#notBefore = says === "stored" && asked ? Date.now() + asked : 0;
    if (known < parcel.count) this.dropped(parcel.count - known);
    if (known === 0 && parcel.lane === "replay") this.passedOver?.();
    if (says === "closed") this.#stopped = true;
    this.#release(parcel);
    return true;
  }

  /** `known` is how many events the agent has said something about. */
  async #post(body: Uint8Array<ArrayBuffer>): Promise<{ status: number; asked: number; known?: number }> {
    try {
      const raw = concat([body, encodeSentAt(Date.now())]);
      const sent = await gzip(raw);
      const answer = await this.#request(sent, sent !== raw, { signal: AbortSignal.timeout(TIMEOUT_MS) });
      const bytes = new Uint8Array(await answer.arrayBuffer());
      const { status } = answer;
      if (!answer.ok) return { status, asked: Number(answer.headers.get("Retry-After")) * 1000 || 0 };
      const { known, retryMs } = decodeStatus(bytes);
      return { status, asked: retryMs, known };
    } catch {
      return { status: 0, asked: 0 };
    }
  }

  #later(atLeast = 50): void {
    if (this.#timer || this.#stopped) return;
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        void this.#drain();
      },
      Math.max(atLeast, this.#notBefore - Date.now()),
    );
  }

  /** Sends what is kept; of the shared backlog, one tab at a time. */
  async #drain(): Promise<void> {
    if (this.#draining || this.#stopped) return;
    this.#draining = true;
    try {
      for (const parcel of this.#held.values()) {
        if (!this.#flying.has(parcel.id) && !this.#hurried.has(parcel.id) && !(await this.#try(parcel)))
          return;
      }
      await (navigator.locks
        ? navigator.locks.request("gosight", { ifAvailable: true }, (lock) =>
            lock ? this.#empty() : this.#later(5_000),
          )
        : this.#empty());
    } catch {
      this.#later(5_000);
    } finally {
      this.#draining = false;
    }
  }

  async #empty(): Promise<void> {
    for (const parcel of await this.backlog.all()) {
      if (this.#stopped || !(await this.#try(parcel))) return;
      await this.backlog.delete(parcel.id);
    }
  }
}
