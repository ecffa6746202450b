// dist/vitals.js: web vitals for pages that took dist/gosight.js.
import type { ChunkHost } from "./chunks.ts";
import { measure } from "./vitals-chunk.ts";

(window as ChunkHost).__gosightChunk?.vitals?.({ measure });
