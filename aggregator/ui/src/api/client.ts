import createClient from "openapi-fetch";
import type { components, operations, paths } from "./schema";

export type Session = components["schemas"]["Session"];
export type Signal = components["schemas"]["Signal"];
export type SessionEvent = components["schemas"]["Event"];
export type PageVisit = components["schemas"]["PageVisit"];
export type Facets = components["schemas"]["Facets"];
export type Insights = components["schemas"]["Insights"];
export type KindSeries = components["schemas"]["KindSeries"];
export type Heatmap = components["schemas"]["Heatmap"];
export type PathLink = components["schemas"]["PathLink"];
export type Cohort = components["schemas"]["Cohort"];
export type Member = components["schemas"]["Member"];
export type AgentFlow = components["schemas"]["AgentFlow"];
export type TableSize = components["schemas"]["TableSize"];
export type Annotation = components["schemas"]["Annotation"];
export type Segment = components["schemas"]["Segment"];
export type Project = components["schemas"]["Project"];
export type Key = components["schemas"]["Key"];
export type Token = components["schemas"]["Token"];
export type Erasure = components["schemas"]["Erasure"];
export type AuditEntry = components["schemas"]["AuditEntry"];
export type Rules = components["schemas"]["Rules"];
export type FunnelLevel = components["schemas"]["FunnelLevel"];
export type SessionsQuery = NonNullable<operations["list-sessions"]["parameters"]["query"]>;

/** An answer that was not data: status 0 means that nobody answered. */
export class ApiError extends Error {
  override name = "ApiError";
  constructor(
    readonly status: number,
    detail: string,
  ) {
    super(detail);
  }
}

export const client = createClient<paths>({ baseUrl: location.origin });

interface Answer<T> {
  data?: T;
  error?: { detail?: string; title?: string; errors?: { location?: string; message?: string }[] };
  response: Response;
}

/** Waits for a change to be made; an answer without a body is its success. */
export async function done(request: Promise<Answer<unknown>>): Promise<void> {
  await unwrap(request.then((answer) => ({ ...answer, data: answer.response.ok ? true : undefined })));
}

/** Waits for an answer and returns its data; everything else is an ApiError. */
export async function unwrap<T>(request: Promise<Answer<T>>): Promise<T> {
  let answer: Answer<T>;
  try {
    answer = await request;
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === "AbortError") throw cause;
    throw new ApiError(0, cause instanceof Error ? cause.message : String(cause));
  }
  if (answer.data === undefined) {
    const { status, statusText } = answer.response;
    const { detail, title, errors } = answer.error ?? {};
    const faults = (errors ?? []).map(({ location, message }) => `${location}: ${message}`);
    throw new ApiError(status, [detail ?? title ?? `${status} ${statusText}`, ...faults].join("; "));
  }
  return answer.data;
}
