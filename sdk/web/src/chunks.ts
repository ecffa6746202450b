// What is loaded beside the core, from where the core came from: the evidence for clicks at once, the rest when
// the page has come to rest.
import type { NearestModule } from "./nearest.ts";
import type { EvidenceModule } from "./outcomes.ts";
import type { RecorderModule } from "./recorder.ts";
import type { VitalsModule } from "./vitals-chunk.ts";

export interface Chunks {
  evidence(): Promise<EvidenceModule>;
  nearest(): Promise<NearestModule>;
  recorder(): Promise<RecorderModule>;
  vitals(): Promise<VitalsModule>;
}

/** How a chunk that came by a script tag hands itself over. */
export type ChunkHost = {
  __gosightChunk?: { [K in keyof Chunks]?: (module: Awaited<ReturnType<Chunks[K]>>) => void };
};

/** Calls `fn` when the document is there and the browser has nothing better to do. */
export function whenIdle(fn: () => void): void {
  const idle = () => {
    if (typeof requestIdleCallback === "function") requestIdleCallback(fn, { timeout: 2_000 });
    else setTimeout(fn, 200);
  };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", idle, { once: true });
  else idle();
}
