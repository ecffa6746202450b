// Writes dist/esm and dist/cjs: the package with the generated wire code inside, everything else left to npm.
import { execFileSync } from "node:child_process";
import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { rolldown } from "rolldown";

process.chdir(import.meta.dirname);
rmSync("dist", { recursive: true, force: true });

const { dependencies, peerDependencies } = JSON.parse(readFileSync("package.json", "utf8"));
const left = Object.keys({ ...dependencies, ...peerDependencies });
const bundle = await rolldown({
  input: { index: "src/index.ts", client: "src/client.ts" },
  platform: "node",
  tsconfig: "tsconfig.json",
  external: (id) => id.startsWith("node:") || left.some((name) => id === name || id.startsWith(`${name}/`)),
});
// Both entrances of a format share one chunk: GoSightClient is the same class, and token, from either.
const chunkFileNames = "shared-[hash].js";
await bundle.write({ dir: "dist/esm", format: "esm", chunkFileNames, sourcemap: true });
await bundle.write({ dir: "dist/cjs", format: "cjs", chunkFileNames, sourcemap: true });
await bundle.close();

const require = createRequire(import.meta.url);
const tsc = join(dirname(require.resolve("typescript/package.json")), "bin/tsc");
execFileSync(process.execPath, [tsc, "-p", "tsconfig.types.json"], { stdio: "inherit" });
// The same declarations, read as CommonJS because of the package.json beside them.
cpSync("dist/esm", "dist/cjs", { recursive: true, filter: (path) => !/\.(js|map)$/.test(path) });
cpSync("../../LICENSE", "dist/LICENSE");
writeFileSync("dist/cjs/package.json", '{ "type": "commonjs" }\n');
