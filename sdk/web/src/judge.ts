// Did a click cause a change, or did it only stand beside it? Pure.

export const DEADLINE_MS = 2_500;
/** What comes this soon after a click, from a region at rest, is the click's. */
const PROMPT_MS = 100;
/** Changes this soon after the answer to a request are that answer's doing. */
const RESPONSE_MS = 150;
const APART_MS = 250;

export type Kind =
  | "mutation"
  | "navigation"
  | "scroll"
  | "focus"
  | "selection"
  | "input"
  | "network"
  | "download"
  | "none";

export interface Change {
  kind: Kind;
  /** Milliseconds, on the same clock as the click. */
  at: number;
  region: object;
  sign: string;
  /** It happened while the click's own listeners ran. */
  direct: boolean;
  /** How often this region had changed by itself before. */
  rhythm: number;
  /** The document was still loading, and so changing for reasons of its own. */
  loading: boolean;
}

export interface Evidence {
  at: number;
  interactive: boolean;
  changes: Change[];
  /** When requests that the click made were answered. */
  responses: number[];
}

/** The first change that the click caused, if any. Doubtful ones wait for the deadline (`final`). */
export function causedBy(evidence: Evidence, final: boolean): Change | undefined {
  return evidence.changes.find((change) => caused(change, evidence, final));
}

function caused(change: Change, { at, interactive, changes, responses }: Evidence, final: boolean): boolean {
  if (change.direct) return true;
  if (responses.some((response) => change.at >= response && change.at - response <= RESPONSE_MS)) return true;
  if (change.rhythm > 1) return false;
  if (change.at - at <= PROMPT_MS && (interactive || !change.rhythm)) return true;
  // A control was clicked: a late change elsewhere is its answer unless shown otherwise. On dead ground it is
  // the other way round: only a single change, of something never seen to change alone, will do.
  const again = changes.filter(
    (other) => other.region === change.region && other.sign === change.sign && apart(other, change),
  ).length;
  if (interactive) return again < 2 || (final && change.at - at <= 2 * PROMPT_MS);
  return final && !change.rhythm && !change.loading && again === 0;
}

const apart = (a: Change, b: Change): boolean => Math.abs(a.at - b.at) > APART_MS;
