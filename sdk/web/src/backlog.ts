// Parcels that no agent has acknowledged yet, kept through reloads: IndexedDB for the run of them, localStorage
// for the few that are at hand when a page goes, since only that is written before the page is gone.
import type { Parcel } from "./batches.ts";

/** More than this is not kept: the oldest replay goes first, then the oldest events; each is counted. */
const KEEP_BYTES = 8 << 20;
const STASH_CHARS = 1 << 20;
const STASH = "gosight.stash.";

const settled = <T>(request: IDBRequest<T>): Promise<T> =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

export class Backlog {
  #database: Promise<IDBDatabase | undefined> | undefined;
  /** Stands in where IndexedDB is switched off. */
  #memory = new Map<string, Parcel>();

  constructor(private readonly dropped: (events: number) => void) {}

  #store(mode: IDBTransactionMode): Promise<IDBObjectStore | undefined> {
    this.#database ??= (async () => {
      try {
        const opening = indexedDB.open("gosight", 1);
        opening.onupgradeneeded = () => opening.result.createObjectStore("parcels", { keyPath: "id" });
        return await settled(opening);
      } catch {
        return undefined;
      }
    })();
    return this.#database.then((db) => db?.transaction("parcels", mode).objectStore("parcels"));
  }

  /** Resolves when the parcel is on disk. Ids begin with the time, so that they sort by age. */
  async put(parcel: Parcel): Promise<void> {
    const store = await this.#store("readwrite").catch(() => undefined);
    if (store) await settled(store.put(parcel));
    else this.#memory.set(parcel.id, parcel);
  }

  async delete(id: string): Promise<void> {
    this.#memory.delete(id);
    const store = await this.#store("readwrite").catch(() => undefined);
    if (store) await settled(store.delete(id));
  }

  /** All of it, events before replay, oldest first. What is over the limit is dropped here. */
  async all(): Promise<Parcel[]> {
    const store = await this.#store("readonly").catch(() => undefined);
    const found = store ? ((await settled(store.getAll())) as Parcel[]) : [...this.#memory.values()];
    found.sort((a, b) => (a.lane === b.lane ? (a.id < b.id ? -1 : 1) : a.lane === "events" ? -1 : 1));
    let room = KEEP_BYTES;
    const kept: Parcel[] = [];
    for (const parcel of [...newestFirst(found, "events"), ...newestFirst(found, "replay")]) {
      room -= parcel.body.length;
      if (room > 0) kept.push(parcel);
      else {
        this.dropped(parcel.count);
        await this.delete(parcel.id);
      }
    }
    return found.filter((parcel) => kept.includes(parcel));
  }

  async clear(): Promise<void> {
    this.#memory.clear();
    for (const key of stashKeys()) localStorage.removeItem(key);
    const store = await this.#store("readwrite").catch(() => undefined);
    if (store) await settled(store.clear());
  }
}

const newestFirst = (parcels: Parcel[], lane: string) => parcels.filter((p) => p.lane === lane).reverse();

function stashKeys(): string[] {
  try {
    return Object.keys(localStorage).filter((key) => key.startsWith(STASH));
  } catch {
    return [];
  }
}

/** Written at once, byte for character, where there is room. */
export function stash(parcel: Parcel): void {
  let text = `${parcel.lane} ${parcel.count} `;
  if (parcel.body.length > STASH_CHARS) return;
  for (let at = 0; at < parcel.body.length; at += 8192) {
    text += String.fromCharCode(...parcel.body.subarray(at, at + 8192));
  }
  try {
    localStorage.setItem(STASH + parcel.id, text);
  } catch {
    // It stays in memory.
  }
}

export function unstash(id: string): void {
  try {
    localStorage.removeItem(STASH + id);
  } catch {
    // Storage is switched off: nothing was stashed.
  }
}

/** What earlier pages left behind. It stays there until `unstash`. */
export function stashed(): Parcel[] {
  return stashKeys().flatMap((key) => {
    const [, lane, count, text] =
      /^(events|replay) (\d+) ([\s\S]*)$/.exec(localStorage.getItem(key) ?? "") ?? [];
    if (!lane || text === undefined) {
      localStorage.removeItem(key);
      return [];
    }
    const body = Uint8Array.from(text, (char) => char.charCodeAt(0));
    return [{ id: key.slice(STASH.length), lane: lane as Parcel["lane"], body, count: Number(count) }];
  });
}
