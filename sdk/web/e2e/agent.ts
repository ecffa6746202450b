// A small agent for tests: serves pages and the built SDK, takes batches as the real one does, and remembers every
// byte. What it decodes, it decodes by generated code.
import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { gunzipSync } from "node:zlib";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { type Event, type EventBatch, EventBatchSchema, EventSchema, StatusSchema } from "@gosight/proto";
import { readColumns } from "./columns.ts";
import { left } from "./left.ts";

export interface Seen {
  id: string;
  type: string;
  payload: Record<string, never> & { [field: string]: unknown };
  timestamp: number;
  session: string;
  user: string;
  metadata: Record<string, string>;
}

export class TestAgent {
  readonly events: Seen[] = [];
  /** The types of each batch's events. */
  readonly batches: string[][] = [];
  /** Everything that came, decompressed and with columns read, for canaries. */
  readonly wire: Buffer[] = [];
  requests = 0;
  bodyBytes = 0;
  /** Only what comes with this key counts: pages of the test before may still be saying goodbye. */
  key = "test0";
  /** No answer at all, as of a machine that is off. */
  down = false;
  /** An agent from before replay came in columns: it passes them over. */
  old = false;
  /** Set to refuse: the answer's status and headers. */
  refuse: { status: number; headers?: Record<string, string> } | undefined;
  readonly pages = new Map<string, string | ((request: IncomingMessage, response: ServerResponse) => void)>();
  #waiting = new Set<() => void>();
  #server = createServer((request, response) => void this.#serve(request, response));

  async listen(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  reset(): void {
    this.events.length = this.wire.length = this.batches.length = 0;
    this.requests = this.bodyBytes = 0;
    this.refuse = undefined;
    this.down = this.old = false;
    this.key = `test${Number(this.key.slice(4)) + 1}`;
    this.pages.clear();
  }

  /** Events once each, however often they came. */
  of(type: string): Seen[] {
    const seen = new Map(
      this.events.filter((event) => event.type === type).map((event) => [event.id, event]),
    );
    return [...seen.values()].sort((a, b) => a.timestamp - b.timestamp);
  }

  /** All of the pages that were left is there. */
  left(): boolean {
    return left(this.events);
  }

  saw(text: string): boolean {
    return this.wire.some((bytes) => bytes.includes(text));
  }

  /** Resolves as soon as `met` holds; fails by its own time limit, naming what came instead. */
  until<T>(met: () => T | undefined | false, what: string, ms = 30_000): Promise<T> {
    return new Promise((resolve, reject) => {
      const check = () => {
        const value = met();
        if (!value) return;
        clearTimeout(timer);
        this.#waiting.delete(check);
        resolve(value);
      };
      const timer = setTimeout(() => {
        this.#waiting.delete(check);
        const came = this.events.map((event) => event.type).join(" ");
        reject(new Error(`no ${what} within ${ms} ms; came: ${came}`));
      }, ms);
      this.#waiting.add(check);
      check();
    });
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? "/", this.url);
    response.setHeader("Access-Control-Allow-Origin", "*");
    response.setHeader("Access-Control-Allow-Headers", "*");
    response.setHeader("Access-Control-Expose-Headers", "Retry-After");
    if (request.method === "OPTIONS") return void response.writeHead(204).end();
    if (pathname === "/gosight.Ingestor/SendBatch") return this.#ingest(request, response, searchParams);
    if (pathname.startsWith("/sdk/")) {
      response.setHeader("Content-Type", "text/javascript");
      return void response.end(readFileSync(new URL(`../dist/${pathname.slice(5)}`, import.meta.url)));
    }
    const page = this.pages.get(pathname);
    if (typeof page === "function") return page(request, response);
    response.setHeader("Content-Type", "text/html; charset=utf-8");
    response.statusCode = page === undefined ? 404 : 200;
    response.end(page ?? "");
  }

  async #ingest(request: IncomingMessage, response: ServerResponse, query: URLSearchParams): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const sent = Buffer.concat(chunks);
    if ((request.headers["x-gosight-key"] ?? query.get("key")) !== this.key)
      return void response.writeHead(401).end();
    this.requests++;
    if (this.down) return void request.socket.destroy();
    if (this.refuse) return void response.writeHead(this.refuse.status, this.refuse.headers).end("{}");
    this.bodyBytes += sent.length;
    const zipped = request.headers["content-encoding"] === "gzip" || query.get("compression") === "gzip";
    const body = zipped ? gunzipSync(sent) : sent;
    const batch = fromBinary(EventBatchSchema, body);
    const events = this.old ? batch.events : unfolded(batch);
    this.wire.push(body, Buffer.from(events.map((event) => event.payload).join("\n")));
    this.batches.push(events.map((event) => event.eventType));
    for (const event of events) {
      this.events.push({
        id: event.eventId,
        type: event.eventType,
        payload: JSON.parse(event.payload),
        timestamp: Number(event.timestamp),
        session: event.sessionId || batch.sessionId,
        user: event.userId || batch.userId,
        metadata: { ...batch.metadata, ...event.metadata },
      });
    }
    response.setHeader("Content-Type", "application/proto");
    response.end(toBinary(StatusSchema, create(StatusSchema, { accepted: BigInt(events.length) })));
    for (const check of this.#waiting) check();
  }
}

/** The batch's events, those in columns too. */
function unfolded(batch: EventBatch): Event[] {
  const rows = batch.columns.length ? readColumns(batch.columns) : [];
  const more = rows.map((row) => {
    const { type, serial, timestamp, url, payload } = JSON.parse(row);
    return create(EventSchema, {
      eventType: type,
      eventId: `${batch.metadata.page_id}.${serial.toString(36)}`,
      timestamp: BigInt(timestamp),
      payload: JSON.stringify(payload),
      metadata: url === undefined ? {} : { url },
    });
  });
  return [...batch.events, ...more];
}
