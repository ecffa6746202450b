import { expect, test } from "vitest";
import type { Session } from "../api/client";
import { mergeLive } from "./merge";

const visit = (session_id: string, ended_at: number, live = false): Session =>
  ({ session_id, ended_at, live, events: 1 }) as Session;
const data = {
  pages: [
    { sessions: [visit("a", 50), visit("b", 40)], next_cursor: "x" },
    { sessions: [visit("c", 30)], next_cursor: "" },
  ],
  pageParams: ["", "x"],
};
const order = (d: typeof data) => d.pages.flatMap((p) => p.sessions.map((s) => s.session_id)).join("");

test("known visits change in place and rise, new ones join only where no filter stands", () => {
  const news = [visit("c", 99, true), visit("d", 98, true)];
  expect(order(mergeLive(data, news, true) as typeof data)).toBe("cdab");
  expect(order(mergeLive(data, news, false) as typeof data)).toBe("cab");
  expect(mergeLive(data, news, true).pages.map((p) => p.next_cursor)).toEqual(["x", ""]);
});
