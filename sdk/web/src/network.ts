// Timings of requests: no bodies, no headers, no query values.
import type { Page } from "./page.ts";
import { tapRequests } from "./requests.ts";

export function network(page: Page): void {
  tapRequests(page, ({ method, url }) => {
    const started = performance.now();
    return (status) => {
      const duration_ms = Math.round(performance.now() - started);
      page.emit("network", { method: method.toUpperCase(), url: page.url(url), status, duration_ms });
    };
  });
}
