import { defineConfig } from "vitest/config";

export default defineConfig({
  // One file after the other: each starts the whole system.
  test: {
    include: ["*.test.ts"],
    fileParallelism: false,
    maxConcurrency: 8, // pages of the corpus
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
