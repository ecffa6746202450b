import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts", "e2e/**/*.test.ts"],
    testTimeout: 60_000,
    hookTimeout: 30_000,
    // Browser tests mostly wait: a few side by side take two cores no more than one.
    maxWorkers: 2,
    maxConcurrency: 8,
  },
});
