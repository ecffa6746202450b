// Composes a page's recording: consent and sampling, session, batches, delivery, features.
import { Batches, type Lane } from "./batches.ts";
import { whenIdle } from "./chunks.ts";
import { cleanUrl } from "./clean.ts";
import { Delivery } from "./delivery.ts";
import type { Settings } from "./options.ts";
import type { Emit, Feature, Page } from "./page.ts";
import { replay } from "./replay.ts";
import { quietly, Scope } from "./scope.ts";
import { randomId, type Session, Sessions, shelf } from "./session.ts";
import { SDK_VERSION } from "./version.ts";
import { eventId, type Metadata } from "./wire.ts";

/** What a site may call after `start`. Every call is safe at any time, and none throws. */
export interface GoSight {
  /** Names the visitor, as the site calls them, and tells what else is known of them. */
  identify(userId: string, traits?: Record<string, unknown>): void;
  /** Records an event of the site's own. */
  track(name: string, props?: Record<string, unknown>): void;
  /** The visitor agrees: recording begins, here and on later pages. */
  optIn(): void;
  /** The visitor does not agree: recording ends, here and on later pages, and what was not sent is deleted. */
  optOut(): void;
  /** Ends recording on this page; what is at hand is sent. */
  stop(): void;
  /** The visit, or "" where none is recorded. */
  sessionId(): string;
}

/** Characters of an event's payload; the agent takes 64 KiB. */
const LARGEST = 20_000;
const CONSENT = "gosight.consent";

export class Client implements GoSight {
  #recording: Recording | undefined;
  #consent = shelf(CONSENT);
  #sessions: Sessions;

  constructor(
    private readonly settings: Settings,
    private readonly features: Feature[],
  ) {
    this.#sessions = new Sessions(shelf("gosight.session", settings.cookieDomain), settings.sampling);
    const begin = () => quietly(() => this.#begin());
    // A prerendered page has no visitor yet.
    if ((document as { prerendering?: boolean }).prerendering) {
      document.addEventListener("prerenderingchange", begin, { once: true });
    } else begin();
  }

  #begin(): void {
    if (this.#recording || this.#refused()) return;
    this.#recording = new Recording(this.settings, this.#sessions, this.features, this.#choice());
  }

  #choice(): string {
    return this.#consent.read() || (this.settings.consent ?? "implied");
  }

