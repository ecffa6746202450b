// The one way in which tests and tools start Chromium.
import { existsSync } from "node:fs";
import { chromium } from "playwright-core";

/** The browser that browser.sh found, or "" where there is none. */
export const browserPath =
  process.env.GOSIGHT_CHROMIUM ??
  ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(existsSync) ??
  "";

export const launch = () =>
  chromium.launch({
    executablePath: browserPath,
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
