import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

export default defineConfig({
  plugins: [react()],
  build: { target: "es2022", sourcemap: false, chunkSizeWarningLimit: 600, manifest: true },
  server: { proxy: { "/api": process.env.GOSIGHT_API ?? "http://127.0.0.1:7721" } },
  test: { environment: "happy-dom", include: ["src/**/*.test.{ts,tsx}", "e2e/**/*.test.ts"] },
});
