// One visit: it ends after 30 minutes without the visitor's doing, or after 24 hours. All tabs of a site share it.

export const IDLE_MS = 30 * 60_000;
export const LONGEST_MS = 24 * 3_600_000;
/** Other tabs may have begun a new session: look at most this often. */
const FRESH_MS = 1_000;
const WRITE_MS = 5_000;

export interface Session {
  id: string;
  started: number;
  /** When the visitor last did something. */
  last: number;
  user: string;
  sampled: boolean;
  replay: boolean;
}

/** Where the session is shared: localStorage, a cookie, or this page alone. */
export interface Shelf {
  read(): string | null;
  write(value: string): void;
}

export interface Draw {
  sessions: number;
  replay: number;
}

/** Pure: does the visit still go on at `now`? A clock set back by over an hour ends it too. */
export const continues = (session: Session, now: number): boolean =>
  now - session.last < IDLE_MS && now - session.started < LONGEST_MS && now > session.started - 3_600_000;

export const randomId = (length: number): string => {
  let id = "";
  for (const byte of crypto.getRandomValues(new Uint8Array(length))) id += (byte % 36).toString(36);
  return id;
};

/** Sorts by time and cannot collide: milliseconds and 83 random bits, base 36. */
export const newSession = (now: number, user: string, draw: Draw, random: () => number): Session => {
  const sampled = random() < draw.sessions;
  return {
    id: now.toString(36) + randomId(16),
    started: now,
    last: now,
    user,
    sampled,
    replay: sampled && random() < draw.replay,
  };
};

const pack = (s: Session): string =>
  [s.id, s.started, s.last, +s.sampled, +s.replay, encodeURIComponent(s.user)].join("|");

export function unpack(text: string | null): Session | undefined {
  const [id, started, last, sampled, replay, user] = (text ?? "").split("|");
  if (!id || !started || user === undefined || !last || !(+last > 0)) return undefined;
  return {
    id,
    started: +started,
    last: +last,
    sampled: sampled === "1",
    replay: replay === "1",
    user: decodeURIComponent(user),
  };
}

export class Sessions {
  #session: Session | undefined;
  #read = 0;
  #written = 0;

  constructor(
    private readonly shelf: Shelf,
    private readonly draw: Draw,
    private readonly random: () => number = Math.random,
  ) {}

  /**
   * The session at `now`. The visitor's doing (`active`) prolongs it, and begins a new one where the old one has
   * ended; what happens by itself never does: then there may be none.
   */
  at(now: number, active: boolean): Session | undefined {
    if (!this.#session || now - this.#read > FRESH_MS || now < this.#read) {
      this.#read = now;
      this.#session = unpack(this.shelf.read()) ?? this.#session;
    }
    let session = this.#session;
    if (!session || !continues(session, now)) {
      if (!active) return undefined;
      session = newSession(now, session?.user ?? "", this.draw, this.random);
      this.#session = session;
      this.#write(now);
    } else if (active) {
      session.last = now;
      if (now - this.#written > WRITE_MS) this.#write(now);
    }
    return session;
  }

  identify(user: string, now: number): void {
    const session = this.at(now, true);
    if (!session || session.user === user) return;
    session.user = user;
    this.#write(now);
  }

  /** Forgets the visit here and on the shelf. */
  end(): void {
    this.#session = undefined;
    this.shelf.write("");
  }

  save(now: number): void {
    if (this.#session && unpack(this.shelf.read())?.id === this.#session.id) this.#write(now);
  }

  #write(now: number): void {
    this.#written = now;
    if (this.#session) this.shelf.write(pack(this.#session));
  }
}

/** localStorage where it may be used, which throws in sandboxed frames and where storage is switched off. */
export function shelf(name: string, cookieDomain?: string): Shelf {
  let own: string | null = null;
  if (cookieDomain) {
    return {
      read: () => new RegExp(`(?:^|; )${name}=([^;]+)`).exec(document.cookie)?.[1] ?? own,
      write(value) {
        own = value;
        // biome-ignore lint/suspicious/noDocumentCookie: the Cookie Store API is asynchronous, and not everywhere.
        document.cookie = `${name}=${value};domain=${cookieDomain};path=/;max-age=86400;samesite=lax`;
      },
    };
  }
  return {
    read() {
      try {
        return localStorage.getItem(name) ?? own;
      } catch {
        return own;
      }
    },
    write(value) {
      own = value;
      try {
        localStorage.setItem(name, value);
      } catch {
        // Full or forbidden: the session lives as long as the page.
      }
    },
  };
}
