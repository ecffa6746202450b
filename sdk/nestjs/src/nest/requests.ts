import { AsyncLocalStorage } from "node:async_hooks";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { GoSightClient } from "../client.ts";
import { errorPayload, statusOf } from "./failure.ts";
import type { GoSightModuleOptions, GoSightRequest } from "./options.ts";

/** The agent's limits: a header beyond them is nobody's id. */
const maxSessionBytes = 128;
const maxUserBytes = 256;
/** The page of the session that asked: a session may have several open. */
const pageHeader = "x-gosight-page";

/** A request on its way through the application. */
export interface Trace {
  request: GoSightRequest;
  /** The pattern that took the request, such as /orders/:id. */
  route: string | undefined;
  /** Exceptions pass the interceptor and then the filter: each is one event. */
  failures: Set<unknown>;
}

/** Express hands out Node's own objects, Fastify wraps them. */
type Wrapped<T> = T & { raw?: T };

/** Ties requests to browser sessions and says what became of them. Never throws into a request. */
export class Requests {
  readonly #traces = new WeakMap<object, Trace>();
  readonly #current = new AsyncLocalStorage<Trace>();
  /** The site's functions that failed and were complained of. */
  readonly #faulty = new Set<unknown>();
  readonly #sessionHeader: string;
  readonly #userHeader: string;

  constructor(
    private readonly client: GoSightClient,
    private readonly options: GoSightModuleOptions,
  ) {
    this.#sessionHeader = (options.sessionHeader ?? "x-gosight-session").toLowerCase();
    this.#userHeader = (options.userHeader ?? "x-gosight-user").toLowerCase();
  }

  /** The request being handled. */
  get current(): Trace | undefined {
    return this.#current.getStore();
  }

  /** Runs `handle` with the request as the current one. */
  within<T>(trace: Trace, handle: () => T): T {
    return this.#current.run(trace, handle);
  }

  /** Starts to follow a request, if that has not been done; undefined where it is to be left alone. */
  begin(request: Wrapped<IncomingMessage>, response: Wrapped<ServerResponse>): Trace | undefined {
    const incoming = request.raw ?? request;
    const known = this.#traces.get(incoming);
    if (known) return known;
    const seen = request as unknown as GoSightRequest;
    if (this.#ask(this.options.ignore, seen)) return undefined;
    if (!this.options.session && !this.#header(seen, this.#sessionHeader, maxSessionBytes)) return undefined;

    const trace: Trace = { request: seen, route: undefined, failures: new Set() };
    this.#traces.set(incoming, trace);
    const startedAt = Date.now();
    const start = performance.now();
    const outgoing = response.raw ?? response;
    outgoing.once("close", () => this.#finish(trace, startedAt, performance.now() - start, outgoing));
    return trace;
  }

  /** Notes the route that took the request, and the request as the adapter knows it by now. */
  routed(trace: Trace, request: GoSightRequest): void {
    trace.request = request;
    trace.route ??= routeOf(request);
  }

  /** A request failed: an `error` event, once for each exception. */
  failed(trace: Trace, exception: unknown): void {
    if (this.options.errors === false || trace.failures.has(exception)) return;
    const status = statusOf(exception);
    const isError = this.options.isError ?? ((_, code) => code >= 500);
    if (!isError(exception, status)) return;
    trace.failures.add(exception);
    this.report(trace, "error", {
      ...errorPayload(exception),
      method: trace.request.method,
      route: trace.route,
      status,
    });
  }

  /** Sends an event into the request's session; false where it has none or the client refused the event. */
  report(trace: Trace, type: string, payload: object, timestamp?: number): boolean {
    const sessionId =
      this.#header(trace.request, this.#sessionHeader, maxSessionBytes) ??
      this.#ask(this.options.session, trace.request);
    if (!sessionId) return false;
    const userId =
      this.#ask(this.options.user, trace.request) ??
      this.#header(trace.request, this.#userHeader, maxUserBytes);
    const page = this.#header(trace.request, pageHeader, maxSessionBytes);
    const metadata = page ? { page_id: page } : undefined;
    return this.client.send({ sessionId, userId, type, payload, timestamp, metadata });
  }

  #finish(trace: Trace, startedAt: number, duration: number, response: ServerResponse): void {
    if (this.options.requests === false) return;
    const payload = {
      method: trace.request.method,
      // Express keeps what a guard refused on the request; the wildcard is this module's own middleware.
      route: trace.route ?? routeOf(trace.request),
      status: response.statusCode,
      duration_ms: Math.round(duration * 10) / 10,
      // The browser went away before the answer was out.
      aborted: response.writableFinished ? undefined : true,
    };
    this.report(trace, "server_request", payload, startedAt);
  }

  #header(request: GoSightRequest, name: string, maxBytes: number): string | undefined {
    const value = request.headers[name];
    return typeof value === "string" && value !== "" && Buffer.byteLength(value) <= maxBytes
      ? value
      : undefined;
  }

  /** The site's functions may fail; the request does not. */
  #ask<T>(question: ((request: GoSightRequest) => T) | undefined, request: GoSightRequest): T | undefined {
    try {
      return question?.(request);
    } catch (cause) {
      if (!this.#faulty.has(question)) {
        this.#faulty.add(question);
        process.emitWarning(`GoSight: the option ${question?.name} failed: ${cause}`, "GoSightWarning");
      }
      return undefined;
    }
  }
}

/** Express says the pattern in `route.path`, Fastify in `routeOptions.url`. */
function routeOf(request: GoSightRequest): string | undefined {
  const pattern = property(request.route, "path") ?? property(request.routeOptions, "url");
  return typeof pattern === "string" ? pattern : undefined;
}

function property(of: unknown, name: string): unknown {
  return typeof of === "object" && of !== null ? (of as Record<string, unknown>)[name] : undefined;
}
