// click, dblclick, contextmenu: where, on what, and whether it takes clicks.

import { roleOf, selectorOf, targetOf, textOf } from "./dom.ts";
import { interactive, subjectOf } from "./interactive.ts";
import { outcomes } from "./outcomes.ts";
import type { Page } from "./page.ts";

export function clicks(page: Page): void {
  const watch = outcomes(page);
  const seen = interactive(page.scope);
  page.scope.listen<MouseEvent>(window, "click dblclick contextmenu", (event) => {
    const target = targetOf(event);
    if (!target || watch.relayed(event)) return;
    const subject = subjectOf(target);
    const takesClicks = seen(target);
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
        interactive: takesClicks,
      },
      { active: true, urgent: true },
    );
    if (id && event.type === "click") watch.clicked(event, { id, target, subject, interactive: takesClicks });
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
  x = Math.round(x);
  y = Math.round(y);
  const { scrollX, scrollY } = window;
  return {
    x,
    y,
    vw: innerWidth,
    vh: innerHeight,
    page_x: Math.round(x + scrollX),
    page_y: Math.round(y + scrollY),
  };
}
