import { expect, test } from "vitest";
import { continues, IDLE_MS, LONGEST_MS, newSession, Sessions, type Shelf, unpack } from "../src/session.ts";

const ALL = { sessions: 1, replay: 1 };
const T0 = 1_795_000_000_000;
const memory = (): Shelf & { text: string | null } => ({
  text: null,
  read() {
    return this.text;
  },
  write(value) {
    this.text = value;
  },
});

test("a visit ends after 30 minutes of nothing or after 24 hours, not a millisecond sooner", () => {
  const session = newSession(T0, "", ALL, Math.random);
  expect(continues(session, T0 + IDLE_MS - 1)).toBe(true);
  expect(continues(session, T0 + IDLE_MS)).toBe(false);
  session.last = T0 + LONGEST_MS;
  expect(continues(session, T0 + LONGEST_MS - 1)).toBe(true);
  expect(continues(session, T0 + LONGEST_MS)).toBe(false);
  expect(continues(session, T0 - 2 * 3_600_000)).toBe(false);
});

test("only the visitor's doing prolongs a visit or begins one", () => {
  const sessions = new Sessions(memory(), ALL);
  expect(sessions.at(T0, false)).toBeUndefined();
  const first = sessions.at(T0, true)?.id;
  expect(sessions.at(T0 + IDLE_MS - 1, false)?.id).toBe(first);
  expect(sessions.at(T0 + IDLE_MS, false)).toBeUndefined();
  const second = sessions.at(T0 + IDLE_MS, true)?.id;
  expect(second).toBeDefined();
  expect(second).not.toBe(first);
  expect(sessions.at(T0 + 2 * IDLE_MS - 1, true)?.id).toBe(second);
  expect(sessions.at(T0 + 3 * IDLE_MS - 2, true)?.id).toBe(second);
});

test("pages share a visit, its user and its draw; a new visit keeps the user", () => {
  const shelf = memory();
  const one = new Sessions(shelf, { sessions: 0.5, replay: 0.5 }, () => 0.4);
  const other = new Sessions(shelf, { sessions: 0.5, replay: 0.5 }, () => 0.9);
  one.identify("Zoë | 1", T0);
  expect(other.at(T0 + 10, true)).toMatchObject({
    id: one.at(T0, true)?.id,
    user: "Zoë | 1",
    sampled: true,
    replay: true,
  });
  expect(other.at(T0 + IDLE_MS * 2, true)).toMatchObject({ user: "Zoë | 1", sampled: false, replay: false });
});

test("a shelf that holds something else holds no session", () => {
  for (const text of [null, "", "x", "a|b|c|1|1|", "|1|1|1|1|", "{}"]) expect(unpack(text)).toBeUndefined();
});

test("ids of visits sort by their beginning and do not repeat", () => {
  const ids = Array.from({ length: 2_000 }, (_, i) => newSession(T0 + i, "", ALL, Math.random).id);
  expect([...ids].sort()).toEqual(ids);
  expect(new Set(ids).size).toBe(ids.length);
});
