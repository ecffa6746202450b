// dist/recorder.js: the recorder for pages that took dist/gosight.js.
import type { ChunkHost } from "./chunks.ts";
import { ReplayColumns, record } from "./recorder.ts";

(window as ChunkHost).__gosightChunk?.recorder?.({ record, ReplayColumns });
