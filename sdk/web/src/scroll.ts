// How far down a page the visitor has been, and where they are: at rest, and four times a second on the way.
import type { Page } from "./page.ts";

const EVERY_MS = 250;

let deepest = 0;
let path = "";

/** Deepest part of the page seen so far, in percent; another path is another page. */
export function depth(): number {
  if (path !== location.pathname) {
    path = location.pathname;
    deepest = 0;
  }
  const height = document.documentElement.scrollHeight || 1;
  deepest = Math.max(deepest, Math.min(100, Math.round(((scrollY + innerHeight) / height) * 100)));
  return deepest;
}

export function scroll(page: Page): void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let last = scrollY;
  const tell = () => {
    timer = undefined;
    const y = Math.round(scrollY);
    if (y === last) return;
    last = y;
    const page_height = document.documentElement.scrollHeight;
    page.emit("scroll", { depth: depth(), y, page_height }, { active: true });
  };
  page.scope.listen(document, "scroll", (event) => {
    if (event.target === document) timer ??= setTimeout(tell, EVERY_MS);
  });
  page.onHide(() => {
    if (timer) tell();
    clearTimeout(timer);
    timer = undefined;
  });
}
