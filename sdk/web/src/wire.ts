// The published contract's protobuf, written by hand to the size of what a page sends: EventBatch out, Status in.
// Field numbers are those of proto/gosight/telemetry.proto; test/wire.test.ts holds this against generated code.

const encoder = new TextEncoder();

const VARINT = 0;
const BYTES = 2;

export type Metadata = Record<string, string>;

export interface WireEvent {
  type: string;
  /** JSON, or what is to become JSON. */
  payload: string | object;
  /** Unix milliseconds. */
  timestamp: number;
  /** Counts the page's events: the last part of the event's id. */
  serial: number;
  /** Where it differs from the batch's. */
  url?: string | undefined;
}

/** Takes a batch's events, and gives them as the fields of an EventBatch. */
export interface Body {
  /** Bytes so far, near enough. */
  size: number;
  add(event: WireEvent): void;
  done(pageId: string): Uint8Array[];
}

/** What the events of a batch share. */
export interface BatchHeader {
  sessionId: string;
  userId: string;
  metadata: Metadata;
}

export interface Status {
  /** Events that were stored or refused. */
  known: number;
  /** How long the agent asks to wait before the next batch; 0 if it does not. */
  retryMs: number;
}

/** Whole numbers from 0 on, 7 bits a byte, the lowest first. Divisions, since timestamps need more than 32 bits. */
export function varint(value: number, to: number[] = []): number[] {
  for (; value > 127; value = Math.floor(value / 128)) to.push((value % 128) | 128);
  to.push(value);
  return to;
}

export function concat(parts: ArrayLike<number>[]): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** A field that has a length: text, bytes, or the fields of a message. */
export const field = (number: number, ...parts: ArrayLike<number>[]): Uint8Array<ArrayBuffer> => {
  const content = concat(parts);
  return concat([varint(number * 8 + BYTES), varint(content.length), content]);
};

const text = (number: number, value = ""): Uint8Array => field(number, encoder.encode(value));

/** Fields that are empty or 0 are left out; but not in maps. */
const string = (number: number, value: string): ArrayLike<number> => (value ? text(number, value) : []);

const int = (number: number, value: number): ArrayLike<number> =>
  value ? varint(value, varint(number * 8 + VARINT)) : [];

const metadata = (number: number, map: Metadata): ArrayLike<number>[] =>
  Object.keys(map).map((key) => field(number, text(1, key), text(2, map[key])));

/** Events one by one, in the published form. */
export class Rows implements Body {
  size = 0;
  #events: WireEvent[] = [];

  add(event: WireEvent): void {
    const { payload } = event;
    const json = typeof payload === "string" ? payload : JSON.stringify(payload);
    this.#events.push({ ...event, payload: json });
    this.size += json.length;
  }

  done(pageId: string): Uint8Array[] {
    return this.#events.map(({ type, payload, timestamp, serial, url }) =>
      field(
        4,
        string(3, type),
        string(4, payload as string),
        int(5, timestamp),
        ...metadata(6, url === undefined ? {} : { url }),
        text(7, eventId(pageId, serial)),
      ),
    );
  }
}

export const eventId = (pageId: string, serial: number): string => `${pageId}.${serial.toString(36)}`;

export const encodeHeader = (header: BatchHeader): Uint8Array<ArrayBuffer> =>
  concat([string(1, header.sessionId), string(2, header.userId), ...metadata(3, header.metadata)]);

/** The batch's time of sending. It stands last and apart, since a batch that is sent again has a new one. */
export const encodeSentAt = (now: number): ArrayLike<number> => int(5, now);

/** Reads what matters here of an agent's answer. Throws RangeError on bytes that end too early. */
export function decodeStatus(bytes: Uint8Array): Status {
  const status: Status = { known: 0, retryMs: 0 };
  eachField(bytes, (number, value, inner) => {
    if (number < 3) status.known += value;
    else if (number === 4 && inner) {
      eachField(inner, (part, n) => {
        status.retryMs += part === 1 ? n * 1000 : Math.ceil(n / 1e6);
      });
    }
  });
  return status;
}

/** Status and Duration are made of varints and of fields with a length; others would be news, and end the reading. */
function eachField(
  bytes: Uint8Array,
  visit: (number: number, value: number, inner?: Uint8Array) => void,
): void {
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes[at++];
      if (byte === undefined) throw new RangeError("truncated");
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const tag = varint();
    const value = varint();
    if ((tag & 7) === VARINT) visit(tag >>> 3, value);
    else if ((tag & 7) !== BYTES) return;
    else {
      at += value;
      if (at > bytes.length) throw new RangeError("truncated");
      visit(tag >>> 3, value, bytes.subarray(at - value, at));
    }
  }
}
