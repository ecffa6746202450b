// Prints what the built files weigh on the wire, and fails where one is over its budget.
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const budgets = {
  "gosight.js": 10_000,
  "evidence.js": 6_000,
  "nearest.js": 1_500,
  "recorder.js": 27_000,
  "vitals.js": 3_500,
};

for (const [file, budget] of Object.entries(budgets)) {
  const size = gzipSync(readFileSync(new URL(`dist/${file}`, import.meta.url)), { level: 9 }).length;
  const verdict = size <= budget ? "ok" : "TOO LARGE";
  console.log(`${file.padEnd(12)} ${String(size).padStart(6)} B gzip of ${budget} ${verdict}`);
  if (size > budget) process.exitCode = 1;
}
