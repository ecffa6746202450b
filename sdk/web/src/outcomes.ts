// click_outcome: what the page did because of a click. Watches what changes, learns what changes by itself, and
// has judge.ts say which is which.
import { type Raw, signOf, watchChanges } from "./changes.ts";
import { isElement, parentOf, within } from "./dom.ts";
import { ageOf, eachWindow, type Window } from "./frames.ts";
import { type Change, causedBy, DEADLINE_MS, type Evidence, type Kind } from "./judge.ts";
import { differs, type Look, look } from "./look.ts";
import type { Page } from "./page.ts";
import { Regions } from "./regions.ts";
import { tapRequests } from "./requests.ts";
import { quietly } from "./scope.ts";

export interface Clicked {
  id: string;
  target: Element;
  subject: Element;
  interactive: boolean;
  x: number;
  y: number;
}

interface Press {
  at: number;
  x: number;
  y: number;
  selected: boolean;
  changes: Change[];
}

interface Pending extends Clicked, Evidence {
  requests: number[];
  before: Look | undefined;
  look?: ReturnType<typeof setTimeout>;
}

/** Lets the page finish its frame before anything is measured in it. */
const SETTLE_MS = 40;
const MOST_CHANGES = 60;
/** As many clicks within this are a burst: the agent's own rule, but for where they are. */
const BURST = 6;
const BURST_MS = 2_000;
const DRAG_PX = 24;
/** What moving onto something shows. */
const HOVER_MS = 300;
/** Levels above a change in which a restless region makes it restless. */
const LEVELS = 4;
/** The listeners of somebody else's event run: their changes are nobody's answer. */
const OTHER = Symbol();

const FIELDS = "select,textarea,input:not([type=button],[type=submit],[type=reset],[type=image])";
const EDITABLE = `${FIELDS},[contenteditable]:not([contenteditable=false])`;
const CHOICES = /^(checkbox|radio|range|color|file|select)/;
const MEDIA = "video[controls],audio[controls],iframe,embed,object";
const DISABLED = ":disabled,[aria-disabled=true]";

export interface Outcomes {
  /** Is this one of many clicks within a short time? */
  burst(event: MouseEvent): boolean;
  clicked(event: MouseEvent, click: Clicked): void;
}

export interface EvidenceModule {
  /** `roots` are the shadow roots that were made before this came. */
  outcomes(page: Page, roots: ShadowRoot[]): Outcomes;
}

