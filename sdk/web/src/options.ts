import type { Chunks } from "./chunks.ts";

export type ConsoleLevel = "error" | "warn" | "info" | "log" | "debug";

/** How `start` is told what to do. Only `key` is needed where the agent asks for one. */
export interface Options {
  /** The project's write key. */
  key?: string;
  /** The agent's address, such as "https://edge.example.com"; of several, the one that answers first is used. */
  endpoint?: string | string[];
  /** Record the DOM for replay. Default true. */
  replay?: boolean | ReplayOptions;
  /** Shares of sessions to take, 0 to 1. Default 1 each; `replay` is a share of the sessions taken. */
  sampling?: { sessions?: number; replay?: number };
  /** "implied" records at once; "required" does nothing until `optIn()`. Default "implied". */
  consent?: "implied" | "required";
  /** Honour Do Not Track and Global Privacy Control: with either on, nothing is recorded or sent. Default true. */
  honourPrivacySignals?: boolean;
  /** Mask every text of the page, not only what is inside `data-gosight-mask`. Default false. */
  maskAllText?: boolean;
  /** More elements to mask, as a CSS selector. */
  maskSelector?: string;
  /** More elements to cut out of the replay, as a CSS selector; `data-gosight-block` always is. */
  blockSelector?: string;
  /** Query parameters that may stay in URLs. Default: utm_*, ref, page, tab, sort. */
  queryAllow?: RegExp;
  /** A last say about each URL before it is recorded. */
  cleanUrl?: (url: string) => string;
  /** Share the session among subdomains through a cookie on this domain, such as ".example.com". */
  cookieDomain?: string;
  /** Console levels to record. Default error and warn; empty for none. */
  console?: ConsoleLevel[];
  /** Record timings of fetch and XMLHttpRequest. Default true. */
  network?: boolean;
  /**
   * Other origins, such as "https://api.example.com", whose requests carry the session and page too. The page's own
   * origin always does; an origin named here must allow the headers `x-gosight-session` and `x-gosight-page`.
   */
  traceOrigins?: string[];
  /** Record uncaught errors and unhandled rejections. Default true. */
  errors?: boolean;
  /** Record web vitals. Default true. */
  vitals?: boolean;
}

export interface ReplayOptions {
  /** Record canvas drawings, which costs. Default false. */
  canvas?: boolean;
  /** Pages with more elements than this are not recorded, since the snapshot would freeze them. Default 100,000. */
  maxNodes?: number;
  /** Copy style sheets into the snapshot. Default true. */
  inlineStyles?: boolean;
}

export interface Settings extends Options {
  key: string;
  endpoints: string[];
  replay: Required<ReplayOptions> | false;
  sampling: { sessions: number; replay: number };
  console: ConsoleLevel[];
  queryAllow: RegExp;
  chunks: Chunks;
}

export function settle(options: Options, chunks: Chunks): Settings {
  const { replay = true, endpoint = location.origin } = options;
  return {
    ...options,
    key: options.key ?? "",
    endpoints: (Array.isArray(endpoint) ? endpoint : [endpoint]).map((url) => url.replace(/\/+$/, "")),
    replay: replay && {
      canvas: false,
      maxNodes: 100_000,
      inlineStyles: true,
      ...(replay === true ? {} : replay),
    },
    sampling: { sessions: 1, replay: 1, ...options.sampling },
    console: options.console ?? ["error", "warn"],
    queryAllow: options.queryAllow ?? /^(utm_\w+|ref|page|tab|sort)$/,
    chunks,
  };
}
