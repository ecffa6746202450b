import { fromBinary } from "@bufbuild/protobuf";
import { BinaryReader } from "@bufbuild/protobuf/wire";
import { AnySchema, type Duration, DurationSchema } from "@bufbuild/protobuf/wkt";
import { type ServiceError, status } from "@grpc/grpc-js";

/** These say that the same batch will never be taken; everything else may pass. */
const permanent = new Set<number>([
  status.INVALID_ARGUMENT,
  status.NOT_FOUND,
  status.PERMISSION_DENIED,
  status.FAILED_PRECONDITION,
  status.OUT_OF_RANGE,
  status.UNIMPLEMENTED,
  status.UNAUTHENTICATED,
]);

/** What a failed attempt means. */
export interface Failure {
  /** The gRPC status in lower case. */
  reason: string;
  permanent: boolean;
  /** How long the agent asks to wait; 0 if it does not say. */
  delayMs: number;
  error: Error;
}

/** Reads what `Transport.send` rejected with. */
export function failureOf(cause: unknown): Failure {
  const error = cause instanceof Error ? cause : new Error(String(cause));
  if (!isServiceError(error)) return { reason: "unknown", permanent: false, delayMs: 0, error };
  const details = error.metadata?.get("grpc-status-details-bin")[0];
  return {
    reason: (status[error.code] ?? "unknown").toLowerCase(),
    permanent: permanent.has(error.code),
    delayMs: Buffer.isBuffer(details) ? retryInfoMs(details) : 0,
    error,
  };
}

function isServiceError(error: Error): error is ServiceError {
  return "code" in error && typeof error.code === "number";
}

/**
 * The RetryInfo among the details of a google.rpc.Status, in milliseconds; 0 where there is none or it can't be
 * read: a proxy's odd trailer must not keep a batch from being sent again.
 */
export function retryInfoMs(rpcStatus: Uint8Array): number {
  try {
    for (const detail of fieldsOf(rpcStatus, 3)) {
      const any = fromBinary(AnySchema, detail);
      if (!any.typeUrl.endsWith("/google.rpc.RetryInfo")) continue;
      for (const delay of fieldsOf(any.value, 1)) return durationMs(fromBinary(DurationSchema, delay));
    }
  } catch {
    // Not a google.rpc.Status.
  }
  return 0;
}

/** The values of a field that holds bytes or messages. */
function fieldsOf(message: Uint8Array, field: number): Uint8Array[] {
  const found: Uint8Array[] = [];
  const reader = new BinaryReader(message);
  while (reader.pos < reader.len) {
    const [number, type] = reader.tag();
    if (number === field && type === 2) found.push(reader.bytes());
    else reader.skip(type, number);
  }
  return found;
}

export function durationMs(duration: Duration | undefined): number {
  return duration ? Math.max(0, Number(duration.seconds) * 1000 + duration.nanos / 1e6) : 0;
}

/**
 * The wait before attempt number `attempt` + 1: the agent's word and up to a quarter more, or doubling from `min` to
 * `max` with half of it left to chance, so that many clients do not come back at the same moment.
 */
export function backoffMs(
  attempt: number,
  asked: number,
  limits: { minBackoffMs: number; maxBackoffMs: number },
  random = Math.random(),
): number {
  if (asked > 0) return asked * (1 + random / 4);
  const full = Math.min(limits.maxBackoffMs, limits.minBackoffMs * 2 ** Math.min(attempt, 30));
  return full * (0.5 + random / 2);
}
