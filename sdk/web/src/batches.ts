// Collects events into batches. Events and replay apart: they have different haste, and an agent that is short of
// space refuses replay first.
import { type BatchHeader, type Body, concat, encodeHeader, Rows, type WireEvent } from "./wire.ts";

export type Lane = "events" | "replay";

/** A batch on its way: encoded but for the time of sending. */
export interface Parcel {
  id: string;
  lane: Lane;
  body: Uint8Array<ArrayBuffer>;
  count: number;
}

/** Above this a batch goes at once, so that what is left when the page goes fits a keepalive request. */
const FULL_BYTES = 24_000;
/** The longest an event waits, by lane. */
const WAIT_MS: Record<Lane, number> = { events: 2_500, replay: 5_000 };
/** Long enough for a click and what answers it at once to go together, short enough to be "at once". */
export const URGENT_MS = 200;

interface Open {
  lane: Lane;
  header: BatchHeader;
  body: Body;
  count: number;
  timer: ReturnType<typeof setTimeout>;
  due: number;
}

export class Batches {
  #open = new Map<Lane, Open>();
  #serial = 0;
  /** How replay is written: as events are, until the recorder brings what is better at it. */
  replayBody: (() => Body) | undefined;

  constructor(
    private readonly pageId: string,
    private readonly deliver: (parcel: Parcel) => void,
  ) {}

  /** `header` is asked for only when a batch begins; a change of session or user ends the one before. */
  add(
    lane: Lane,
    event: WireEvent,
    sessionId: string,
    userId: string,
    header: () => BatchHeader,
    urgent: boolean,
  ): void {
    let open = this.#open.get(lane);
    if (open && (open.header.sessionId !== sessionId || open.header.userId !== userId)) {
      this.seal(lane);
      open = undefined;
    }
    if (!open) {
      const body = (lane === "replay" && this.replayBody?.()) || new Rows();
      open = { lane, header: header(), body, count: 0, timer: 0 as never, due: Infinity };
      this.#open.set(lane, open);
    }
    const { body } = open;
    body.add(event.url === open.header.metadata.url ? { ...event, url: undefined } : event);
    open.count++;
    const due = event.timestamp + (urgent ? URGENT_MS : WAIT_MS[lane]);
    if (body.size > FULL_BYTES) this.seal(lane);
    else if (due < open.due) {
      open.due = due;
      clearTimeout(open.timer);
      open.timer = setTimeout(() => this.seal(lane), Math.max(0, due - event.timestamp));
    }
  }

  /** Ends the open batch of a lane, or of both, and hands it over. */
  seal(lane?: Lane): void {
    for (const open of lane ? [this.#open.get(lane)] : this.#open.values()) {
      if (!open) continue;
      clearTimeout(open.timer);
      this.#open.delete(open.lane);
      this.deliver({
        id: `${Date.now().toString(36)}.${this.pageId}.${(this.#serial++).toString(36)}`,
        lane: open.lane,
        body: concat([encodeHeader(open.header), ...open.body.done(this.pageId)]),
        count: open.count,
      });
    }
  }

  clear(): void {
    for (const open of this.#open.values()) clearTimeout(open.timer);
    this.#open.clear();
  }
}