  #refused(): boolean {
    const { doNotTrack, globalPrivacyControl } = navigator as Navigator & { globalPrivacyControl?: boolean };
    const signalled = doNotTrack === "1" || globalPrivacyControl === true;
    const choice = this.#choice();
    return (
      (signalled && this.settings.honourPrivacySignals !== false) ||
      choice === "denied" ||
      choice === "required"
    );
  }

  identify(userId: string, traits: Record<string, unknown> = {}): void {
    quietly(() => {
      if (!this.#recording) return;
      this.#sessions.identify(String(userId).slice(0, 256), Date.now());
      this.#recording.emit("identify", { traits }, { urgent: true });
    });
  }

  track(name: string, props: Record<string, unknown> = {}): void {
    quietly(() => this.#recording?.emit("custom", { name, props }, { urgent: true }));
  }

  optIn(): void {
    quietly(() => {
      this.#consent.write("granted");
      this.#begin();
    });
  }

  optOut(): void {
    quietly(() => {
      this.#consent.write("denied");
      this.#recording?.end(true);
      this.#recording = undefined;
      this.#sessions.end();
    });
  }

  stop(): void {
    quietly(() => this.#recording?.end(false));
    this.#recording = undefined;
  }

  sessionId(): string {
    return quietly(() => this.#recording && this.#sessions.at(Date.now(), false)?.id) ?? "";
  }
}

/** Asking Intl takes 10 ms and more, the first time in a page; Temporal is there in new browsers. */
const timeZone = (): string =>
  (window as { Temporal?: { Now: { timeZoneId(): string } } }).Temporal?.Now.timeZoneId() ??
  Intl.DateTimeFormat().resolvedOptions().timeZone;

/** From start or opt-in to stop, opt-out or the end of the page. */
class Recording implements Page {
  readonly scope = new Scope();
  readonly masked: string;
  readonly blocked: string;
  pointer?: [x: number, y: number];
  readonly pageId = randomId(8);
  #serial = 0;
  #dropped = 0;
  #hiders: ((leaving: boolean) => void)[] = [];
  #rotated: (() => void)[] = [];
  #session: Session | undefined;
  #batches: Batches;
  #delivery: Delivery;
  #lastUrl = ["", ""];
  #environment: { language: string; consent: string; sdk: string } & Metadata;
  #told = "";

  constructor(
    readonly settings: Settings,
    readonly sessions: Sessions,
    features: Feature[],
    consent: string,
  ) {
    // Where one may type anywhere, what was typed is text of the page.
    const masked = [
      "[data-gosight-mask]",
      "[contenteditable]:not([contenteditable=false])",
      settings.maskSelector,
    ];
    this.masked = settings.maskAllText ? "*" : masked.filter(Boolean).join();
    this.blocked = ["[data-gosight-block]", settings.blockSelector].filter(Boolean).join();
    this.#environment = {
      language: navigator.language,
      tz: timeZone(),
      referrer: cleanUrl(document.referrer, settings),
      screen: `${screen.width}x${screen.height}@${devicePixelRatio}`,
      consent,
      sdk: "web",
      sdk_version: SDK_VERSION,
    };
    this.#delivery = new Delivery(settings, (events) => {
      this.#dropped += events;
    });
    this.#batches = new Batches(this.pageId, (parcel) => this.#delivery.send(parcel));
    // The visitor opened a page: that begins a visit, or goes on with one.
    this.#session = sessions.at(Date.now(), true);
    for (const feature of features) quietly(() => feature(this));
    if (settings.replay) {
      replay(this, settings.replay, {
        wanted: () => !!this.#session?.replay,
        emit: (type, event, timestamp) =>
          this.#add("replay", type, event, { timestamp, urgent: type === "full_snapshot" }),
        onNewSession: (fn) => this.#rotated.push(fn),
        body: (make) => {
          this.#batches.replayBody = make;
        },
        onPassedOver: (fn) => {
          this.#delivery.passedOver = fn;
        },
      });
    }
    // Hidden is the last that a page on a phone may hear of; pagehide is the last on a desktop.
    this.scope.listen(
      document,
      "visibilitychange",
      () => document.visibilityState === "hidden" && this.#hide(false),
    );
    this.scope.listen(window, "pagehide", () => this.#hide(true));
    whenIdle(() => this.#delivery.start());
  }

  emit(type: string, payload: object, how: Emit = {}): string | undefined {
    return this.#add("events", type, JSON.stringify(payload), how);
  }

  onHide(fn: (leaving: boolean) => void): void {
    this.#hiders.push(fn);
  }

  url(url = location.href): string {
    if (this.#lastUrl[0] !== url) this.#lastUrl = [url, cleanUrl(url, this.settings)];
    return this.#lastUrl[1] as string;
  }

  end(forget: boolean): void {
    if (!forget) this.#hide(true);
    this.scope.close();
    this.#batches.clear();
    void this.#delivery.stop(forget);
  }

  #add(lane: Lane, type: string, payload: string | object, how: Emit): string | undefined {
    if (!this.scope.open) return undefined;
    // The agent would refuse it.
    if (typeof payload === "string" && payload.length > LARGEST) {
      this.#dropped++;
      return undefined;
    }
    const timestamp = how.timestamp ?? Date.now();
    const session = this.sessions.at(Date.now(), !!how.active);
    if (!session?.sampled) return undefined;
    const before = this.#session?.id;
    this.#session = session;
    const serial = this.#serial++;
    const event = { type, payload, timestamp, serial, url: this.url() };
    this.#batches.add(lane, event, session.id, session.user, () => this.#header(session), !!how.urgent);
    if (before && before !== session.id) for (const fn of this.#rotated) quietly(fn);
    return eventId(this.pageId, serial);
  }

  #header(session: Session) {
    const dropped = this.#dropped;
    // The rest is said once a page and visit: most batches are small, and would be half metadata.
    const { language, consent, sdk } = this.#environment;
    const environment = this.#told === session.id ? { language, consent, sdk } : this.#environment;
    this.#told = session.id;
    this.#dropped = 0;
    return {
      sessionId: session.id,
      userId: session.user,
      metadata: {
        url: this.url(),
        page_id: this.pageId,
        ...environment,
        ...(dropped ? { dropped: String(dropped) } : {}),
      },
    };
  }

  #hide(leaving: boolean): void {
    for (const fn of this.#hiders) quietly(() => fn(leaving));
    this.sessions.save(Date.now());
    this.#delivery.hurry(() => this.#batches.seal());
  }
}
