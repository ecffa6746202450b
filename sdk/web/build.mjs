// Builds dist/: gosight.js with its chunks evidence.js, recorder.js and vitals.js for script tags,
// index.mjs with the same chunks for bundlers, and types.
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { rolldown } from "rolldown";

process.chdir(import.meta.dirname);

// Agents are compiled with dist/ inside, and tests read from it: it is whole at any moment, also during a build.
mkdirSync("node_modules/.cache", { recursive: true });
const outdir = mkdtempSync("node_modules/.cache/dist-");
process.on("exit", () => rmSync(outdir, { recursive: true, force: true }));

const comments = { legal: false };
const plain = process.argv.includes("--plain");

async function bundle(input, output) {
  const bundled = await rolldown({ input, transform: { target: "es2022" } });
  await bundled.write({ dir: outdir, comments, ...output });
  await bundled.close();
}

const scripts = {
  gosight: "src/script.ts",
  evidence: "src/evidence-script.ts",
  nearest: "src/nearest-script.ts",
  recorder: "src/recorder-script.ts",
  vitals: "src/vitals-script.ts",
};
await Promise.all([
  ...Object.entries(scripts).map(([name, input]) =>
    bundle(
      { [name]: input },
      { format: "iife", entryFileNames: "[name].js", minify: !plain, comments: false },
    ),
  ),
  bundle(
    {
      index: "src/index.ts",
      evidence: "src/outcomes.ts",
      nearest: "src/nearest.ts",
      recorder: "src/recorder.ts",
      vitals: "src/vitals-chunk.ts",
    },
    // A bundler will make it small; people read it until then.
    { format: "esm", entryFileNames: "[name].mjs", chunkFileNames: "chunk-[hash].mjs" },
  ),
]);

if (!process.argv.includes("--no-types")) {
  const tsc = createRequire(import.meta.url)
    .resolve("typescript/package.json")
    .replace("package.json", "bin/tsc");
  const types = ["-p", "tsconfig.types.json", "--outDir", join(outdir, "types")];
  execFileSync(process.execPath, [tsc, ...types], { stdio: "inherit" });
}

const files = (dir) =>
  readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(dir.length + 1));
const built = files(outdir);
mkdirSync("dist/types", { recursive: true });
// Chunks before what loads them.
for (const file of built.sort((a, b) => a.includes("index") - b.includes("index")))
  renameSync(join(outdir, file), join("dist", file));
copyFileSync("../../LICENSE", "dist/LICENSE");
// Names of chunks change with their content: what an earlier build left must not be packed.
const made = process.argv.includes("--no-types") ? /\.m?js$/ : /\.(m?js|d\.ts)$/;
for (const file of files("dist")) if (made.test(file) && !built.includes(file)) rmSync(join("dist", file));
