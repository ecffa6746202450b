// An agent as the contract describes it, without a disk: a real gRPC server that remembers what it accepted.
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { AnySchema, anyPack, DurationSchema, TimestampSchema, timestampNow } from "@bufbuild/protobuf/wkt";
import { type Event, type EventBatch, EventBatchSchema, type Status, StatusSchema } from "@gosight/proto";
import { Metadata, Server, ServerCredentials, type ServiceDefinition, type status } from "@grpc/grpc-js";

export interface Received {
  key: string | undefined;
  batch: EventBatch;
}

export type Answer =
  | Partial<Pick<Status, "accepted" | "rejected" | "reasons" | "retryDelay">>
  | { refuse: Metadata; code: status };

const raw = (bytes: Buffer) => bytes;
const service: ServiceDefinition = {
  check: {
    path: "/grpc.health.v1.Health/Check",
    requestStream: false,
    responseStream: false,
    requestSerialize: raw,
    requestDeserialize: raw,
    responseSerialize: raw,
    responseDeserialize: raw,
  },
  sendBatch: {
    path: "/gosight.Ingestor/SendBatch",
    requestStream: false,
    responseStream: false,
    requestSerialize: (batch: EventBatch) => Buffer.from(toBinary(EventBatchSchema, batch)),
    requestDeserialize: (bytes: Buffer) => fromBinary(EventBatchSchema, bytes),
    responseSerialize: (answer: Status) => Buffer.from(toBinary(StatusSchema, answer)),
    responseDeserialize: (bytes: Buffer) => fromBinary(StatusSchema, bytes),
  },
};

export class FakeAgent {
  /** Every attempt, refused ones too. */
  readonly attempts: Received[] = [];
  /** What was answered with success. */
  readonly stored: Event[] = [];
  address = "";
  /** How far away it is, and whether it is cut off: then it answers nothing. */
  awayMs = 0;
  cut = false;
  #server: Server | undefined;
  #watchers: (() => void)[] = [];
  /** What the next attempts get; success where there is none left. */
  answers: ((batch: EventBatch) => Answer | Promise<Answer>)[] = [];

  async start(port = 0): Promise<this> {
    const server = new Server();
    server.addService(service, {
      check: (_: unknown, done: (error: null, answer: Buffer) => void) => {
        if (!this.cut) setTimeout(done, this.awayMs, null, Buffer.from([0x08, 0x01]));
      },
      sendBatch: (
        call: { request: EventBatch; metadata: Metadata },
        done: (error: { code: status; details: string; metadata: Metadata } | null, answer?: Status) => void,
      ) => {
        if (this.cut) return;
        void this.#take(call.request, call.metadata).then((answer) => {
          if ("refuse" in answer) done({ code: answer.code, details: "no", metadata: answer.refuse });
          else done(null, create(StatusSchema, answer));
        });
      },
    });
    const bound = await new Promise<number>((resolve, reject) => {
      server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error, at) =>
        error ? reject(error) : resolve(at),
      );
    });
    this.#server = server;
    this.address = `127.0.0.1:${bound}`;
    return this;
  }

  get port(): number {
    return Number(this.address.split(":")[1]);
  }

  /** Gone at once, connections too. */
  stop(): void {
    this.#server?.forceShutdown();
    this.#server = undefined;
  }

  /** Resolves when `done` holds; it is asked after every attempt. */
  async until(done: () => boolean): Promise<void> {
    while (!done()) await new Promise<void>((resolve) => this.#watchers.push(resolve));
  }

  of(sessionId: string): { type: string; userId: string; payload: Record<string, unknown>; event: Event }[] {
    return this.stored
      .filter((event) => event.sessionId === sessionId)
      .map((event) => ({
        type: event.eventType,
        userId: event.userId,
        payload: JSON.parse(event.payload),
        event,
      }));
  }

  async #take(batch: EventBatch, metadata: Metadata): Promise<Answer> {
    this.attempts.push({ key: metadata.get("x-gosight-key")[0]?.toString(), batch });
    const answer = (await this.answers.shift()?.(batch)) ?? { accepted: BigInt(batch.events.length) };
    if (!("refuse" in answer)) this.stored.push(...batch.events);
    const watchers = this.#watchers;
    this.#watchers = [];
    // After this turn, when the answer is on its way.
    setImmediate(() => {
      for (const wake of watchers) wake();
    });
    return answer;
  }
}

/** A refusal as grpc-go writes it: google.rpc.Status in a trailer, with RetryInfo after some other detail. */
export function refusal(code: status, delayMs?: number): Answer {
  const refuse = new Metadata();
  if (delayMs !== undefined) refuse.set("grpc-status-details-bin", Buffer.from(retryStatus(code, delayMs)));
  return { refuse, code };
}

export function retryStatus(code: status, delayMs: number): Uint8Array {
  const delay = create(DurationSchema, {
    seconds: BigInt(Math.floor(delayMs / 1000)),
    nanos: (delayMs % 1000) * 1_000_000,
  });
  const retryInfo = new BinaryWriter()
    .tag(1, WireType.LengthDelimited)
    .bytes(toBinary(DurationSchema, delay))
    .finish();
  const details = [
    anyPack(TimestampSchema, timestampNow()),
    create(AnySchema, { typeUrl: "type.googleapis.com/google.rpc.RetryInfo", value: retryInfo }),
  ];
  const writer = new BinaryWriter().tag(1, WireType.Varint).int32(code);
  writer.tag(2, WireType.LengthDelimited).string("full");
  for (const detail of details) writer.tag(3, WireType.LengthDelimited).bytes(toBinary(AnySchema, detail));
  return writer.finish();
}
