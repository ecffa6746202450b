// What the page says on its console.
import { cut } from "./clean.ts";
import type { Page } from "./page.ts";

const MESSAGE_LIMIT = 256;
const MOST = 200;

export function consoleLines(page: Page): void {
  let count = 0;
  let within = false;
  for (const level of page.settings.console) {
    page.scope.tap(console, level, (_, args) => {
      if (within || count++ >= MOST) return;
      within = true;
      try {
        // Objects are named, not opened: what is in them may be anybody's.
        const words = args.map((arg) =>
          arg instanceof Error
            ? `${arg.name}: ${arg.message}`
            : typeof arg === "object"
              ? Object.prototype.toString.call(arg)
              : String(arg),
        );
        page.emit("console", { level, message: cut(words.join(" "), MESSAGE_LIMIT) });
      } finally {
        within = false;
      }
    });
  }
}
