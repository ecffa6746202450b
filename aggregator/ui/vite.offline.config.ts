// The player of exported visits: one script and one style sheet that the export carries in its page.
import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

export default defineConfig({
  publicDir: false,
  build: {
    target: "es2022",
    emptyOutDir: false,
    lib: {
      entry: fileURLToPath(new URL("src/offline/main.ts", import.meta.url)),
      name: "GoSightVisit",
      formats: ["iife"],
      fileName: () => "offline.js",
      cssFileName: "offline",
    },
  },
});
