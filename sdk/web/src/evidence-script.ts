// dist/evidence.js: click outcomes for pages that took dist/gosight.js.
import type { ChunkHost } from "./chunks.ts";
import { outcomes } from "./outcomes.ts";

(window as ChunkHost).__gosightChunk?.evidence?.({ outcomes });
