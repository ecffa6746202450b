// How an element is named in an event: a selector, a role, a masked text. Values of fields are never read.
import { cut, mask } from "./clean.ts";

const SKIPPED = /^(SCRIPT|STYLE|NOSCRIPT|TEMPLATE|INPUT|TEXTAREA|SELECT|OPTION)$/;
const DEPTH = 5;
/** Siblings that are counted: past so many, which of them it is differs from visit to visit, and takes long to find. */
const CROWD = 5_000;

export const isElement = (node: unknown): node is Element => (node as Node | null)?.nodeType === 1;

/** Also steps out of shadow roots. */
export const parentOf = (node: Node): Element | null => {
  const parent = node.parentNode;
  return isElement(parent)
    ? parent
    : isElement((parent as ShadowRoot | null)?.host)
      ? (parent as ShadowRoot).host
      : null;
};

/** The element that an event is about, inside open shadow roots too. */
export const targetOf = (event: Event): Element | null => {
  const first = event.composedPath()[0];
  return isElement(first) ? first : isElement(event.target) ? event.target : null;
};

export const matches = (element: Element, selector: string): boolean =>
  !!selector && element.matches(selector);

/** `closest` through shadow roots. */
export function within(element: Element | null, selector: string): Element | null {
  for (let at = element; at; at = rootHost(at)) {
    const found = at.closest(selector);
    if (found) return found;
  }
  return null;
}

const rootHost = (element: Element): Element | null => (element.getRootNode() as ShadowRoot).host ?? null;

/** Names that a build or a framework made up differ from visit to visit: they would split one element into many. */
const steady = (name: string): boolean =>
  name.length < 40 && !/\d{3,}|[:[\]()]|^(css|sc|jss|ng|svelte)-/.test(name);

/** Short, and the same for the same element in every visit as far as can be told. */
export function selectorOf(element: Element): string {
  const path: string[] = [];
  for (let at: Element | null = element; at && path.length < DEPTH; at = parentOf(at)) {
    const tag = at.localName;
    const marked = at.getAttribute("data-testid");
    if (at.id && steady(at.id)) {
      path.unshift(`${tag}#${at.id}`);
      break;
    }
    if (marked) {
      path.unshift(`${tag}[data-testid="${marked}"]`);
      break;
    }
    if (tag === "html" || (tag === "body" && path.length)) break;
    const classes = [...at.classList].filter(steady).slice(0, 2);
    let step = [tag, ...classes].join(".");
    if (!classes.length && !at.matches(":only-of-type")) {
      let place = 0;
      let left = CROWD;
      for (let other: Element | null = at; other && left--; other = other.previousElementSibling)
        if (other.localName === tag) place++;
      step += `:nth-of-type(${left < 0 ? "n+" : ""}${place})`;
    }
    path.unshift(step);
  }
  return cut(path.join(">"), 256);
}

const ROLES: Record<string, string> = {
  a: "link",
  button: "button",
  select: "combobox",
  textarea: "textbox",
  img: "img",
};

export function roleOf(element: Element): string {
  const role = element.getAttribute("role");
  if (role) return cut(role, 32);
  const tag = element.localName;
  if (tag === "input") {
    const { type } = element as HTMLInputElement;
    return /^(button|submit|reset|image)$/.test(type)
      ? "button"
      : /^(checkbox|radio)$/.test(type)
        ? type
        : "textbox";
  }
  return tag === "a" && !element.hasAttribute("href") ? "" : (ROLES[tag] ?? "");
}

/** What a person would call the element: its label, else its text, without the text of fields and masked parts. */
export function textOf(element: Element, masked: string): string {
  const label =
    element.getAttribute("aria-label") ?? element.getAttribute("alt") ?? element.getAttribute("title");
  const own = label ?? (labelled(element) || innerText(element, masked));
  const text = cut(own.replace(/\s+/g, " ").trim());
  return within(element, masked) ? mask(text) : text;
}

const labelled = (element: Element): string =>
  // The value of these is their caption, not something typed.
  element.localName === "input" && /^(button|submit|reset)$/.test((element as HTMLInputElement).type)
    ? (element as HTMLInputElement).value
    : "";

/** Stops early: the text of <body> may be a megabyte. */
function innerText(element: Element, masked: string): string {
  let text = "";
  const visit = (node: Node): void => {
    for (let child = node.firstChild; child && text.length < 80; child = child.nextSibling) {
      if (child.nodeType === 3) text += child.nodeValue ?? "";
      else if (isElement(child) && !SKIPPED.test(child.tagName)) {
        if (matches(child, masked)) text += mask(child.textContent?.slice(0, 80) ?? "");
        else visit(child);
        text += " ";
      }
    }
  };
  if (!SKIPPED.test(element.tagName)) visit(element);
  return text;
}
