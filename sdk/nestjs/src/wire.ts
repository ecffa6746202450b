// The published contract's bytes. Protobuf messages that are joined are merged: a batch is put together from the
// header and the events, each encoded once however often it is sent, and the time of this attempt.
import { create, toBinary } from "@bufbuild/protobuf";
import { EventBatchSchema } from "@gosight/proto";
import type { GoSightEvent } from "./options.ts";

/** An EventBatch of that one event. `payload` is its JSON. */
export function encodeEvent(event: GoSightEvent, id: string, payload: string, now: number): Uint8Array {
  return toBinary(
    EventBatchSchema,
    create(EventBatchSchema, {
      events: [
        {
          sessionId: event.sessionId,
          userId: event.userId ?? "",
          eventType: event.type,
          payload,
          timestamp: BigInt(Math.round(event.timestamp ?? now)),
          metadata: event.metadata ?? {},
          eventId: id,
        },
      ],
    }),
  );
}

/** An EventBatch of what its events share. */
export function encodeHeader(metadata: Record<string, string>): Uint8Array {
  return toBinary(EventBatchSchema, create(EventBatchSchema, { metadata }));
}

/**
 * Joins header and events to one EventBatch. The time of sending is new with every attempt: an agent takes a batch
 * that seems to be minutes old for one from a wrong clock, and moves its events.
 */
export function joinBatch(header: Uint8Array, events: readonly Uint8Array[], now: number): Buffer {
  const sentAt = toBinary(EventBatchSchema, create(EventBatchSchema, { sentAt: BigInt(now) }));
  return Buffer.concat([header, ...events, sentAt]);
}
