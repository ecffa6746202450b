// The recorder chunk: rrweb, told what may not be seen.
import { record as rrweb } from "@rrweb/record";
import { EventType, type eventWithTime, IncrementalSource } from "@rrweb/types";
import { mask } from "./clean.ts";
import { Columns } from "./columns.ts";
import { type Body, field, type WireEvent } from "./wire.ts";

export interface RecorderSettings {
  emit(type: "full_snapshot" | "mutation", event: object, timestamp: number): void;
  /** Selector of elements whose text is masked. */
  masked: string;
  /** Selector of elements that are left out, but for their size. */
  blocked: string;
  url(url: string): string;
  canvas: boolean;
  inlineStyles: boolean;
  maxNodes: number;
  /** The page has, or has grown to, more elements than that. */
  refuse(nodes: number): void;
}

export interface Recorder {
  /** Takes the page anew; begins again where the page was refused and is small enough by now. */
  snapshot(): void;
  stop(): void;
}

export interface RecorderModule {
  record(settings: RecorderSettings): Recorder;
  ReplayColumns: new () => Body;
}

/** A batch of replay, as the field `columns` of an EventBatch. */
export class ReplayColumns implements Body {
  #columns = new Columns();

  get size(): number {
    return this.#columns.size;
  }

  add({ type, serial, timestamp, url, payload }: WireEvent): void {
    this.#columns.add({ type, serial, timestamp, url, payload });
  }

  done(): Uint8Array[] {
    return [field(6, this.#columns.done())];
  }
}

/**
 * The page is taken anew after so many changes, so that whoever opens hours of one page in the middle plays a few
 * seconds of changes and not all of them. A quiet page is never taken anew, a busy one not all the time.
 */
const CHECKPOINT = 3_000;
const CHECKPOINT_MS = 10_000;

const FIELDS = { input: true, textarea: true, select: true };

/** Attributes that are read out or shown, as text is. */
const SPOKEN = new Set(
  "title alt placeholder label value summary aria-label aria-description aria-valuetext aria-placeholder aria-roledescription".split(
    " ",
  ),
);

type Attributes = Record<string, unknown>;
interface Serialized {
  id: number;
  tagName?: string;
  attributes?: Attributes;
  childNodes?: Serialized[];
}

/** rrweb masks texts and fields; this does the same for attributes, and takes the queries out of links. */
function scrub(settings: RecorderSettings, id: number, attributes: Attributes): void {
  let element: Element | null | undefined;
  for (const name in attributes) {
    const value = attributes[name];
    if (typeof value !== "string" || !value) continue;
    // What is in the frame is recorded as nodes, or not at all.
    if (name === "srcdoc") delete attributes[name];
    else if (name === "href" || name === "action" || name === "formaction") {
      element ??= rrweb.mirror.getNode(id) as Element | null;
      if (element && /^(a|area|form|button)$/.test(element.localName)) attributes[name] = settings.url(value);
    } else if (SPOKEN.has(name)) {
      element ??= rrweb.mirror.getNode(id) as Element | null;
      if (element?.closest(settings.masked)) attributes[name] = mask(value);
    }
  }
}

function scrubTree(settings: RecorderSettings, node: Serialized): void {
  if (node.attributes) scrub(settings, node.id, node.attributes);
  for (const child of node.childNodes ?? []) scrubTree(settings, child);
}

function scrubEvent(settings: RecorderSettings, event: eventWithTime): void {
  if (event.type === EventType.Meta) event.data.href = settings.url(event.data.href);
  else if (event.type === EventType.FullSnapshot) scrubTree(settings, event.data.node as Serialized);
  else if (event.type === EventType.IncrementalSnapshot && event.data.source === IncrementalSource.Mutation) {
    for (const { node } of event.data.adds) scrubTree(settings, node as Serialized);
    for (const { id, attributes } of event.data.attributes) scrub(settings, id, attributes);
  }
}

/**
 * A frame that was just put in has an empty document, and soon another under the same id; a player that has built
 * the first believes that it has the second.
 */
function emptyFrame({ type, data }: eventWithTime): boolean {
  if (type !== EventType.IncrementalSnapshot || data.source !== IncrementalSource.Mutation) return false;
  return !!data.isAttachIframe && !(data.adds[0]?.node as Serialized | undefined)?.childNodes?.length;
}

/** Elements that may come before they are counted again, however close to the limit a page is. */
const LEAST_ROOM = 1_000;

export function record(settings: RecorderSettings): Recorder {
  let changes = 0;
  let taken = 0;
  let room = 0;
  let stop: (() => void) | undefined;
  const end = () => {
    guard.disconnect();
    stop?.();
    stop = undefined;
  };
  const refused = (): boolean => {
    const nodes = document.getElementsByTagName("*").length;
    room = Math.max(settings.maxNodes - nodes, LEAST_ROOM);
    // This way round, since a core of before, from a cache, says no limit.
    if (!(nodes > settings.maxNodes)) return false;
    end();
    settings.refuse(nodes);
    return true;
  };
  // Observers are told in the order in which they were made: this one ends rrweb before it has seen what is too much.
  const guard = new MutationObserver((records) => {
    for (const { addedNodes } of records) {
      room -= sizeOf(addedNodes);
      if (room < 0) return void refused();
    }
  });
  const begin = () => {
    if (refused()) return;
    guard.observe(document, { childList: true, subtree: true });
    stop = rrweb({
      emit(event) {
        if (emptyFrame(event)) return;
        scrubEvent(settings, event);
        const whole = event.type === EventType.FullSnapshot || event.type === EventType.Meta;
        settings.emit(whole ? "full_snapshot" : "mutation", event, event.timestamp);
        if (whole) {
          changes = 0;
          taken = event.timestamp;
        } else if (++changes >= CHECKPOINT && event.timestamp - taken >= CHECKPOINT_MS) {
          rrweb.takeFullSnapshot(true);
        }
      },
      blockClass: "gosight-block",
      blockSelector: settings.blocked,
      maskTextClass: "gosight-mask",
      maskTextSelector: settings.masked,
      maskTextFn: mask,
      // By tag, not by type: rrweb's list of types leaves out hidden and new ones.
      maskInputOptions: FIELDS,
      maskInputFn: (text, element) =>
        element.hasAttribute("data-gosight-unmask") && !secret(element) ? text : mask(text),
      inlineStylesheet: settings.inlineStyles,
      recordCanvas: settings.canvas,
      slimDOMOptions: "all",
      // `pointer`, `scroll` and `click` events are the measure; a player needs only what the eye would miss.
      sampling: {
        mousemove: 100,
        mousemoveCallback: 1_000,
        mouseInteraction: { MouseDown: false, MouseUp: false },
        scroll: 250,
        input: "last",
        media: 800,
      },
      errorHandler: () => true,
    });
  };
  begin();
  return { snapshot: () => (stop ? rrweb.takeFullSnapshot(true) : begin()), stop: end };
}

/** How many nodes came, with what is in them: of so many that counting the whole page is quicker, no end. */
function sizeOf(nodes: NodeList): number {
  let size = nodes.length;
  if (size > LEAST_ROOM) return Number.POSITIVE_INFINITY;
  for (const node of nodes)
    if (node.hasChildNodes()) size += (node as Element).getElementsByTagName("*").length;
  return size;
}

const secret = (element: HTMLElement) => /password|hidden/.test((element as HTMLInputElement).type);
