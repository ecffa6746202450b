import { existsSync } from "node:fs";

export const executablePath = process.env.GOSIGHT_CHROMIUM || "/usr/bin/chromium";
export const flags = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
const built = existsSync(new URL("../dist/index.html", import.meta.url));

/** Whether there is a browser, and a UI to look at; where not, the tests say so. */
export const runnable = existsSync(executablePath) && built;
if (!existsSync(executablePath))
  console.warn(`NOT RUN: UI browser tests, no Chromium at ${executablePath} (set GOSIGHT_CHROMIUM)`);
if (!built)
  console.warn('NOT RUN: UI browser tests, the UI is not built (run "npm run build -w aggregator/ui")');
