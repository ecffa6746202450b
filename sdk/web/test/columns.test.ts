import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fromBinary } from "@bufbuild/protobuf";
import { EventBatchSchema } from "@gosight/proto";
import { expect, test } from "vitest";
import { readColumns } from "../e2e/columns.ts";
import { Columns } from "../src/columns.ts";
import { ReplayColumns } from "../src/recorder.ts";
import { concat, encodeHeader, encodeSentAt } from "../src/wire.ts";

const GOLDEN = new URL("../../../proto/testdata/", import.meta.url);

/** Everything that JSON can hold, and some that it cannot. */
const values: unknown[] = [
  {},
  [],
  [[]],
  { a: [] },
  null,
  true,
  false,
  0,
  -0,
  -1,
  2 ** 50,
  -(2 ** 50),
  2 ** 53,
  1e21,
  1.5,
  -2.25e-7,
  Number.NaN,
  "",
  "text",
  "text",
  'quotes " and \\ and / and \b\f\n\r\t\u0001\u001f\u007f\u2028',
  "Käse ☕ 𝄞 \ufeff",
  "NUL \0 inside",
  "lone \ud800 surrogate",
  { "": 1, "key\0": 2 },
  { 'key "quoted"\n': [1, [2, [3, { deep: null }]]] },
  { b: 1, a: 2 },
  { a: 1, b: 2 },
  { gone: undefined, fn: () => 1, stays: 1 },
  [undefined, null, "x"],
  new Date(0),
  { id: 5, node: { id: 7, childNodes: [{ id: 8, childNodes: [] }] } },
];

test("reads back as what JSON.stringify gives", () => {
  const columns = new Columns();
  for (const value of values) columns.add(value);
  expect(readColumns(columns.done())).toEqual(values.map((value) => JSON.stringify(value)));
});

test("whatever is put together at random", () => {
  let seed = 11;
  const roll = (sides: number) => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed % sides;
  };
  const any = (depth: number): unknown => {
    const kind = roll(depth > 6 ? 5 : 8);
    if (kind === 5) return Array.from({ length: roll(5) }, () => any(depth + 1));
    if (kind > 5)
      return Object.fromEntries(Array.from({ length: roll(5) }, () => [`k${roll(6)}`, any(depth + 1)]));
    return [null, roll(2) > 0, roll(2e9) - 1e9, roll(1e6) / 7, `word ${roll(9)}`][kind];
  };
  for (let round = 0; round < 300; round++) {
    const some = Array.from({ length: roll(8) }, () => any(0));
    const columns = new Columns();
    for (const value of some) columns.add(value);
    expect(readColumns(columns.done())).toEqual(some.map((value) => JSON.stringify(value)));
  }
});

test("is the golden batch that the agent reads (GOSIGHT_UPDATE=1 writes it anew)", () => {
  const body = new ReplayColumns();
  const events = values.map((payload, serial) => ({
    type: serial < 2 ? "full_snapshot" : "mutation",
    serial: serial * 7,
    timestamp: 1_795_000_000_000 + serial * 40,
    url: serial % 5 ? undefined : `https://shop.example/${serial}`,
    payload: { type: 3, data: payload, timestamp: 1_795_000_000_000 + serial * 40 },
  }));
  for (const event of events) body.add(event);
  const header = {
    sessionId: "mwt0000000000000session1",
    userId: "u-42",
    metadata: { url: "https://shop.example/a", page_id: "p4g31d00" },
  };
  const written = concat([encodeHeader(header), ...body.done(), encodeSentAt(1_795_000_001_000)]);
  const text = `${JSON.stringify(
    events.map(({ type, serial, timestamp, url, payload }) => ({
      event_type: type,
      event_id: `p4g31d00.${serial.toString(36)}`,
      timestamp,
      url,
      payload: JSON.stringify(payload),
    })),
    null,
    2,
  )}\n`;
  const binary = new URL("web_columns.binpb", GOLDEN);
  const json = new URL("web_columns.json", GOLDEN);
  if (process.env.GOSIGHT_UPDATE || !existsSync(binary)) {
    writeFileSync(binary, written);
    writeFileSync(json, text);
  }
  expect(Buffer.from(written).equals(readFileSync(binary))).toBe(true);
  expect(readFileSync(json, "utf8")).toBe(text);
  expect(fromBinary(EventBatchSchema, written).columns.length).toBeGreaterThan(0);
});
