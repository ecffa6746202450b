// The published contract's protobuf, written by hand to the size of what a page sends: EventBatch out, Status in.
// Field numbers are those of proto/gosight/telemetry.proto; test/wire.test.ts holds this against generated code.

const encoder = new TextEncoder();

const VARINT = 0;
const BYTES = 2;

export type Metadata = Record<string, string>;

export interface WireEvent {
  type: string;
  /** JSON. */
  payload: string;
  /** Unix milliseconds. */
  timestamp: number;
  id: string;
  /** Only what differs from the batch. */
  metadata?: Metadata;
}

/** What the events of a batch share. */
export interface BatchHeader {
  sessionId: string;
  userId: string;
  metadata: Metadata;
}

export interface Status {
  rejected: number;
  /** How long the agent asks to wait before the next batch; 0 if it does not. */
  retryMs: number;
}

class Writer {
  parts: Uint8Array[] = [];
  size = 0;

  #push(part: Uint8Array): void {
    this.parts.push(part);
    this.size += part.length;
  }

  #varint(value: number): void {
    const out: number[] = [];
    // Divisions, not shifts: timestamps need more than 32 bits.
    for (; value > 127; value = Math.floor(value / 128)) out.push((value % 128) | 128);
    out.push(value);
    this.#push(Uint8Array.from(out));
  }

  int(field: number, value: number): this {
    if (value) {
      this.#varint(field * 8 + VARINT);
      this.#varint(value);
    }
    return this;
  }

  /** Empty or not: so are the entries of maps written. */
  text(field: number, value = ""): this {
    const bytes = encoder.encode(value);
    this.#varint(field * 8 + BYTES);
    this.#varint(bytes.length);
    this.#push(bytes);
    return this;
  }

  string(field: number, value: string): this {
    return value ? this.text(field, value) : this;
  }

  message(field: number, inner: Writer): this {
    this.#varint(field * 8 + BYTES);
    this.#varint(inner.size);
    for (const part of inner.parts) this.#push(part);
    return this;
  }

  metadata(field: number, map: Metadata | undefined): this {
    for (const key in map) this.message(field, new Writer().text(1, key).text(2, map[key]));
    return this;
  }

  done(): Uint8Array<ArrayBuffer> {
    return concat(this.parts, this.size);
  }
}

export function concat(parts: Uint8Array[], size = parts.reduce((n, p) => n + p.length, 0)) {
  const out = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** One event as a field of the batch: pieces made by this and by `encodeHeader` are joined to make an EventBatch. */
export function encodeEvent(event: WireEvent): Uint8Array<ArrayBuffer> {
  const fields = new Writer()
    .string(3, event.type)
    .string(4, event.payload)
    .int(5, event.timestamp)
    .metadata(6, event.metadata)
    .string(7, event.id);
  return new Writer().message(4, fields).done();
}

export function encodeHeader(header: BatchHeader): Uint8Array<ArrayBuffer> {
  return new Writer()
    .string(1, header.sessionId)
    .string(2, header.userId)
    .metadata(3, header.metadata)
    .done();
}

/** The batch's time of sending. It stands last and apart, since a batch that is sent again has a new one. */
export function encodeSentAt(now: number): Uint8Array<ArrayBuffer> {
  return new Writer().int(5, now).done();
}

/** Reads what matters here of an agent's answer. Throws RangeError on bytes that end too early. */
export function decodeStatus(bytes: Uint8Array): Status {
  const status: Status = { rejected: 0, retryMs: 0 };
  eachField(bytes, (field, value, inner) => {
    if (field === 2) status.rejected = value;
    else if (field === 4 && inner) {
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
  visit: (field: number, value: number, inner?: Uint8Array) => void,
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
