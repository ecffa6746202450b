import { fromBinary } from "@bufbuild/protobuf";
import { Ingestor, type Status, StatusSchema } from "@gosight/proto";
import { Client, credentials, Metadata } from "@grpc/grpc-js";
import type { GoSightClientOptions } from "./options.ts";

const healthCheck = "/grpc.health.v1.Health/Check";
/** A HealthCheckResponse that says SERVING. */
const serving = Buffer.from([0x08, 0x01]);

const sendBatch = `/${Ingestor.typeName}/${Ingestor.method.sendBatch.name}`;

/**
 * One HTTP/2 connection to the agent, over which batches go beside each other.
 * @internal
 */
export class Transport {
  readonly #client: Client;
  readonly #metadata = new Metadata();

  constructor(
    { endpoint, key, tls, channel }: Omit<GoSightClientOptions, "endpoint"> & { endpoint: string },
    private readonly timeoutMs: number,
  ) {
    if (key) this.#metadata.set("x-gosight-key", key);
    this.#client = new Client(endpoint, credentialsOf(tls), {
      // A batch is sent again by the client, which listens to the agent's delay: not by gRPC as well.
      "grpc.enable_retries": 0,
      // An agent that comes back is found within seconds; one that vanished without a word is noticed.
      "grpc.initial_reconnect_backoff_ms": 200,
      "grpc.max_reconnect_backoff_ms": 5_000,
      "grpc.keepalive_time_ms": 20_000,
      "grpc.keepalive_timeout_ms": 5_000,
      "grpc.service_config_disable_resolution": 1,
      ...channel,
    });
  }

  /** Sends one encoded EventBatch; rejects with gRPC's ServiceError. */
  send(batch: Buffer, stop: AbortSignal): Promise<Status> {
    return new Promise((resolve, reject) => {
      const call = this.#client.makeUnaryRequest(
        sendBatch,
        (bytes: Buffer) => bytes,
        (bytes: Buffer) => fromBinary(StatusSchema, bytes),
        batch,
        this.#metadata,
        { deadline: Date.now() + this.timeoutMs },
        (error, status) => {
          stop.removeEventListener("abort", cancel);
          if (status) resolve(status);
          else reject(error ?? new Error("the agent answered nothing"));
        },
      );
      const cancel = () => call.cancel();
      stop.addEventListener("abort", cancel, { once: true });
    });
  }

  /** Resolves where the agent says within `ms` that it is well. */
  ask(ms: number): Promise<void> {
    const raw = (bytes: Buffer) => bytes;
    return new Promise((resolve, reject) => {
      const deadline = Date.now() + ms;
      this.#client.makeUnaryRequest(healthCheck, raw, raw, Buffer.alloc(0), { deadline }, (error, answer) => {
        if (answer?.equals(serving)) resolve();
        else reject(error ?? new Error("the agent is going away"));
      });
    });
  }

  close(): void {
    this.#client.close();
  }
}

function credentialsOf(tls: GoSightClientOptions["tls"]) {
  if (!tls) return credentials.createInsecure();
  const { ca, cert, key } = tls === true ? {} : tls;
  return credentials.createSsl(pem(ca), pem(key), pem(cert));
}

function pem(value: string | Buffer | undefined): Buffer | null {
  return value === undefined ? null : Buffer.from(value);
}
