import { defineConfig } from "vitest/config";

// Packs and installs: minutes where the registry is far.
export default defineConfig({
  test: { include: ["test/pack.test.ts"], testTimeout: 300_000, hookTimeout: 300_000 },
});
