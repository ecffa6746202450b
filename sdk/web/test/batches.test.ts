import { fromBinary } from "@bufbuild/protobuf";
import { EventBatchSchema } from "@gosight/proto";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Batches, type Parcel, URGENT_MS } from "../src/batches.ts";

let sent: Parcel[];
let batches: Batches;
let serial = 0;

beforeEach(() => {
  vi.useFakeTimers();
  sent = [];
  batches = new Batches("page", (parcel) => sent.push(parcel));
});
afterEach(() => vi.useRealTimers());

const add = (
  lane: "events" | "replay",
  { urgent = false, session = "s", user = "u", url = "/a", payload = "{}" } = {},
) =>
  batches.add(
    lane,
    { type: "t", payload, timestamp: Date.now(), serial: serial++, url },
    session,
    user,
    () => ({ sessionId: session, userId: user, metadata: { url, page_id: "page" } }),
    urgent,
  );
const read = (parcel: Parcel | undefined) => fromBinary(EventBatchSchema, (parcel as Parcel).body);

test("what is urgent takes along what waits in its lane, and nothing of the other", () => {
  add("events");
  add("replay");
  vi.advanceTimersByTime(1_000);
  expect(sent).toEqual([]);
  add("events", { urgent: true });
  vi.advanceTimersByTime(URGENT_MS);
  expect(sent.map(({ lane, count }) => [lane, count])).toEqual([["events", 2]]);
  vi.advanceTimersByTime(10_000);
  expect(sent.map(({ lane }) => lane)).toEqual(["events", "replay"]);
});

test("a full batch goes at once", () => {
  add("replay", { payload: JSON.stringify("x".repeat(30_000)) });
  expect(sent).toHaveLength(1);
});

test("a batch is of one session and one user; another address stands with its event", () => {
  add("events");
  add("events", { url: "/b" });
  add("events", { user: "v" });
  add("events", { session: "s2", user: "v" });
  batches.seal();
  expect(sent.map((parcel) => [read(parcel).sessionId, read(parcel).userId, parcel.count])).toEqual([
    ["s", "u", 2],
    ["s", "v", 1],
    ["s2", "v", 1],
  ]);
  expect(read(sent[0]).metadata.url).toBe("/a");
  expect(read(sent[0]).events.map((event) => event.metadata)).toEqual([{}, { url: "/b" }]);
});

test("parcels sort by age under their ids", () => {
  for (let i = 0; i < 40; i++) {
    add("events");
    batches.seal();
    vi.advanceTimersByTime(1);
  }
  const ids = sent.map((parcel) => parcel.id);
  expect([...ids].sort()).toEqual(ids);
});
