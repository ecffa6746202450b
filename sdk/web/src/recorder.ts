// The recorder chunk: rrweb, told what may not be seen.
import { record as rrweb } from "@rrweb/record";
import { mask } from "./clean.ts";

export interface RecorderSettings {
  emit(type: "full_snapshot" | "mutation", json: string, timestamp: number): void;
  /** Selector of elements whose text is masked. */
  masked: string;
  /** Selector of elements that are left out, but for their size. */
  blocked: string;
  maskAllText: boolean;
  url(url: string): string;
  canvas: boolean;
  inlineStyles: boolean;
}

export interface Recorder {
  snapshot(): void;
  stop(): void;
}

export interface RecorderModule {
  record(settings: RecorderSettings): Recorder;
}

/** The agent takes no replay event over 16 MiB. */
const LARGEST = 15 << 20;
const FIELDS = { input: true, textarea: true, select: true };

export function record(settings: RecorderSettings): Recorder {
  const stop = rrweb({
    emit(event) {
      // rrweb's types 2 and 4 are the snapshot and the meta before it.
      if (event.type === 4) event.data.href = settings.url(event.data.href);
      const json = JSON.stringify(event);
      if (json.length > LARGEST) return;
      settings.emit(
        event.type === 2 || event.type === 4 ? "full_snapshot" : "mutation",
        json,
        event.timestamp,
      );
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
    sampling: { mousemove: 50, mousemoveCallback: 1_000, scroll: 150, input: "last", media: 800 },
    errorHandler: () => true,
  });
  return { snapshot: () => rrweb.takeFullSnapshot(true), stop: () => stop?.() };
}

const secret = (element: HTMLElement) => /password|hidden/.test((element as HTMLInputElement).type);
