// Web vitals. What the page did before the measuring came is in the browser's buffer.
import { whenIdle } from "./chunks.ts";
import type { Page } from "./page.ts";

export function vitals(page: Page): void {
  const load = async () => {
    const { measure } = await page.settings.chunks.vitals();
    measure((name, value, rating) => page.emit("web_vital", { name, value, rating }));
  };
  whenIdle(() => void load().catch(() => undefined));
}
