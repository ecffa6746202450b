// click, dblclick, contextmenu: where, on what, and whether it takes clicks.
import { roleOf, selectorOf, targetOf, textOf, within } from "./dom.ts";
import { ageOf, eachWindow, offsetOf } from "./frames.ts";
import { interactive, subjectOf } from "./interactive.ts";
import type { Outcomes } from "./outcomes.ts";
import type { Page } from "./page.ts";

/** A click on a label comes again as one on its control, in the same moment. */
const RELAY_MS = 100;

export function clicks(page: Page): void {
  let watch: Outcomes | undefined;
  let roots: ShadowRoot[] = [];
  page.scope.tap(
    Element.prototype,
    "attachShadow",
    () => (root) => void (watch || roots.push(root as ShadowRoot)),
  );
  const load = async () => {
    const { outcomes } = await page.settings.chunks.evidence();
    if (page.scope.open) watch = outcomes(page, roots);
    roots = [];
  };
  void load().catch(() => undefined);

  const takesClicks = interactive(page.scope);
  let labelled: { control: Element | null; at: number } | undefined;

  eachWindow(page.scope, (win) => {
    page.scope.listen<MouseEvent>(win, "click dblclick contextmenu", (event) => {
      const target = targetOf(event);
      // Scripts click too; visitors did not.
      if (!target || !event.isTrusted) return;
      if (labelled?.control === target && event.timeStamp - labelled.at < RELAY_MS) return;
      const label = within(target, "label") as HTMLLabelElement | null;
      labelled = label ? { control: label.control, at: event.timeStamp } : undefined;

      const subject = subjectOf(target);
      const yes = takesClicks(target);
      const place = placeOf(event, target);
      const id = page.emit(
        event.type,
        {
          ...place,
          selector: selectorOf(subject),
          tag: subject.localName,
          role: roleOf(subject),
          text: textOf(subject, page.masked),
          button: event.button,
          interactive: yes,
          // Without the attribute there is no such field.
          ignore: within(target, "[data-gosight-ignore]")?.getAttribute("data-gosight-ignore") || undefined,
        },
        {
          active: true,
          // What one click is worth is known when its outcome is; a burst is told of while it lasts.
          urgent: watch?.burst(event),
          // The hand's time: a busy page hears of leisurely clicks all at once.
          timestamp: Math.round(Date.now() - ageOf(event)),
        },
      );
      // The few clicks before the evidence can be heard have no outcome; the agent decides them by its own rules.
      if (id && event.type === "click")
        watch?.clicked(event, { id, target, subject, interactive: yes, ...place });
    });
  });
}

/** A click that the keyboard made has no place of its own: it gets the middle of its element. */
function placeOf(event: MouseEvent, target: Element) {
  let { clientX: x, clientY: y } = event;
  if (!event.detail && !x && !y) {
    const box = target.getBoundingClientRect();
    x = box.x + box.width / 2;
    y = box.y + box.height / 2;
  }
  const [left, top] = offsetOf(target.ownerDocument.defaultView as typeof window | null);
  x = Math.round(x + left);
  y = Math.round(y + top);
  return {
    x,
    y,
    vw: innerWidth,
    vh: innerHeight,
    page_x: Math.round(x + scrollX),
    page_y: Math.round(y + scrollY),
  };
}
