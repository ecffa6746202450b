import type { Locale } from "../i18n";

/** 1:05, or 1:02:05 from an hour on. */
export function clock(ms: number): string {
  const total = Math.max(0, Math.floor(ms / 1000));
  const pad = (n: number) => String(n).padStart(2, "0");
  const [h, m, s] = [Math.floor(total / 3600), Math.floor(total / 60) % 60, total % 60];
  return h > 0 ? `${h}:${pad(m)}:${pad(s)}` : `${m}:${pad(s)}`;
}

/** 480 ms, 1.4 s, 12 s, 3 min. */
export function span(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 10_000) return `${(ms / 1000).toFixed(1)} s`;
  if (ms < 120_000) return `${Math.round(ms / 1000)} s`;
  return `${Math.round(ms / 60_000)} min`;
}

const units: [Intl.RelativeTimeFormatUnit, number][] = [
  ["day", 86_400_000],
  ["hour", 3_600_000],
  ["minute", 60_000],
  ["second", 1000],
];

/** "3 minutes ago" in the reader's language. */
export function ago(ts: number, now: number, locale: Locale): string {
  const past = Math.max(0, now - ts);
  const format = new Intl.RelativeTimeFormat(locale, { numeric: "auto", style: "short" });
  for (const [unit, size] of units) if (past >= size) return format.format(-Math.floor(past / size), unit);
  return format.format(0, "second");
}

export const dateTime = (ts: number, locale: Locale): string =>
  new Date(ts).toLocaleString(locale, { dateStyle: "medium", timeStyle: "medium" });

/** The part of an address that tells pages of one site apart; the whole where it is no address. */
export function path(url: string): string {
  try {
    const { pathname, search, hash } = new URL(url);
    return `${pathname}${search}${hash}` || "/";
  } catch {
    return url;
  }
}

/** A country's name in the reader's language. */
export function country(code: string, locale: Locale): string {
  if (!/^[A-Z]{2}$/.test(code)) return code;
  return new Intl.DisplayNames(locale, { type: "region" }).of(code) ?? code;
}

/** The visitor as a short name: the site's own, or the session's first characters. */
export const shortId = (id: string): string => id.replace(/^visit-/, "").slice(0, 8);

/** A hue that is always the same for the same text. */
export function hue(text: string): number {
  let hash = 0;
  for (const char of text) hash = (hash * 31 + (char.codePointAt(0) ?? 0)) % 360;
  return hash;
}

/** A count in little room: 1.2K. */
export const compactCount = (n: number, locale: Locale): string =>
  new Intl.NumberFormat(locale, { notation: "compact", maximumFractionDigits: 1 }).format(n);

/** Two characters for an avatar. */
export const initials = (name: string): string =>
  name
    .replace(/[^\p{L}\p{N}]/gu, "")
    .slice(0, 2)
    .toUpperCase();

/** Bytes in the unit that makes them short. */
export function bytes(n: number, locale: Locale): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const at = n < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(n) / 3));
  return `${(n / 1000 ** at).toLocaleString(locale, { maximumFractionDigits: 1 })} ${units[at]}`;
}
