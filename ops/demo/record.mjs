// Records the demo visits: `npm run record -w ops/demo -- READY_FILE` against a running `gosight up --demo
// --ready-file READY_FILE`. A browser plays each visit on the shop; what its SDK sends passes through here on its
// way to the agent and is kept in visits/, gzipped, as EventBatch messages each behind its length.
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { gunzipSync, gzipSync } from "node:zlib";
import { launch } from "../e2e/browser.mjs";
import { visits } from "./visits.mjs";

const ready = JSON.parse(await readFile(process.argv[2], "utf8"));
const folder = new URL("./visits/", import.meta.url);

/** @type {Buffer[]} what the visit that is playing has sent */
let sent = [];

/** @param {number} n as protobuf writes lengths */
function varint(n) {
  const bytes = [];
  for (; n > 127; n = Math.floor(n / 128)) bytes.push((n % 128) | 128);
  return Buffer.from([...bytes, n]);
}

/**
 * Serves what another server serves; sees what goes by and may change what comes back.
 * @param {string} origin
 * @param {{ seen?: (path: string, headers: import("node:http").IncomingHttpHeaders, body: Buffer) => void,
 *   change?: (text: string) => string }} taps
 * @returns {Promise<string>} its own origin
 */
async function relay(origin, { seen, change }) {
  const server = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    const headers = Object.entries(request.headers)
      .filter(([name]) => !/^(host|connection|content-length)$/.test(name))
      .map(([name, value]) => /** @type {[string, string]} */ ([name, String(value)]));
    const post = request.method === "POST";
    const answer = await fetch(origin + request.url, {
      method: request.method,
      headers,
      body: post ? body : undefined,
    });
    if (post && answer.ok) seen?.(request.url ?? "", request.headers, body);
    const answerHeaders = Object.fromEntries(
      [...answer.headers].filter(
        ([name]) => !/^(content-encoding|content-length|transfer-encoding)$/.test(name),
      ),
    );
    response.writeHead(answer.status, answerHeaders);
    const html = answer.headers.get("content-type")?.startsWith("text/html");
    response.end(change && html ? change(await answer.text()) : Buffer.from(await answer.arrayBuffer()));
  });
  servers.push(server);
  await new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve(undefined));
  });
  return `http://127.0.0.1:${/** @type {import("node:net").AddressInfo} */ (server.address()).port}`;
}

/** @type {import("node:http").Server[]} */
const servers = [];
const agent = `http://${ready.agent_http}`;
const agentRelay = await relay(agent, {
  seen: (path, headers, body) => {
    if (path.startsWith("/gosight.Ingestor/SendBatch"))
      sent.push(headers["content-encoding"] === "gzip" ? gunzipSync(body) : body);
  },
});
// The page's SDK sends to where it was loaded from, so the page is to load it from the relay.
const shop = await relay(`http://${ready.demo}`, { change: (html) => html.replace(agent, agentRelay) });

const browser = await launch();
await mkdir(folder, { recursive: true });
const manifest = [];
for (const visit of visits) {
  sent = [];
  const context = await browser.newContext(visit.context);
  const page = await context.newPage();
  page.on("pageerror", (error) => console.log(`  ${visit.name}: the page says ${error.message}`));
  await visit.play(page, shop);
  await page.waitForTimeout(3500); // the last click's outcome is known after 2.5 s
  await page.goto("about:blank"); // the page hides, and the SDK sends what it still has
  await page.waitForTimeout(1000);
  await context.close();
  const file = gzipSync(Buffer.concat(sent.flatMap((body) => [varint(body.length), body])), { level: 9 });
  await writeFile(new URL(`${visit.name}.binpb.gz`, folder), file);
  manifest.push({
    file: `${visit.name}.binpb.gz`,
    origin: shop,
    user_agent: visit.context.userAgent,
    minutes_ago: visit.minutesAgo,
  });
  console.log(`${visit.name}: ${sent.length} batches, ${file.length} bytes`);
}
await writeFile(new URL("visits.json", folder), `${JSON.stringify(manifest, null, 2)}\n`);
await browser.close();
for (const server of servers) server.close();
