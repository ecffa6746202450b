import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts", "e2e/**/*.test.ts"],
    testTimeout: 20_000,
    hookTimeout: 30_000,
    // The machine that builds this has two cores, and each browser wants one.
    fileParallelism: false,
    maxConcurrency: 10,
  },
});
