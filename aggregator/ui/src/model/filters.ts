import type { SessionsQuery } from "../api/client";

export const ranges = ["1h", "24h", "7d", "30d", "all"] as const;
export type Range = (typeof ranges)[number];

const hour = 3_600_000;
const spans: Record<Range, number> = {
  "1h": hour,
  "24h": 24 * hour,
  "7d": 168 * hour,
  "30d": 720 * hour,
  all: 0,
};

/** What the address of the sessions page says. */
export interface SessionSearch {
  range?: Range;
  page?: string;
  user?: string;
  event?: string;
  prop?: string[];
  error?: string;
  release?: string;
  kind?: string[];
  country?: string[];
  browser?: string[];
  device?: string[];
  min?: number;
  errors?: boolean;
  live?: boolean;
}

type Raw = Record<string, unknown>;

const text = (value: unknown): string | undefined =>
  typeof value === "string" && value.trim() !== "" ? value.slice(0, 512) : undefined;

const texts = (value: unknown): string[] | undefined => {
  const list = (Array.isArray(value) ? value : [value]).map(text).filter((v) => v !== undefined);
  return list.length > 0 ? [...new Set(list)] : undefined;
};

const flag = (value: unknown): boolean | undefined => (value === "true" || value === true ? true : undefined);

const count = (value: unknown): number | undefined => {
  const n = Number(value);
  return Number.isFinite(n) && n > 0 ? Math.floor(n) : undefined;
};

export const parseRange = (value: unknown): Range | undefined => ranges.find((range) => range === value);

/** Leaves out keys without a value, so that addresses stay short and compare equal. */
function compact<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, v]) => v !== undefined)) as T;
}

/** Reads filters from an address; what makes no sense is dropped. */
export function parseSessionSearch(raw: Raw): SessionSearch {
  return compact({
    range: parseRange(raw.range),
    page: text(raw.page),
    user: text(raw.user),
    event: text(raw.event),
    prop: texts(raw.prop),
    error: text(raw.error),
    release: text(raw.release),
    kind: texts(raw.kind),
    country: texts(raw.country),
    browser: texts(raw.browser),
    device: texts(raw.device),
    min: count(raw.min),
    errors: flag(raw.errors),
    live: flag(raw.live),
  });
}

/** Since when a range counts, by a clock of whole minutes so that queries can be shared; undefined: since ever. */
export function rangeStart(range: Range, now: number): number | undefined {
  const minute = 60_000;
  return range === "all" ? undefined : Math.floor(now / minute) * minute - spans[range];
}

/** The API's parameters for these filters. */
export function toSessionsQuery(search: SessionSearch, now: number): SessionsQuery {
  return compact({
    from: rangeStart(search.range ?? "7d", now),
    page: search.page,
    user: search.user,
    event: search.event,
    prop: search.event ? search.prop : undefined,
    error: search.error,
    release: search.release,
    kind: search.kind,
    country: search.country,
    browser: search.browser,
    device: search.device,
    min_duration_ms: search.min === undefined ? undefined : search.min * 1000,
    errors: search.errors,
    live: search.live,
  });
}

/** How many filters beside the period are set. */
export function activeFilters(search: SessionSearch): number {
  const { range: _, ...rest } = search;
  return Object.values(rest).reduce<number>(
    (n, v) => n + (Array.isArray(v) ? v.length : v === undefined ? 0 : 1),
    0,
  );
}

/** Adds a value to a list, or takes it out; an empty list is none. */
export function toggle(list: string[] | undefined, value: string): string[] | undefined {
  const next = list?.includes(value) ? list.filter((v) => v !== value) : [...(list ?? []), value];
  return next.length > 0 ? next : undefined;
}

/** Addresses as people write them: a=1&kind=x&kind=y, without JSON. */
export function parseSearch(search: string): Raw {
  const out: Raw = {};
  for (const [key, value] of new URLSearchParams(search)) {
    const before = out[key];
    out[key] = before === undefined ? value : Array.isArray(before) ? [...before, value] : [before, value];
  }
  return out;
}

export function stringifySearch(search: Raw): string {
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries(search)) {
    for (const item of Array.isArray(value) ? value : [value]) {
      if (item !== undefined && item !== null && item !== "") params.append(key, String(item));
    }
  }
  const out = params.toString();
  return out ? `?${out}` : "";
}
