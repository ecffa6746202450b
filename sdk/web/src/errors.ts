// Uncaught errors and unhandled rejections.
import { cut } from "./clean.ts";
import type { Page } from "./page.ts";

const MESSAGE_LIMIT = 256;
const STACK_LIMIT = 2_048;
/** A page that fails in a loop tells nothing new by its hundredth error. */
const MOST = 50;

export function errors(page: Page): void {
  let count = 0;
  const tell = (message: string, source: string, line: number, column: number, thrown: unknown) => {
    if (count++ >= MOST) return;
    const stack = thrown instanceof Error ? (thrown.stack ?? "") : "";
    page.emit(
      "error",
      {
        message: cut(message, MESSAGE_LIMIT),
        source: source && page.url(source),
        line,
        column,
        // Addresses in it are cleaned of their queries.
        stack: cut(stack.replace(/\?[^\s):]*/g, ""), STACK_LIMIT),
      },
      { urgent: true },
    );
  };
  page.scope.listen<ErrorEvent>(window, "error", (event) => {
    // Elements that fail to load come here too, without a message.
    if (event.message) tell(event.message, event.filename, event.lineno, event.colno, event.error);
  });
  page.scope.listen<PromiseRejectionEvent>(window, "unhandledrejection", ({ reason }) => {
    tell(reason instanceof Error ? `${reason.name}: ${reason.message}` : String(reason), "", 0, 0, reason);
  });
}
