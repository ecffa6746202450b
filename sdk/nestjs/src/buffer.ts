/** Encoded events that travel together. */
export interface Batch {
  events: Uint8Array[];
  bytes: number;
  /** Resolves when the agent has answered for good or the batch was given up. */
  readonly settled: Promise<void>;
  readonly settle: () => void;
}

/**
 * Events on their way: an open batch that takes more, sealed batches that wait for their turn, and those that were
 * taken out to be sent. All of them count until they are settled, so the bound holds whatever the agent does.
 */
export class EventBuffer {
  #open: Batch | undefined;
  #sealed: Batch[] = [];
  readonly #unsettled = new Set<Batch>();
  #events = 0;
  #bytes = 0;
  #waiting: (() => void)[] = [];

  constructor(
    private readonly maxEvents: number,
    private readonly maxBytes: number,
    private readonly batchEvents: number,
    private readonly batchBytes: number,
  ) {}

  get events(): number {
    return this.#events;
  }

  get bytes(): number {
    return this.#bytes;
  }

  fits(event: Uint8Array): boolean {
    return this.#events < this.maxEvents && this.#bytes + event.length <= this.maxBytes;
  }

  /** Takes an event that fits. */
  add(event: Uint8Array): void {
    if (this.#open && this.#open.bytes + event.length > this.batchBytes) this.seal();
    if (!this.#open) {
      this.#open = newBatch();
      this.#unsettled.add(this.#open);
    }
    this.#open.events.push(event);
    this.#open.bytes += event.length;
    this.#events++;
    this.#bytes += event.length;
    if (this.#open.events.length >= this.batchEvents || this.#open.bytes >= this.batchBytes) this.seal();
  }

  /** Makes what there is ready to be sent. */
  seal(): void {
    if (this.#open) this.#sealed.push(this.#open);
    this.#open = undefined;
  }

  take(): Batch | undefined {
    return this.#sealed.shift();
  }

  get hasSealed(): boolean {
    return this.#sealed.length > 0;
  }

  settle(batch: Batch): void {
    this.#unsettled.delete(batch);
    this.#events -= batch.events.length;
    this.#bytes -= batch.bytes;
    batch.settle();
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }

  /** Resolves when some batch has been settled: there may be room now. */
  room(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Resolves when everything that is held now has been settled. */
  async settled(): Promise<void> {
    await Promise.all(Array.from(this.#unsettled, (batch) => batch.settled));
  }
}

function newBatch(): Batch {
  let settle = () => {};
  const settled = new Promise<void>((resolve) => {
    settle = resolve;
  });
  return { events: [], bytes: 0, settled, settle };
}
