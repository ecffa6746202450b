// What a feature has to do with: the page being recorded, and the way its events take.
import type { Settings } from "./options.ts";
import type { Scope } from "./scope.ts";
import type { Sessions } from "./session.ts";

export interface Emit {
  /** Goes to the agent within a fifth of a second, not at the next round (of 2.5 s). */
  urgent?: boolean;
  /** The visitor did this: it prolongs the visit, or begins a new one. */
  active?: boolean;
  timestamp?: number;
}

export interface Page {
  readonly settings: Settings;
  readonly scope: Scope;
  readonly sessions: Sessions;
  /** One document's life, in the metadata of its events. */
  readonly pageId: string;
  /** Selector of elements whose text is masked. */
  readonly masked: string;
  /** Selector of elements that are left out. */
  readonly blocked: string;
  /** Where the pointer was last seen. */
  pointer?: [x: number, y: number];
  /** Records an event; returns its id, or nothing where no visit is being recorded. */
  emit(type: string, payload: object, how?: Emit): string | undefined;
  /** Runs once as the page goes or hides, before what is at hand is sent. */
  onHide(fn: (leaving: boolean) => void): void;
  /** The address as it may be recorded. */
  url(url?: string): string;
}

/** One kind of capture. It undoes itself through `page.scope`. */
export type Feature = (page: Page) => void;
