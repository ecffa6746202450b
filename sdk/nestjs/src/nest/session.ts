import { errorPayload } from "./failure.ts";
import type { Requests } from "./requests.ts";

/** The browser session of the request that is being handled; every method answers false outside of one. */
export class GoSightSession {
  constructor(private readonly requests: Requests) {}

  /** Takes a custom event: something the business has a name for. */
  track(name: string, props: object = {}): boolean {
    return this.#report("custom", { name, props });
  }

  /** Takes an error that the request survived. */
  error(exception: unknown): boolean {
    return this.#report("error", errorPayload(exception));
  }

  #report(type: string, payload: object): boolean {
    const trace = this.requests.current;
    return trace !== undefined && this.requests.report(trace, type, payload);
  }
}
