import { existsSync } from "node:fs";
import { browserPath } from "../../../ops/e2e/browser.mjs";

export { launch } from "../../../ops/e2e/browser.mjs";

const built = existsSync(new URL("../dist/index.html", import.meta.url));

/** Whether there is a browser, and a UI to look at; where not, the tests say so. */
export const runnable = browserPath !== "" && built;
if (!browserPath) console.warn("NOT RUN: UI browser tests, since no Chromium was found");
if (!built)
  console.warn('NOT RUN: UI browser tests, the UI is not built (run "npm run build -w aggregator/ui")');
