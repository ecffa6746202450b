// Everything on a page that a visitor may take for an answer, as one stream: mutations in all its trees, style
// rules, canvas, media, popovers, dialogs, scrolling, focus, input, navigation.
import { isElement, parentOf } from "./dom.ts";
import { eachWindow, type Window } from "./frames.ts";
import type { Kind } from "./judge.ts";
import type { Page } from "./page.ts";
import { quietly, type Scope } from "./scope.ts";

export interface Raw {
  kind: Kind;
  region: object;
  sign: string;
  /** Elements to look at before believing that anything could be seen. */
  shown?: Element[];
}

/** Nothing to see in these. */
const UNSEEN = /^(SCRIPT|META|TITLE|BASE|NOSCRIPT|TEMPLATE)$/;
/** A page that rewrites itself whole says no more by its thousandth record. */
const MOST_RECORDS = 300;
/** Nor do more than so many of the nodes that came, or went, at once. */
const MOST_NODES = 64;
const GOLDEN = 0.618;
/** Of a page's main thread, at a time. */
const SLICE_MS = 8;
const EVENTS: Record<string, Kind> = {
  toggle: "mutation",
  beforetoggle: "mutation",
  close: "mutation",
  fullscreenchange: "mutation",
  pointerlockchange: "mutation",
  play: "mutation",
  pause: "mutation",
  seeking: "mutation",
  volumechange: "mutation",
  ratechange: "mutation",
  enterpictureinpicture: "mutation",
  input: "input",
  change: "input",
  invalid: "input",
  reset: "input",
  copy: "selection",
  scroll: "scroll",
};
const DRAWS =
  "fillRect clearRect strokeRect fill stroke fillText strokeText drawImage putImageData drawArrays drawElements clear";

export function watchChanges(page: Page, roots: ShadowRoot[], tell: (change: Raw) => void): void {
  const { scope } = page;
  const observer = new MutationObserver((records) => take(records));
  const take = (records: MutationRecord[]) => {
    for (const record of records.slice(0, MOST_RECORDS)) {
      const change = read(record);
      if (change) tell(change);
    }
  };
  const watch = (root: Node) =>
    observer.observe(root, {
      subtree: true,
      childList: true,
      characterData: true,
      attributes: true,
      attributeOldValue: true,
    });
  scope.add(() => observer.disconnect());
  eachWindow(scope, (win) => {
    watch(win.document);
    events(scope, win, tell);
    // Closed roots too: who is handed one here can look into it.
    scope.tap(win.Element.prototype, "attachShadow", () => (root) => watch(root as ShadowRoot));
    inSlices(scope, rootsIn(win.document), (root) => root && watch(root));
  });
  for (const root of roots) watch(root);
}

/** The open shadow roots of a tree; now and then nothing, since a host looks like any other of very many elements. */
function* rootsIn(tree: ParentNode): Generator<ShadowRoot | undefined> {
  let without = 0;
  for (const { shadowRoot } of tree.querySelectorAll("*")) {
    if (shadowRoot) {
      yield shadowRoot;
      yield* rootsIn(shadowRoot);
    } else if (++without % 64 === 0) yield undefined;
  }
}

/** What a page of common size needs is done at once; a huge one is let breathe in between. */
function inSlices<T>(scope: Scope, items: Iterator<T>, fn: (item: T) => void): void {
  for (const until = performance.now() + SLICE_MS; performance.now() < until; ) {
    const { done, value } = items.next();
    if (done) return;
    fn(value);
  }
  setTimeout(() => scope.open && quietly(() => inSlices(scope, items, fn)));
}

/** What a record shows, or nothing. */
function read(record: MutationRecord): Raw | undefined {
  const { target, type, attributeName } = record;
  const region = isElement(target) ? target : (parentOf(target) ?? target);
  if (isElement(region) && UNSEEN.test(region.tagName)) return undefined;
  if (type === "attributes") {
    if ((target as Element).getAttribute(attributeName as string) === record.oldValue) return undefined;
    return {
      kind: "mutation",
      region,
      sign: `@${attributeName}`,
      shown: hides(attributeName) ? [] : [target as Element],
    };
  }
  if (type === "characterData") return { kind: "mutation", region, sign: "#", shown: [region as Element] };
  const added = some(record.addedNodes).filter(visible);
  const removed = some(record.removedNodes).filter(visible);
  const first = added[0] ?? removed[0];
  if (!first) return undefined;
  const elements = added.filter(isElement);
  // Text that came, or anything that went, is as visible as what it stood in.
  const shown =
    elements.length && elements.length === added.length ? elements : isElement(region) ? [region] : [];
  return { kind: "mutation", region, sign: isElement(first) ? `+${signOf(first)}` : "#", shown };
}

