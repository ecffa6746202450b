// One Chromium for a test file; a fresh profile for each test.
import { existsSync } from "node:fs";
import { type Browser, chromium } from "playwright-core";
import type { TestAgent } from "./agent.ts";

const installed = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(
  existsSync,
);

export const launch = (): Promise<Browser> =>
  chromium.launch({
    executablePath: process.env.GOSIGHT_CHROMIUM ?? installed,
    args: [
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });

export const tag = (agent: TestAgent, attributes = ""): string =>
  `<script async src="${agent.url}/sdk/gosight.js" data-key="${agent.key}" ${attributes}></script>`;

export const html = (body: string, head = ""): string =>
  `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Test page</title>${head}</head><body>${body}</body></html>`;
