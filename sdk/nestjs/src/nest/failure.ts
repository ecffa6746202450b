// What a request failed with, as the payload of an `error` event.
const maxMessage = 1_000;
const maxStack = 8_000;

/** The status that an exception makes Nest answer with. */
export function statusOf(exception: unknown): number {
  if (typeof exception !== "object" || exception === null) return 500;
  if ("getStatus" in exception && typeof exception.getStatus === "function") {
    return Number(exception.getStatus());
  }
  // Fastify's errors and those of the http-errors package.
  return "statusCode" in exception && typeof exception.statusCode === "number" ? exception.statusCode : 500;
}

export interface ErrorPayload {
  source: "server";
  name: string;
  message: string;
  stack: string;
}

export function errorPayload(exception: unknown): ErrorPayload {
  const error = exception instanceof Error ? exception : undefined;
  return {
    source: "server",
    name: error?.name ?? typeof exception,
    message: (error?.message ?? text(exception)).slice(0, maxMessage),
    stack: (error?.stack ?? "").slice(0, maxStack),
  };
}

/** Anything can be thrown, even what has no text. */
function text(thrown: unknown): string {
  try {
    return typeof thrown === "object" ? (JSON.stringify(thrown) ?? "") : String(thrown);
  } catch {
    return "unprintable";
  }
}
