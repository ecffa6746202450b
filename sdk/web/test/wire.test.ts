import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { create, fromBinary, toBinary, toJsonString } from "@bufbuild/protobuf";
import { EventBatchSchema, StatusSchema } from "@gosight/proto";
import { describe, expect, test } from "vitest";
import {
  concat,
  decodeStatus,
  encodeHeader,
  encodeSentAt,
  eventId,
  Rows,
  type WireEvent,
} from "../src/wire.ts";

const GOLDEN = new URL("../../../proto/testdata/", import.meta.url);

const header = {
  sessionId: "mwt0000000000000session1",
  userId: "u-42",
  metadata: { url: "https://shop.example/a", page_id: "p4g31d00", language: "de-DE", sdk: "web", empty: "" },
};
const events: WireEvent[] = [
  {
    type: "click",
    payload: JSON.stringify({ x: 10, y: 20, selector: "button#buy", text: "Käse ☕ 𝄞", interactive: true }),
    timestamp: 1_795_000_000_123,
    serial: 0,
  },
  {
    type: "navigate",
    payload: '{"to":"/b"}',
    timestamp: 1,
    serial: 1,
    url: "https://shop.example/b",
  },
  {
    type: "mutation",
    payload: JSON.stringify({ data: "x".repeat(300) }),
    timestamp: 0,
    serial: 1295,
  },
];
const rows = new Rows();
for (const event of events) rows.add(event);
const written = concat([encodeHeader(header), ...rows.done("p4g31d00"), encodeSentAt(1_795_000_001_000)]);

describe("EventBatch", () => {
  test("reads back through generated code as it was written", () => {
    const batch = fromBinary(EventBatchSchema, written);
    expect(batch).toMatchObject({ sessionId: header.sessionId, userId: "u-42", metadata: header.metadata });
    expect(batch.sentAt).toBe(1_795_000_001_000n);
    expect(
      batch.events.map((event) => ({
        type: event.eventType,
        payload: event.payload,
        timestamp: Number(event.timestamp),
        id: event.eventId,
        metadata: event.metadata,
      })),
    ).toEqual(
      events.map(({ serial, url, ...event }) => ({
        ...event,
        id: eventId("p4g31d00", serial),
        metadata: url ? { url } : {},
      })),
    );
  });

  test("is, byte for byte, what generated code writes", () => {
    expect(
      Buffer.from(written).equals(toBinary(EventBatchSchema, fromBinary(EventBatchSchema, written))),
    ).toBe(true);
  });

  test("is the golden batch that the agent and the other SDKs read (GOSIGHT_UPDATE=1 writes it anew)", () => {
    const binary = new URL("web_batch.binpb", GOLDEN);
    const json = new URL("web_batch.json", GOLDEN);
    const text = `${toJsonString(EventBatchSchema, fromBinary(EventBatchSchema, written), { prettySpaces: 2 })}\n`;
    if (process.env.GOSIGHT_UPDATE || !existsSync(binary)) {
      writeFileSync(binary, written);
      writeFileSync(json, text);
    }
    expect(Buffer.from(written).equals(readFileSync(binary))).toBe(true);
    expect(readFileSync(json, "utf8")).toBe(text);
  });
});

describe("Status", () => {
  const bytes = toBinary(
    StatusSchema,
    create(StatusSchema, {
      accepted: 300n,
      rejected: 70_000n,
      reasons: { invalid_json: 7n, oversize: 1n },
      retryDelay: { seconds: 3n, nanos: 250_000_000 },
    }),
  );

  test("gives what was refused and how long to wait", () => {
    expect(decodeStatus(bytes)).toEqual({ known: 70_300, retryMs: 3_250 });
    expect(decodeStatus(new Uint8Array())).toEqual({ known: 0, retryMs: 0 });
  });

  test("cut short or scrambled, ends in an error or in some reading, and never hangs", () => {
    for (let length = 0; length < bytes.length; length++) attempt(bytes.subarray(0, length));
    let seed = 7;
    for (let round = 0; round < 5_000; round++) {
      const noise = new Uint8Array(round % 40);
      for (const at of noise.keys()) {
        seed = (seed * 48_271) % 2_147_483_647;
        noise[at] = seed;
      }
      attempt(noise);
    }
  });

  const attempt = (input: Uint8Array) => {
    try {
      decodeStatus(input);
    } catch (error) {
      expect(error).toBeInstanceOf(RangeError);
    }
  };
});
