// That a field was changed, and how long its content is. The content itself only where the site unmasks the field.
import { cut } from "./clean.ts";
import { isElement, selectorOf, targetOf, within } from "./dom.ts";
import type { Page } from "./page.ts";

/** A field that is being typed in is told of once it rests, or is left. */
const REST_MS = 1_000;

type Field = HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement;

export function inputs(page: Page): void {
  let field: Element | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const tell = () => {
    clearTimeout(timer);
    if (!field) return;
    const element = field;
    field = undefined;
    const { type = "", value } = element as Partial<Field>;
    const editable = value === undefined;
    const shown = !editable && within(element, "[data-gosight-unmask]") && !/password|hidden|file/.test(type);
    page.emit(
      "input",
      {
        selector: selectorOf(element),
        tag: element.localName,
        type: type || "text",
        length: (editable ? element.textContent : value)?.length ?? 0,
        value: shown ? cut(value) : undefined,
      },
      { active: true },
    );
  };
  page.scope.listen(document, "input change", (event) => {
    const target = targetOf(event);
    if (!isElement(target) || within(target, page.blocked)) return;
    if (target !== field) tell();
    field = target;
    clearTimeout(timer);
    if (event.type === "change") tell();
    else timer = setTimeout(tell, REST_MS);
  });
  page.onHide(tell);
}
