// What may leave the page of URLs and texts.
import type { Settings } from "./options.ts";

const TEXT_LIMIT = 64;

export const cut = (text: string, limit = TEXT_LIMIT): string =>
  text.length > limit ? `${text.slice(0, limit - 1)}…` : text;

/** Masking keeps the shape of a text and nothing of its content. */
export const mask = (text: string): string => text.replace(/\S/g, "*");

/** Keeps scheme, host, path and a fragment that is a route; of the query, names, and values of those allowed. */
export function cleanUrl(url: string, settings: Pick<Settings, "queryAllow" | "cleanUrl">): string {
  if (!url) return "";
  let clean = url;
  try {
    const parsed = new URL(url, location.href);
    if (!/^https?:$/.test(parsed.protocol)) return parsed.protocol;
    parsed.username = parsed.password = "";
    const kept: string[] = [];
    parsed.searchParams.forEach((value, name) => {
      kept.push(settings.queryAllow.test(name) ? `${name}=${encodeURIComponent(value)}` : name);
    });
    // A fragment such as #access_token=… is a query by other means.
    const fragment = /[=&]/.test(parsed.hash) ? parsed.hash.replace(/=[^&/]*/g, "") : parsed.hash;
    clean = parsed.origin + parsed.pathname + (kept.length ? `?${kept.join("&")}` : "") + fragment;
  } catch {
    clean = url.replace(/[?#].*/, "");
  }
  return cut(settings.cleanUrl ? settings.cleanUrl(clean) : clean, 1024);
}
