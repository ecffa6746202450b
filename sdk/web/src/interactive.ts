// Does an element take clicks? By what it is, what it says it is, what listens on it, and how it looks.
import { parentOf, within } from "./dom.ts";
import type { Scope } from "./scope.ts";

const SEMANTIC =
  "a[href],area[href],button,input:not([type=hidden]),select,textarea,summary,option,label,iframe,audio[controls],video[controls]," +
  "[contenteditable]:not([contenteditable=false]),[onclick],[onmousedown],[popovertarget],[commandfor],[draggable=true]," +
  "[aria-haspopup],[aria-expanded],[aria-pressed],[aria-checked],[tabindex]:not([tabindex^='-'])," +
  "[data-action],[jsaction],[phx-click],[ng-click]";
const ROLES =
  /^(button|link|checkbox|radio|switch|tab|option|slider|spinbutton|textbox|searchbox|combobox|treeitem|gridcell|menuitem.*)$/;
const LISTENS = /^(click|mousedown|mouseup|pointerdown|pointerup|touchstart|touchend)$/;
/** A listener on more of the viewport than this serves what is in it; it does not make all of it a button. */
const LARGE = 0.4;
const LEVELS = 8;

const semantic = (element: Element): boolean =>
  element.matches(SEMANTIC) || ROLES.test(element.getAttribute("role") ?? "");

/** The control that a click on `target` means, else `target` itself: an icon in a button is the button. */
export function subjectOf(target: Element): Element {
  for (let at: Element | null = target, level = 0; at && level < LEVELS; at = parentOf(at), level++) {
    if (semantic(at)) return at;
  }
  return target;
}

/** Notes who listens from now on; tells of any element whether it, or an ancestor near enough, takes clicks. */
export function interactive(scope: Scope): (target: Element) => boolean {
  const listened = new WeakSet<object>();
  scope.tap(EventTarget.prototype, "addEventListener", (self, [type, listener]) => {
    if (listener && LISTENS.test(String(type)) && self instanceof Element) listened.add(self);
  });
  return (target) => {
    if (within(target, "label") && !within(target, "a,button,[role]")) return true;
    for (let at: Element | null = target, level = 0; at && level < LEVELS; at = parentOf(at), level++) {
      if (/^(body|html)$/.test(at.localName)) break;
      if (semantic(at)) return true;
      if ((listened.has(at) || framework(at)) && !large(at)) return true;
    }
    return getComputedStyle(target).cursor === "pointer";
  };
}

/** Frameworks that listen at the root keep the handlers of an element on it, under names of their own. */
function framework(element: Element): boolean {
  if ((element as HTMLElement).onclick || (element as HTMLElement).onmousedown) return true;
  for (const key of Object.keys(element)) {
    const value = (element as unknown as Record<string, unknown>)[key];
    if (!value) continue;
    // React, Preact and Vue keep a table of handlers, Solid and Svelte the handler itself.
    if (
      key.startsWith("__reactProps$") ||
      key.startsWith("__reactEventHandlers$") ||
      key === "_vei" ||
      key === "l"
    ) {
      for (const name in value as object)
        if (/^on(click|mousedown|pointerdown|mouseup|pointerup)/i.test(name)) return true;
    }
    if (key === "$$click" || key === "__click") return true;
  }
  return false;
}

function large(element: Element): boolean {
  const { width, height } = element.getBoundingClientRect();
  return width * height > innerWidth * innerHeight * LARGE;
}
