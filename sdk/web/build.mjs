// Builds dist/: gosight.js with its chunks evidence.js, recorder.js and vitals.js for script tags,
// index.mjs with the same chunks for bundlers, and types.
import { execFileSync } from "node:child_process";
import { readdirSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { build } from "esbuild";

process.chdir(import.meta.dirname);

// Names of chunks change with their content: what an earlier build left must not be packed.
for (const file of readdirSync("dist")) if (file !== "README") rmSync(`dist/${file}`, { recursive: true });

const shared = {
  bundle: true,
  minify: !process.argv.includes("--plain"),
  target: "es2022",
  legalComments: "none",
  logLevel: "warning",
};

await Promise.all([
  build({
    ...shared,
    format: "iife",
    entryPoints: {
      gosight: "src/script.ts",
      evidence: "src/evidence-script.ts",
      recorder: "src/recorder-script.ts",
      vitals: "src/vitals-script.ts",
    },
    outdir: "dist",
  }),
  build({
    ...shared,
    format: "esm",
    splitting: true,
    minifyIdentifiers: false,
    minifyWhitespace: false,
    entryPoints: {
      index: "src/index.ts",
      evidence: "src/outcomes.ts",
      recorder: "src/recorder.ts",
      vitals: "src/vitals-chunk.ts",
    },
    outExtension: { ".js": ".mjs" },
    chunkNames: "chunk-[hash]",
    outdir: "dist",
  }),
]);

if (!process.argv.includes("--no-types")) {
  const tsc = createRequire(import.meta.url)
    .resolve("typescript/package.json")
    .replace("package.json", "bin/tsc");
  execFileSync(process.execPath, [tsc, "-p", "tsconfig.types.json"], { stdio: "inherit" });
}