export function outcomes(page: Page, roots: ShadowRoot[]): Outcomes {
  const { scope } = page;
  const regions = new Regions();
  const pending = new Set<Pending>();
  /** Requests that go out whatever is clicked: path → what was clicked. */
  const habits = new Map<string, Set<Element>>();
  let press: Press | undefined;
  let cause: Press | Pending | typeof OTHER | undefined;
  let userUntil = 0;
  let wheeled = -1e9;

  const now = () => performance.now();
  const timeOf = (event: UIEvent) => now() - ageOf(event);
  const loading = () => document.readyState !== "complete";

  const decide = (click: Pending, kind: Kind, at: number) => {
    if (!pending.delete(click)) return;
    clearTimeout(click.look);
    const after_ms = Math.max(0, Math.round(at - click.at));
    page.emit("click_outcome", { click_id: click.id, kind, after_ms }, { urgent: kind === "none" });
  };

  const restless = (region: object, sign: string): number => {
    const time = now();
    let most = regions.rhythm(region, sign, time);
    if (!isElement(region)) return most;
    const parent = parentOf(region);
    if (parent && region.classList[0])
      most = Math.max(most, regions.rhythm(parent, `*${signOf(region)}`, time));
    let at: Element | null = parent;
    for (
      let level = 0;
      at && level < LEVELS && !/^(body|html|main)$/.test(at.localName);
      level++, at = parentOf(at)
    ) {
      most = Math.max(most, regions.rhythm(at, "any", time));
    }
    return most;
  };

  const learn = (region: object, sign: string, known: number) => {
    const time = now();
    // What follows the visitor's doing may be its answer; what was restless before goes on being so.
    if (time < userUntil && !known) return;
    regions.note(region, sign, time);
    regions.note(region, "any", time);
    // Slides and rows of one class take turns: what one does by itself, the others will.
    const parent = isElement(region) && region.classList[0] && parentOf(region);
    if (parent) regions.note(parent, `*${signOf(region as Element)}`, time);
  };

  const judge = (click: Pending, final: boolean) => {
    click.look = undefined;
    if (!pending.has(click)) return;
    click.changes = click.changes.filter((change) => seen(change as Change & Raw));
    const change = causedBy(click, final);
    if (change) decide(click, change.kind, change.at);
  };

  const consider = (click: Pending, change: Change) => {
    if (click.changes.length >= MOST_CHANGES) return;
    click.changes.push(change);
    click.look ??= setTimeout(() => quietly(() => judge(click, false)), SETTLE_MS);
  };

  watchChanges(page, roots, (raw) => {
    const { region, sign, kind } = raw;
    if (cause === OTHER) return;
    if (kind === "scroll" && now() - wheeled < DEADLINE_MS) return;
    const rhythm = restless(region, sign);
    // On a busy page a ticker may come between the listeners and the message that ends them.
    const direct = !!cause && (rhythm < 2 || dispatching());
    const change: Change & Raw = { ...raw, at: now(), direct, rhythm, loading: loading() };
    if (cause) {
      if ("id" in cause) consider(cause, change);
      else if (cause.changes.length < MOST_CHANGES) cause.changes.push(change);
      return;
    }
    learn(region, sign, rhythm);
    // Of two clicks that wait, the one on a control is the likelier to be answered late.
    const controls = [...pending].filter((click) => click.interactive);
    for (const click of controls.length ? controls : pending) consider(click, change);
  });

  // A message comes after the event's listeners and their microtasks, and before most else.
  const channel = new MessageChannel();
  let turn = 0;
  channel.port1.onmessage = ({ data }) => {
    if (data === turn) cause = undefined;
  };
  scope.add(() => channel.port1.close());
  const during = (what: typeof cause) => {
    cause = what;
    channel.port2.postMessage(++turn);
  };

  eachWindow(scope, (win) => {
    scope.listen<PointerEvent>(win, "pointerdown mousedown", (event) => {
      const at = timeOf(event);
      if (event.type === "pointerdown" || !press || at - press.at > 1_000) {
        press = {
          at,
          x: event.clientX,
          y: event.clientY,
          selected: selected(win),
          changes: [],
        };
      }
      userUntil = now() + DEADLINE_MS;
      during(press);
    });
    scope.listen(win, "pointerup mouseup", () => press && during(press));
    // What the keyboard, or moving onto something, sets going is no answer to an earlier click.
    scope.listen(win, "keydown input mouseover", (event) => {
      if (event.type !== "mouseover") userUntil = Math.max(userUntil, now() + 1_000);
      // Without a click that waits there is nothing to mistake, only something not to learn.
      if (!pending.size) userUntil = Math.max(userUntil, now() + HOVER_MS);
      else if (!cause && event.isTrusted) during(OTHER);
    });
    scope.listen(win, "wheel touchmove", () => {
      wheeled = now();
    });
    scope.listen(win.document, "selectionchange", () => {
      if (selected(win)) answer("selection");
    });
    scope.listen(win, "focusin", ({ target }) => {
      if (cause && cause !== OTHER && "changes" in cause && isElement(target) && target.matches(EDITABLE)) {
        const change: Change = {
          kind: "focus",
          at: now(),
          region: target,
          sign: "focus",
          direct: true,
          rhythm: 0,
          loading: false,
        };
        if ("id" in cause) consider(cause, change);
        else cause.changes.push(change);
      }
    });
  });

  /** Certain answers, that no region could give by itself. */
  const answer = (kind: Kind) => {
    for (const click of pending) decide(click, kind, now());
  };

  navigations(page, (kind) => {
    if (cause !== OTHER) answer(kind);
  });

  tapRequests(page, ({ method, url, aside }) => {
    const path = url.replace(/[?#].*/, "");
    const at = now();
    const askers = aside || cause === OTHER ? [] : !cause ? [...pending] : "id" in cause ? [cause] : [];
    const whose = askers.filter(
      (click) => regions.rhythm(window, path, at) < 2 && !habitual(habits, path, click),
    );
    for (const click of whose) click.requests.push(at);
    if (!cause && at > userUntil) regions.note(window, path, at);
    return (status) => {
      const answered = now();
      for (const click of whose) click.responses.push(answered);
      if (page.settings.network === false) return;
      const duration_ms = Math.round(answered - at);
      page.emit("network", { method: method.toUpperCase(), url: page.url(url), status, duration_ms });
    };
  });

  page.onHide((leaving) => {
    if (!leaving) return;
    for (const click of pending) {
      judge(click, true);
      // Without the Navigation API, leaving right after a click is the sign of it that there is.
      const kind = "navigation" in window ? (click.requests.length ? "network" : "none") : "navigation";
      decide(click, kind, now());
    }
  });

  let times: number[] = [];
  return {
    burst(event) {
      const at = timeOf(event);
      times = [at, ...times.slice(0, BURST - 1)];
      return at - (times[BURST - 1] as number) < BURST_MS;
    },
    clicked(event, click) {
      const at = timeOf(event);
      const own = press && at - press.at < 10_000 ? press : undefined;
      press = undefined;
      userUntil = now() + DEADLINE_MS;
      const waiting: Pending = {
        ...click,
        at,
        changes: (own?.changes ?? []).filter((change) => !feedback(change, click)),
        responses: [],
        requests: [],
        before: quietly(() => look(click.subject, click.x, click.y)),
      };
      pending.add(waiting);
      during(waiting);
      setTimeout(() => quietly(() => settle(waiting, event, own)));
      setTimeout(() => quietly(() => expire(waiting)), DEADLINE_MS - (now() - at));
    },
  };

  /** After the listeners: what the browser itself does for this click. */
  function settle(click: Pending, event: MouseEvent, own: Press | undefined): void {
    const kind = native(click, event, own);
    if (kind) decide(click, kind, now());
    else judge(click, false);
  }

  function expire(click: Pending): void {
    judge(click, true);
    if (!pending.has(click)) return;
    const { before, requests, at, subject } = click;
    const calm = (element: Element) => restless(element, "any") > 0;
    const moved = page.pointer && Math.hypot(page.pointer[0] - click.x, page.pointer[1] - click.y) > DRAG_PX;
    // What is found only now was there before the deadline, however late the timer came.
    const end = at + DEADLINE_MS;
    if (before && (click.interactive || !moved) && differs(before, subject, calm))
      decide(click, "mutation", end);
    else if (requests[0] !== undefined) decide(click, "network", requests[0]);
    else decide(click, opaque(click.target) ? "mutation" : "none", end);
  }
}

/** Are we in a listener of a click, or in what such a listener left to do at its end? */
function dispatching(): boolean {
  const { event } = window;
  return !!event?.isTrusted && /^(click|mouse|pointer|touch)/.test(event.type);
}

/** Pressing shows on the control itself, whether or not it does anything: that is no answer. */
function feedback(change: Change, { subject, target }: Clicked): boolean {
  // A field that was being typed in is left by any click anywhere, and says then that it has changed.
  if (change.sign === "change") return true;
  if (!isElement(change.region) || change.kind !== "mutation") return false;
  return change.region.contains(target)
    ? /^@(class|style|data-)/.test(change.sign)
    : subject.contains(change.region);
}

/** A custom element with nothing in it that we can see has a shadow root that we cannot: give it its due. */
const opaque = (target: Element): boolean =>
  target.localName.includes("-") && !target.shadowRoot && !target.firstElementChild;

/** Reading the selected text would lay the page out. */
const selected = (win: Window): boolean => win.getSelection()?.isCollapsed === false;

/** Could anyone have seen it? */
function seen({ shown }: Raw): boolean {
  return (
    !shown?.length ||
    shown.some((element) => {
      const { width, height } = element.getBoundingClientRect();
      return /^(HEAD|STYLE|LINK)$/.test(element.tagName) || width * height > 4;
    })
  );
}

/** An analytics script asks the same of its server whatever is clicked, dead ground too. */
function habitual(
  habits: Map<string, Set<Element>>,
  path: string,
  { subject, interactive }: Clicked,
): boolean {
  const who = habits.get(path) ?? new Set();
  habits.set(path, who);
  if (!interactive || who.size) who.add(subject);
  return who.size > 2;
}

/** Answers that the browser gives by itself, and clicks that ask for none. */
function native({ target, subject }: Clicked, event: MouseEvent, own: Press | undefined): Kind | undefined {
  const link = within(target, "a[href],area[href]") as HTMLAnchorElement | null;
  if (link && !event.defaultPrevented) {
    if (link.hasAttribute("download")) return "download";
    const here = link.href.split("#")[0] === location.href.split("#")[0] && link.href.includes("#");
    if (!here && !link.href.startsWith("javascript:")) return "navigation";
  }
  if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return "input";
  if (subject.matches(DISABLED) || within(target, DISABLED)) return "input";
  const label = target.closest("label")?.control;
  const field = label ?? subject;
  if (field.matches(EDITABLE)) return CHOICES.test((field as HTMLInputElement).type) ? "input" : "focus";
  if (subject.matches(MEDIA)) return "mutation";
  if (own && Math.hypot(own.x - event.clientX, own.y - event.clientY) > DRAG_PX) return "input";
  const win = target.ownerDocument.defaultView;
  return own?.selected || (win && selected(win as Window)) ? "selection" : undefined;
}

interface NavigateEvent extends Event {
  downloadRequest: string | null;
  navigationType: string;
  destination: { url: string; sameDocument: boolean };
}

/** Tells of each navigation that leads anywhere, those of other documents too, where the browser lets us know. */
function navigations(page: Page, tell: (kind: Kind) => void): void {
  const { scope } = page;
  const { navigation } = window as { navigation?: EventTarget };
  const bare = (url: string) => url.replace(/#$/, "");
  if (navigation) {
    scope.listen<NavigateEvent>(navigation, "navigate", ({ destination, downloadRequest }) => {
      if (destination.sameDocument && bare(destination.url) === bare(location.href)) return;
      tell(typeof downloadRequest === "string" ? "download" : "navigation");
    });
    return;
  }
  let at = bare(location.href);
  const moved = () => {
    if (at !== bare(location.href)) tell("navigation");
    at = bare(location.href);
  };
  scope.tap(history, "pushState", () => moved);
  scope.tap(history, "replaceState", () => moved);
  scope.listen(window, "popstate hashchange", moved);
  scope.listen(window, "submit", (event) => setTimeout(() => event.defaultPrevented || tell("navigation")));
}
