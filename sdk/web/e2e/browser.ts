// One Chromium for a test file; a fresh profile for each test.
import type { TestAgent } from "./agent.ts";

export { launch } from "../../../ops/e2e/browser.mjs";

export const tag = (agent: TestAgent, attributes = ""): string =>
  `<script async src="${agent.url}/sdk/gosight.js" data-key="${agent.key}" ${attributes}></script>`;

export const html = (body: string, head = ""): string =>
  `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Test page</title>${head}</head><body>${body}</body></html>`;
