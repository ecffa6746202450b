// dist/nearest.js: the choice among several agents for pages that took dist/gosight.js.
import type { ChunkHost } from "./chunks.ts";
import { nearest } from "./nearest.ts";

(window as ChunkHost).__gosightChunk?.nearest?.({ nearest });
