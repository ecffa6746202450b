import type { TextKey } from "../i18n/en";

/** The kinds that have a name, a mark and a colour, the gravest first. */
export const kinds = [
  "rage_click",
  "error_click",
  "dead_click",
  "unresponsive_click",
  "thrashed_cursor",
  "quick_back",
  "excessive_scroll",
  "u_turn",
] as const;

export type Kind = (typeof kinds)[number];

export const isKind = (kind: string): kind is Kind => (kinds as readonly string[]).includes(kind);

/** The key of a kind's name; a kind that this version does not know shows as it is written. */
export const kindKey = (kind: string): TextKey | null => (isKind(kind) ? `kind.${kind}` : null);

/** The kind's colour as a CSS value. */
export const kindColor = (kind: string): string => `var(--kind-${isKind(kind) ? kind : "other"})`;

/** Known kinds in their order, then the others. */
export function byGravity(a: string, b: string): number {
  const rank = (kind: string) => (isKind(kind) ? kinds.indexOf(kind) : kinds.length);
  return rank(a) - rank(b) || a.localeCompare(b);
}
