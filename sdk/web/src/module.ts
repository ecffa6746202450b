// What a bundler gets: what the core loads later are chunks of their own.
import type { Chunks } from "./chunks.ts";
import { Client, type GoSight } from "./client.ts";
import { type Options, settle } from "./options.ts";
import type { Feature } from "./page.ts";
import { essentials, start as startAll } from "./start.ts";

const chunks: Chunks = {
  evidence: () => import("./outcomes.ts"),
  nearest: () => import("./nearest.ts"),
  recorder: () => import("./recorder.ts"),
  vitals: () => import("./vitals-chunk.ts"),
};

/** Starts with every feature that `options` leaves on. */
export const start = (options: Options = {}): GoSight => startAll(options, chunks);

/** Starts with the essentials and the features given, and nothing else in the bundle. */
export const startWith = (options: Options, features: Feature[]): GoSight =>
  new Client(settle(options, chunks), [...essentials, ...features]);
