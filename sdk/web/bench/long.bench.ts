// A long visit beside the JSON of the same events, and beside rrweb's own packed JSON of the same replay: each event
// deflated by itself, as its packer does.
import { deflateSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import { TestAgent } from "../e2e/agent.ts";
import { launch, tag } from "../e2e/browser.ts";
import { recording } from "../e2e/player.ts";
import { shop, walk } from "./shop.ts";

/** `make bench-sdk-long` makes it ten minutes. */
const VISIT_MS = Number(process.env.VISIT_MS ?? 60_000);
const WALK_MS = 60_000;
/** How much less than JSON it has to be. */
const LESS = 0.9;

const agent = new TestAgent();
beforeAll(() => agent.listen());
afterAll(() => agent.close());

test("a long visit", { timeout: 2 * VISIT_MS + 120_000 }, async () => {
  for (const path of ["/", "/r0", "/r1", "/r2", "/r3", "/r4", "/r5"]) agent.pages.set(path, shop(tag(agent)));
  const browser = await launch();
  const page = await (await browser.newContext({ viewport: { width: 1200, height: 800 } })).newPage();
  await page.goto(agent.url);
  for (let left = VISIT_MS; left > 0; left -= WALK_MS) await walk(page, Math.min(left, WALK_MS));
  await page.close();
  await agent.until(() => agent.of("page_exit").length, "page_exit");
  await browser.close();
  // As the published contract has it: an event's details are text in it.
  const json = agent.events.reduce((sum, { session, user, type, payload, timestamp, metadata }) => {
    const event = {
      session_id: session,
      user_id: user,
      event_type: type,
      payload: JSON.stringify(payload),
      timestamp,
      metadata,
    };
    return sum + Buffer.byteLength(JSON.stringify(event));
  }, 0);
  const packed = recording(agent).reduce(
    (sum, { payload }) => sum + deflateSync(JSON.stringify({ ...payload, v: "v1" })).length,
    0,
  );
  const kB = (bytes: number) => `${(bytes / 1000).toFixed(1)} kB`;
  const less = 1 - agent.bodyBytes / json;
  console.log(
    `visit of ${VISIT_MS / 60_000} min: ${agent.events.length} events in ${kB(agent.bodyBytes)}; JSON of them ${kB(json)}, ours ${(100 * less).toFixed(1)} % less (at least ${100 * LESS}); rrweb's packed JSON of the replay alone ${kB(packed)}`,
  );
  expect(less).toBeGreaterThanOrEqual(LESS);
});
