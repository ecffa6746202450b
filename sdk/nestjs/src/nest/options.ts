import type { IncomingHttpHeaders } from "node:http";
import type { GoSightClientOptions } from "../options.ts";

/**
 * The request as the adapter knows it: Express's or Fastify's; Node's own where Fastify found no route or a guard
 * refused it.
 */
export interface GoSightRequest {
  readonly headers: IncomingHttpHeaders;
  readonly method?: string;
  readonly url?: string;
  readonly [property: string]: unknown;
}

/** What `GoSightModule.forRoot` takes: the client's options and what to record of requests. */
export interface GoSightModuleOptions extends GoSightClientOptions {
  /** Send a `server_request` event for each request of a session. On by default. */
  requests?: boolean;
  /** Send an `error` event for what requests of a session fail with. On by default. */
  errors?: boolean;
  /** Where the web SDK says the session and the user. */
  sessionHeader?: string;
  userHeader?: string;
  /** The session of a request without the header; undefined (the default) leaves such a request alone. */
  session?: (request: GoSightRequest) => string | undefined;
  /** Who asks, where the site knows better than the header. */
  user?: (request: GoSightRequest) => string | undefined;
  /** Requests to leave alone, such as health checks. Called as the request comes in. */
  ignore?: (request: GoSightRequest) => boolean;
  /** Which failures are errors: by default those that answer 500 and above, not a 404 or a refused login. */
  isError?: (exception: unknown, status: number) => boolean;
}
