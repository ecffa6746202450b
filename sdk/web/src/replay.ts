// Loads the recorder when the page has nothing better to do, and carries what it records.
import { whenIdle } from "./chunks.ts";
import { cleanUrl } from "./clean.ts";
import type { Settings } from "./options.ts";
import type { Page } from "./page.ts";
import type { Recorder } from "./recorder.ts";
import { quietly } from "./scope.ts";
import type { Body } from "./wire.ts";

export interface ReplayLine {
  /** Sampling is by session, and a page may see several. */
  wanted(): boolean;
  emit(type: string, event: object, timestamp: number): void;
  onNewSession(fn: () => void): void;
  /** How batches of it are written; without, as all events are. */
  body(make: (() => Body) | undefined): void;
  /** Runs where an agent has acknowledged a batch and not its replay: it is older than this form of it. */
  onPassedOver(fn: () => void): void;
}

export function replay(page: Page, options: Exclude<Settings["replay"], false>, line: ReplayLine): void {
  let recorder: Recorder | undefined;
  const load = async () => {
    if (!line.wanted() || !page.scope.open) return;
    const { record, ReplayColumns } = await page.settings.chunks.recorder();
    if (!page.scope.open) return;
    line.body(() => new ReplayColumns());
    let plain = false;
    line.onPassedOver(() => {
      if (plain) return;
      plain = true;
      line.body(undefined);
      quietly(() => recorder?.snapshot());
    });
    recorder = record({
      ...options,
      emit: (type, event, timestamp) => {
        if (line.wanted()) line.emit(type, event, timestamp);
      },
      masked: page.masked,
      blocked: page.blocked,
      url: (url) => cleanUrl(url, page.settings),
      refuse: (nodes) => page.emit("custom", { name: "gosight_replay_refused", props: { nodes } }),
    });
  };
  const soon = () => whenIdle(() => void load().catch(() => undefined));
  soon();
  // A new session has nothing to build on: it needs a snapshot of its own.
  line.onNewSession(() => {
    if (recorder) recorder.snapshot();
    else soon();
  });
  page.scope.listen<PageTransitionEvent>(window, "pageshow", (event) => {
    if (event.persisted) recorder?.snapshot();
  });
  page.scope.add(() => quietly(() => recorder?.stop()));
}
