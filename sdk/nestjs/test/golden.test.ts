import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { type EventBatch, EventBatchSchema } from "@gosight/proto";
import { describe, expect, it } from "vitest";
import type { GoSightEvent } from "../src/client.ts";
import { encodeEvent, encodeHeader, joinBatch } from "../src/wire.ts";

const file = (name: string) => new URL(`../../../proto/testdata/${name}`, import.meta.url);

const at = 1_790_000_000_000;
const session = "0190d2c4-7b1e-7000-8000-00000000600d";

/** Something in every field that this SDK writes, and characters of one to four bytes. */
const events: GoSightEvent[] = [
  {
    sessionId: session,
    userId: "ann@shop",
    type: "server_request",
    timestamp: at,
    id: "GOLDEN-1",
    payload: { method: "POST", route: "/orders/:id", status: 500, duration_ms: 12.3 },
    metadata: { page_id: "page-2" },
  },
  {
    sessionId: session,
    userId: "ann@shop",
    type: "error",
    timestamp: at + 250,
    id: "GOLDEN-2",
    payload: { source: "server", name: "Error", message: "schön – 良い 🛒", stack: "Error: …\n    at pay" },
  },
  {
    sessionId: "0190d2c4-7b1e-7000-8000-000000000002",
    type: "custom",
    timestamp: at + 500,
    id: "GOLDEN-3",
    payload: { name: "order_paid", props: { total: 12.5 } },
  },
];

function goldenBatch(): Buffer {
  const header = encodeHeader({ sdk: "nestjs", sdk_version: "0.1.0", service: "checkout" });
  const encoded = events.map((event) =>
    encodeEvent(event, event.id ?? "", JSON.stringify(event.payload), at),
  );
  return joinBatch(header, encoded, at + 1000);
}

// GOSIGHT_UPDATE_GOLDEN=1 writes it anew.
it("writes the batch that the other SDKs and the agent read in their tests", () => {
  const batch = goldenBatch();
  if (process.env.GOSIGHT_UPDATE_GOLDEN) writeFileSync(file("node_batch.binpb"), batch);
  expect(batch.equals(readFileSync(file("node_batch.binpb")))).toBe(true);
  // Joined from pieces, and yet what the generated code writes in one go.
  expect(Buffer.from(toBinary(EventBatchSchema, fromBinary(EventBatchSchema, batch))).equals(batch)).toBe(
    true,
  );
});

describe.each(["web_batch.binpb", "go_batch.binpb"])("%s", (name) => {
  const there = existsSync(file(name));
  if (!there) console.warn(`NO GOLDEN BATCH proto/testdata/${name}: run the tests of the SDK that writes it`);

  it.skipIf(!there)("reads here, loses nothing and comes out as it was", () => {
    const bytes = readFileSync(file(name));
    const batch = fromBinary(EventBatchSchema, bytes);
    expect(batch.$unknown).toBeUndefined();
    expect(batch.events.length).toBeGreaterThan(0);
    for (const event of batch.events) {
      expect(event.$unknown).toBeUndefined();
      expect(event.eventId).not.toBe("");
      expect(event.eventType).not.toBe("");
      expect(event.sessionId || batch.sessionId).not.toBe("");
      expect(JSON.parse(event.payload)).toBeTypeOf("object");
    }
    expect(sorted(batch)).toEqual(sorted(fromBinary(EventBatchSchema, toBinary(EventBatchSchema, batch))));
    expect(toBinary(EventBatchSchema, batch).length).toBe(bytes.length);
  });
});

/** Protobuf leaves the order of a map's entries open. */
function sorted(batch: EventBatch) {
  const entries = (map: Record<string, string>) => Object.entries(map).sort();
  return {
    ...batch,
    metadata: entries(batch.metadata),
    events: batch.events.map((event) => ({ ...event, metadata: entries(event.metadata) })),
  };
}
