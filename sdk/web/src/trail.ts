// The trail to the server: which visit and page a request belongs to, said to the page's own origin and to those that
// the site names, and to no other: a header would make the browser ask them first.
import type { Page } from "./page.ts";

type Said = [name: string, value: string][];

/** What to say to `url`, if anything. */
export function trail(page: Page, url: string): Said {
  const { origin, protocol } = new URL(url);
  const known = origin === location.origin || page.settings.traceOrigins?.includes(origin);
  const session = page.sessions.at(Date.now(), false);
  if (!known || !protocol.startsWith("http") || !session?.sampled) return [];
  return [
    ["X-GoSight-Session", session.id],
    ["X-GoSight-Page", page.pageId],
  ];
}

/** Puts `headers` into the arguments of a `fetch`. What the page holds in its hands stays as it is. */
export function carry(args: unknown[], headers: Said): void {
  const [input, init] = args as [RequestInfo | URL, RequestInit | undefined];
  if (!headers.length) return;
  const add = (to: Headers): Headers => {
    for (const [name, value] of headers) to.set(name, value);
    return to;
  };
  if (input instanceof Request && !init?.headers) {
    // As fetch itself does: a copy of the request, which takes its body over.
    const copy = new Request(input);
    add(copy.headers);
    args[0] = copy;
  } else if (!init || Object.getPrototypeOf(init) === Object.prototype) {
    // Other objects may have getters, which a copy would not have.
    args[1] = { ...init, headers: add(new Headers(init?.headers)) };
  }
}
