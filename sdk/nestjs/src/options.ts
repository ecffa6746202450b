/** How a client reaches its agent and what it may cost the process. */
export interface GoSightClientOptions {
  /**
   * The agent's gRPC address: `host:port`, or any target gRPC resolves, such as `dns:///agents.internal:7710`. Of several
   * the nearest takes everything; it is left within a second when it does not answer, and used again when it is well.
   */
  endpoint: string | [string, ...string[]];
  /** The project's write key. An agent on loopback may do without. */
  key?: string;
  /** TLS to the agent: `true` trusts the system's authorities. Off by default, as the agent is mostly a neighbour. */
  tls?: boolean | GoSightTls;
  /** Said with every event, such as `{ service: "shop-api", release: "1.4.2" }`. */
  metadata?: Record<string, string>;
  /** Events held at most, those under way included; more are refused (`send` answers false). */
  maxBufferEvents?: number;
  /** Encoded bytes held at most, those under way included. */
  maxBufferBytes?: number;
  /** A batch is sent when it has this many events or bytes, or is this old. */
  batchEvents?: number;
  batchBytes?: number;
  lingerMs?: number;
  /** Batches under way at a time: more hide a long way to the agent, fewer keep the order of arrival. */
  inFlight?: number;
  /** How long one attempt may take. */
  timeoutMs?: number;
  /** Waits between attempts grow from the first to the second; the agent's own word on it goes before. */
  minBackoffMs?: number;
  maxBackoffMs?: number;
  /** How long `close` goes on trying before it gives up what is left. */
  closeTimeoutMs?: number;
  /** Told of everything that does not arrive, and of retries. The default is one process warning a minute and kind. */
  onProblem?: (problem: GoSightProblem) => void;
  /** Options for the gRPC channel, such as `grpc.keepalive_time_ms`. */
  channel?: Record<string, string | number>;
}

/** PEM texts: the authority to trust, and the client's own certificate where the agent asks for one. */
export interface GoSightTls {
  ca?: string | Buffer;
  cert?: string | Buffer;
  key?: string | Buffer;
}

/** Something went wrong with `events` events: they are lost (`dropped`), or will be sent again (`retry`). */
export interface GoSightProblem {
  kind: "dropped" | "retry";
  /**
   * `buffer_full`, `closed`, `close_timeout`, `invalid_payload`, `event_too_large`, a gRPC status in lower case such
   * as `unavailable`, or the agent's reason for refusing an event, such as `missing_session_id`.
   */
  reason: string;
  events: number;
  /** The wait before the next attempt. */
  delayMs?: number;
  error?: Error;
}

/** One thing that happened. */
export interface GoSightEvent {
  /** The visit it belongs to: what the browser sent as `x-gosight-session`, at most 128 bytes. */
  sessionId: string;
  /** Such as `custom`, `error`, `server_request`: at most 64 bytes. */
  type: string;
  /** Serialised as JSON, at most 64 KiB. */
  payload?: object;
  userId?: string;
  /** Unix milliseconds; now, if left out. */
  timestamp?: number;
  /** What makes the event count once however often it is sent. Made up if left out. */
  id?: string;
  metadata?: Record<string, string>;
}

/** What became of the events so far. `accepted` are on the agent's disk. */
export interface GoSightStats {
  buffered: number;
  bufferedBytes: number;
  accepted: number;
  retries: number;
  /** Events lost, by reason. */
  dropped: Record<string, number>;
}

/** The agent refuses larger payloads. */
export const maxPayloadBytes = 64 * 1024;
/** An encoded event with its metadata; the agent's limits are well below. */
export const maxEventBytes = 2 * maxPayloadBytes;

const defaults = {
  // A few seconds of a busy service, and what an agent's restart takes.
  maxBufferEvents: 10_000,
  maxBufferBytes: 16 * 1024 * 1024,
  batchEvents: 500,
  batchBytes: 256 * 1024,
  lingerMs: 200,
  inFlight: 4,
  timeoutMs: 10_000,
  minBackoffMs: 200,
  maxBackoffMs: 10_000,
  closeTimeoutMs: 5_000,
};

export type Limits = typeof defaults;

/** The options' numbers with the defaults filled in; throws a RangeError where one makes no sense. */
export function limitsOf(options: GoSightClientOptions): Limits {
  const limits = { ...defaults };
  for (const name of Object.keys(defaults) as (keyof Limits)[]) {
    const value = options[name] ?? defaults[name];
    const least = name === "closeTimeoutMs" || name === "lingerMs" ? 0 : 1;
    if (!Number.isFinite(value) || value < least) throw new RangeError(`${name} must be at least ${least}`);
    limits[name] = value;
  }
  if (limits.maxBufferBytes < maxEventBytes) {
    throw new RangeError(`maxBufferBytes must be at least ${maxEventBytes}: one event may be that large`);
  }
  return limits;
}
