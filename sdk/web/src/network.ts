// Timings of fetch and XMLHttpRequest: no bodies, no headers, no query values.
import type { Page } from "./page.ts";

export function network(page: Page): void {
  const ours = (url: string) =>
    page.settings.endpoints.some((endpoint) => url.startsWith(`${endpoint}/gosight.`));
  const absolute = (url: string) => new URL(url, document.baseURI).href;
  const tell = (method: string, url: string, status: number, started: number) => {
    const duration_ms = Math.round(performance.now() - started);
    page.emit("network", { method: method.toUpperCase(), url: page.url(url), status, duration_ms });
  };
  page.scope.tap(window, "fetch", (_, [input, init]) => {
    const request = input instanceof Request ? input : undefined;
    const url = absolute(request?.url ?? String(input));
    if (ours(url)) return;
    const method = (init as RequestInit | undefined)?.method ?? request?.method ?? "GET";
    const started = performance.now();
    return (result) =>
      void (result as Promise<Response>).then(
        (answer) => tell(method, url, answer.status, started),
        () => tell(method, url, 0, started),
      );
  });
  const opened = new WeakMap<object, [method: string, url: string]>();
  page.scope.tap(XMLHttpRequest.prototype, "open", (self, [method, url]) => {
    opened.set(self as XMLHttpRequest, [String(method), absolute(String(url))]);
  });
  page.scope.tap(XMLHttpRequest.prototype, "send", (self) => {
    const request = self as XMLHttpRequest;
    const [method, url] = opened.get(request) ?? [];
    if (!method || !url || ours(url)) return;
    const started = performance.now();
    request.addEventListener("loadend", () => page.scope.open && tell(method, url, request.status, started), {
      once: true,
    });
  });
}
