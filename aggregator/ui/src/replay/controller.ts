import type { eventWithTime } from "@rrweb/types";
import { Replayer, ReplayerEvents } from "rrweb";
import "rrweb/dist/style.css";

/** A run of rrweb events with their ids; next is the cursor of the run after it, "" where nothing more is stored. */
export interface Chunk {
  ids: string[];
  events: eventWithTime[];
  next: string;
}

export type LoadChunk = (at: { from?: number; cursor?: string }) => Promise<Chunk>;

export interface PlayerState {
  /** empty: the visit has no replay (yet); buffering: the moment asked for is being loaded. */
  status: "loading" | "ready" | "buffering" | "empty" | "error";
  playing: boolean;
  /** Plays what arrives, as it arrives. */
  following: boolean;
  /** The moment on screen, Unix milliseconds. */
  now: number;
  speed: number;
  skipping: boolean;
  error?: Error;
}

/** How much is loaded ahead of the playhead (ms). */
const ahead = 90_000;
/** How far following stays behind the newest event, so that late ones still find their place (ms). */
const followDelay = 1000;

/**
 * Plays one visit in a place of the document. Times are Unix milliseconds, whatever chunk rrweb's player was built
 * from: a seek outside of what is loaded builds it anew from the nearest checkpoint.
 */
export class ReplayController {
  private state: PlayerState;
  private readonly listeners = new Set<() => void>();
  private replayer: Replayer | null = null;
  private events: eventWithTime[] = [];
  private ids = new Set<string>();
  private next = "";
  private generation = 0;
  private filling = false;
  private frame = 0;
  private skipInactive = true;
  private size = { width: 1280, height: 800 };
  private readonly observer: ResizeObserver;

  constructor(
    private readonly stage: HTMLElement,
    private readonly load: LoadChunk,
    private readonly title: string,
    start: number,
  ) {
    this.state = {
      status: "loading",
      playing: false,
      following: false,
      now: start,
      speed: 1,
      skipping: false,
    };
    this.observer = new ResizeObserver(() => this.fit());
    this.observer.observe(stage);
  }

  readonly subscribe = (listener: () => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };
  readonly snapshot = () => this.state;

  private set(change: Partial<PlayerState>) {
    this.state = { ...this.state, ...change };
    for (const listener of this.listeners) listener();
  }

  /** Shows the moment, loading it first where needed; keeps playing if it was. */
  async seek(at: number, play = this.state.playing) {
    const first = this.events[0]?.timestamp;
    const last = this.events.at(-1)?.timestamp;
    this.set({ now: at, playing: play, following: false });
    if (this.replayer && !this.live && first !== undefined && last !== undefined) {
      // Behind the last stored event nothing changes any more: that is loaded, too.
      if (at >= first && (at <= last || !this.next)) return this.show(at, play);
    }
    await this.open(at, play);
  }

  private live = false;

  /** Builds the player from the checkpoint at or before the moment. */
  private async open(at: number, play: boolean, live = false) {
    const generation = ++this.generation;
    this.set({ status: this.replayer ? "buffering" : "loading" });
    try {
      let chunk = await this.load({ from: at });
      // Following needs everything since the checkpoint; seeking needs enough to reach the moment.
      while (chunk.next && (live || (chunk.events.at(-1)?.timestamp ?? at) < at || chunk.events.length < 2)) {
        const more = await this.load({ cursor: chunk.next });
        chunk = {
          ids: [...chunk.ids, ...more.ids],
          events: [...chunk.events, ...more.events],
          next: more.next,
        };
        if (generation !== this.generation) return;
      }
      if (generation !== this.generation) return;
      this.destroyReplayer();
      this.ids = new Set(chunk.ids);
      this.events = chunk.events;
      this.next = chunk.next;
      if (chunk.events.length < 2) {
        this.set({ status: "empty", playing: false, following: live });
        return;
      }
      this.live = live;
      this.replayer = live ? this.buildLive() : this.build(chunk.events);
      this.set({ status: "ready", following: live, playing: live || play });
      if (!live) this.show(at, play);
      this.run();
    } catch (cause) {
      if (generation !== this.generation) return;
      this.set({
        status: "error",
        error: cause instanceof Error ? cause : new Error(String(cause)),
        playing: false,
      });
    }
  }

  private options() {
    return {
      root: this.stage,
      speed: this.state.speed,
      skipInactive: this.skipInactive,
      mouseTail: { strokeStyle: "rgb(70 203 185 / 70%)", lineWidth: 2 },
      showWarning: false,
      triggerFocus: false,
    };
  }

  private build(events: eventWithTime[]): Replayer {
    // The player keeps the array and adds to it; ours must grow with it and not twice.
    const replayer = new Replayer([...events], this.options());
    this.wire(replayer);
    replayer.on(ReplayerEvents.Finish, () => this.finished());
    replayer.on(ReplayerEvents.SkipStart, () => this.set({ skipping: true }));
    replayer.on(ReplayerEvents.SkipEnd, () => this.set({ skipping: false }));
    return replayer;
  }

  private buildLive(): Replayer {
    // A live player applies what is behind its clock at once, which the virtual DOM is not made for.
    const replayer = new Replayer([], { ...this.options(), speed: 1, liveMode: true, useVirtualDom: false });
    this.wire(replayer);
    const newest = this.events.at(-1)?.timestamp ?? Date.now();
    replayer.startLive(newest - followDelay);
    for (const event of this.events) replayer.addEvent(event);
    this.liveStart = { event: newest - followDelay, clock: performance.now() };
    return replayer;
  }