/** All of a few nodes; of more, some from everywhere, in no step that a list's own pattern could have. */
function some(nodes: NodeList): Node[] {
  const { length } = nodes;
  if (length <= MOST_NODES) return [...nodes];
  return Array.from({ length: MOST_NODES }, (_, i) => nodes[Math.floor(((i * GOLDEN) % 1) * length)] as Node);
}

const hides = (attribute: string | null) => /^(class|style|hidden|open)$/.test(attribute ?? "");

const visible = (node: Node): boolean =>
  node.nodeType === 3
    ? !!node.nodeValue?.trim()
    : isElement(node) &&
      !UNSEEN.test(node.tagName) &&
      !(node.localName === "link" && !/style/.test(node.getAttribute("rel") ?? ""));

export const signOf = (element: Element): string => `${element.localName}.${element.classList[0] ?? ""}`;

function events(scope: Scope, win: Window, tell: (change: Raw) => void): void {
  scope.listen(win.document, Object.keys(EVENTS).join(" "), ({ type, target }) => {
    if (target) tell({ kind: EVENTS[type] as Kind, region: target, sign: type });
  });
  const mutation = (region: unknown, sign: string) =>
    tell({ kind: "mutation", region: region as object, sign });
  for (const name of ["insertRule", "deleteRule", "replace", "replaceSync"] as const) {
    scope.tap(win.CSSStyleSheet?.prototype, name, (self) => mutation(self, "rule"));
  }
  tapSetter(scope, win.StyleSheet?.prototype, "disabled", (self) => mutation(self, "rule"));
  tapSetter(scope, win.Document.prototype, "adoptedStyleSheets", (self) => mutation(self, "rule"));
  tapSetter(scope, win.ShadowRoot?.prototype, "adoptedStyleSheets", (self) => mutation(self, "rule"));
  for (const name of ["alert", "confirm", "prompt", "print"] as const)
    scope.tap(win as Window, name, () => mutation(win, name));
  scope.tap(win.HTMLMediaElement.prototype, "play", (self) => mutation(self, "play"));
  scope.tap(win as Window, "open", () => tell({ kind: "navigation", region: win, sign: "open" }));
  scope.tap(win.Clipboard?.prototype, "writeText", () =>
    tell({ kind: "selection", region: win, sign: "copy" }),
  );
  for (const context of [
    "CanvasRenderingContext2D",
    "WebGLRenderingContext",
    "WebGL2RenderingContext",
  ] as const) {
    draws(scope, win[context]?.prototype, (canvas) => mutation(canvas, "draw"));
  }
}

/** Plain functions, not proxies: games draw ten thousand times a frame. One call a frame's time is told. */
function draws(scope: Scope, prototype: object | undefined, drew: (canvas: object) => void): void {
  const methods = prototype as Record<string, unknown> | undefined;
  const told = new WeakMap<object, number>();
  for (const name of methods ? DRAWS.split(" ") : []) {
    const original = methods?.[name];
    if (!methods || typeof original !== "function") continue;
    const tapped = function (this: { canvas: object }, ...args: unknown[]) {
      const now = performance.now();
      if (scope.open && now - (told.get(this) ?? -1) > 16) {
        told.set(this, now);
        drew(this.canvas);
      }
      return original.apply(this, args);
    };
    methods[name] = tapped;
    scope.add(() => {
      if (methods[name] === tapped) methods[name] = original;
    });
  }
}

/** Tells of each time a property is set. */
function tapSetter(
  scope: Scope,
  object: object | undefined,
  name: string,
  note: (self: unknown) => void,
): void {
  const own = object && Object.getOwnPropertyDescriptor(object, name);
  if (!own?.set || !own.configurable) return;
  const { set } = own;
  Object.defineProperty(object, name, {
    ...own,
    set(value: unknown) {
      if (scope.open) quietly(() => note(this));
      set.call(this, value);
    },
  });
  scope.add(() => Object.defineProperty(object, name, own));
}
