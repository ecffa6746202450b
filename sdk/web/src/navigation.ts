// page_load, page_exit and every kind of navigate.
import { cut, mask } from "./clean.ts";
import type { Page } from "./page.ts";
import { depth } from "./scroll.ts";

export function navigation(page: Page): void {
  let entered = Date.now();
  let at = page.url();
  const title = () => (page.settings.maskAllText ? mask(cut(document.title)) : cut(document.title));
  const load = (urgent: boolean, timestamp: number) => {
    const timing = performance.getEntriesByType("navigation")[0] as PerformanceNavigationTiming | undefined;
    const load_ms = Math.round(timing?.loadEventStart ?? 0);
    const referrer = page.url(document.referrer);
    page.emit(
      "page_load",
      { url: page.url(), title: title(), referrer, load_ms },
      { active: true, urgent, timestamp },
    );
  };
  const loaded = entered;
  // The title and the load time are known only when the document is there; the event keeps the time of entering.
  if (document.readyState === "complete") load(true, loaded);
  else page.scope.listen(window, "load", () => setTimeout(() => load(true, loaded)));

  const moved = (kind: string) => {
    const to = page.url();
    // Routers replace the state to keep scroll positions: nobody went anywhere.
    if (to === at) return;
    page.emit("navigate", { from: at, to, kind }, { active: true });
    at = to;
  };
  page.scope.tap(history, "pushState", () => () => moved("push"));
  page.scope.tap(history, "replaceState", () => () => moved("replace"));
  // A new fragment fires popstate too; the Navigation API, where it is, tells it from going back.
  let traverses = true;
  const { navigation } = window as { navigation?: EventTarget };
  if (navigation) {
    page.scope.listen<Event & { navigationType?: string }>(navigation, "navigate", (event) => {
      traverses = event.navigationType === "traverse";
    });
  }
  page.scope.listen(window, "popstate", () => traverses && moved("pop"));
  page.scope.listen(window, "hashchange", () => moved("hash"));

  page.scope.listen<PageTransitionEvent>(window, "pageshow", (event) => {
    if (!event.persisted) return;
    entered = Date.now();
    load(true, entered);
  });
  page.onHide((leaving) => {
    if (leaving) page.emit("page_exit", { url: at, dwell_ms: Date.now() - entered, depth: depth() });
  });
}
