// The first screen's JavaScript must stay small: entry chunk plus what it imports statically, gzipped.
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const budget = 150 * 1000;
const dist = new URL("../dist/", import.meta.url);
const manifest = JSON.parse(readFileSync(new URL(".vite/manifest.json", dist), "utf8"));
const first = new Set();
const add = (key) => {
  if (first.has(key)) return;
  first.add(key);
  for (const next of manifest[key].imports ?? []) add(next);
};
// The sessions list is what opens first; its page is a chunk of its own only if someone makes it so.
for (const [key, chunk] of Object.entries(manifest)) {
  if (chunk.isEntry || key.endsWith("pages/Sessions.tsx")) add(key);
}
let total = 0;
for (const key of first)
  total += gzipSync(readFileSync(new URL(manifest[key].file, dist)), { level: 9 }).length;
console.log(`first screen: ${(total / 1000).toFixed(1)} kB of JavaScript, gzip (budget ${budget / 1000} kB)`);
if (total > budget) process.exit(1);
