// The page's own requests by fetch and XMLHttpRequest, but for ours.
import type { Page } from "./page.ts";
import { quietly } from "./scope.ts";
import { carry, trail } from "./trail.ts";

export interface PageRequest {
  method: string;
  url: string;
  /** Told and forgotten, as analytics do: nobody waits for its answer. */
  aside: boolean;
}

/** `begun` is called as a request goes out, what it returns as the answer is there; status 0 is a failure. */
export function tapRequests(page: Page, begun: (request: PageRequest) => (status: number) => void): void {
  const { scope, settings } = page;
  const absolute = (url: string) => new URL(url, document.baseURI).href;
  const ours = (url: string) => settings.endpoints.some((endpoint) => url.startsWith(`${endpoint}/gosight.`));

  scope.tap(window, "fetch", (_, args) => {
    const [input, init] = args;
    const request = input instanceof Request ? input : undefined;
    const options = (init ?? {}) as RequestInit;
    const url = absolute(request?.url ?? String(input));
    if (ours(url)) return;
    const done = begun({
      method: options.method ?? request?.method ?? "GET",
      url,
      aside: !!(options.keepalive ?? request?.keepalive) || (options.mode ?? request?.mode) === "no-cors",
    });
    quietly(() => carry(args, trail(page, url)));
    return (result) =>
      void (result as Promise<Response>).then(
        (answer) => done(answer.status),
        () => done(0),
      );
  });

  const opened = new WeakMap<object, PageRequest>();
  scope.tap(XMLHttpRequest.prototype, "open", (self, [method, url]) => {
    opened.set(self as object, { method: String(method), url: absolute(String(url)), aside: false });
  });
  scope.tap(XMLHttpRequest.prototype, "send", (self) => {
    const xhr = self as XMLHttpRequest;
    const request = opened.get(xhr);
    if (!request || ours(request.url)) return;
    const done = begun(request);
    quietly(() => {
      for (const [name, value] of trail(page, request.url)) xhr.setRequestHeader(name, value);
    });
    xhr.addEventListener("loadend", () => scope.open && done(xhr.status), { once: true });
  });
}