  private liveStart = { event: 0, clock: 0 };

  private wire(replayer: Replayer) {
    replayer.iframe.title = this.title;
    replayer.iframe.tabIndex = -1;
    replayer.on(ReplayerEvents.Resize, (size) => {
      this.size = size as { width: number; height: number };
      this.fit();
    });
    this.fit();
  }

  /** Scales the recorded viewport into the stage. */
  private fit() {
    const wrapper = this.replayer?.wrapper;
    if (!wrapper) return;
    const { width, height } = this.stage.getBoundingClientRect();
    const scale = Math.min(width / this.size.width, height / this.size.height);
    wrapper.style.transform = `translate(-50%, -50%) scale(${scale})`;
    wrapper.style.width = `${this.size.width}px`;
    wrapper.style.height = `${this.size.height}px`;
  }

  private show(at: number, play: boolean) {
    const first = this.events[0];
    if (!this.replayer || !first) return;
    // The player shows what came before a moment; what came at it belongs to it, most of all at the very end.
    const offset = Math.max(0, at - first.timestamp) + 1;
    if (play) this.replayer.play(offset);
    else this.replayer.pause(offset);
    this.set({ playing: play, now: at, status: "ready" });
    this.run();
    void this.fill();
  }

  /** Loads what comes next, up to a good piece ahead of the playhead. */
  private async fill() {
    if (this.filling) return;
    this.filling = true;
    const generation = this.generation;
    try {
      while (this.next && generation === this.generation) {
        if ((this.events.at(-1)?.timestamp ?? 0) > this.state.now + ahead * this.state.speed) break;
        const chunk = await this.load({ cursor: this.next });
        if (generation !== this.generation) return;
        this.next = chunk.next;
        this.add(chunk);
        if (this.state.status === "buffering") this.show(this.state.now, true);
      }
    } catch (cause) {
      this.set({
        status: "error",
        error: cause instanceof Error ? cause : new Error(String(cause)),
        playing: false,
      });
    } finally {
      this.filling = false;
    }
  }

  /** Takes events that the visit just produced, or that a chunk brought; known ones are left out. */
  add(chunk: { ids: string[]; events: eventWithTime[] }) {
    const fresh = chunk.events.filter((_, i) => {
      const id = chunk.ids[i] ?? "";
      return !this.ids.has(id) && this.ids.add(id);
    });
    for (const event of fresh) {
      this.events.push(event);
      this.replayer?.addEvent(event);
    }
    if (fresh.length > 0) this.events.sort((a, b) => a.timestamp - b.timestamp);
  }

  /** What a stream brings for a visit in progress. While older chunks are still to come it is left to them. */
  arrive(chunk: { ids: string[]; events: eventWithTime[] }) {
    if (this.state.status === "empty") {
      void (this.state.following ? this.follow() : this.open(this.state.now, this.state.playing));
      return;
    }
    if (!this.next) this.add(chunk);
  }

  private finished() {
    if (!this.state.playing) return;
    if (this.next) {
      this.set({ status: "buffering" });
      void this.fill();
      return;
    }
    this.set({ playing: false, skipping: false, now: this.events.at(-1)?.timestamp ?? this.state.now });
  }

  play() {
    const last = this.events.at(-1)?.timestamp ?? 0;
    const first = this.events[0]?.timestamp ?? 0;
    const ended = !this.next && this.state.now >= last - 20;
    void this.seek(ended ? first : this.state.now, true);
  }

  pause() {
    if (this.live) {
      void this.seek(this.state.now, false);
      return;
    }
    this.replayer?.pause();
    this.set({ playing: false, skipping: false });
  }

  toggle() {
    if (this.state.playing) this.pause();
    else this.play();
  }

  /** Shows the visit as it happens. */
  async follow() {
    this.set({ following: true });
    await this.open(Date.now(), true, true);
  }

  setSpeed(speed: number) {
    if (!this.live) this.replayer?.setConfig({ speed });
    this.set({ speed });
  }

  setSkipInactive(skip: boolean) {
    this.skipInactive = skip;
    this.replayer?.setConfig({ skipInactive: skip });
    if (!skip) this.set({ skipping: false });
  }

  /** Follows the clock while playing. */
  private run() {
    cancelAnimationFrame(this.frame);
    const tick = () => {
      if (!this.replayer || !this.state.playing) return;
      const now = this.live
        ? Math.min(this.liveStart.event + performance.now() - this.liveStart.clock, Date.now())
        : (this.events[0]?.timestamp ?? 0) + this.replayer.getCurrentTime();
      // Ten times a second is as fine as anybody sees.
      if (Math.abs(now - this.state.now) > 90) {
        this.set({ now });
        void this.fill();
      }
      this.frame = requestAnimationFrame(tick);
    };
    this.frame = requestAnimationFrame(tick);
  }

  private destroyReplayer() {
    cancelAnimationFrame(this.frame);
    this.replayer?.destroy();
    this.replayer = null;
  }

  destroy() {
    this.generation++;
    this.observer.disconnect();
    this.destroyReplayer();
    this.listeners.clear();
  }
}
