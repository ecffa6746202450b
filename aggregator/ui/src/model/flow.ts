import type { PathLink } from "../api/client";

/** A page at one step of the way; step 0 is the page that was asked about. */
export interface FlowNode {
  id: string;
  step: number;
  /** An address; "" where the visit ended (or began); other where the rare pages of a step stand together. */
  page: string;
  other: boolean;
}

export interface Flow {
  nodes: FlowNode[];
  links: { source: string; target: string; value: number }[];
}

/**
 * Moves as a graph in columns, left to right in the order in which visits took them. A column shows its `top` most
 * frequent pages; the others stand together, so that nothing is left out of the sums.
 */
export function flow(found: PathLink[], page: string, direction: "from" | "to", top = 7): Flow {
  const near = (link: PathLink) => (direction === "from" ? link.from : link.to);
  const far = (link: PathLink) => (direction === "from" ? link.to : link.from);
  const sums = new Map<number, Map<string, number>>();
  for (const link of found) {
    const column = sums.get(link.step) ?? new Map<string, number>();
    column.set(far(link), (column.get(far(link)) ?? 0) + link.sessions);
    sums.set(link.step, column);
  }
  const shown = new Map<number, Set<string>>();
  for (const [step, column] of sums) {
    const ordered = [...column].sort((a, b) => b[1] - a[1] || a[0].localeCompare(b[0]));
    shown.set(step, new Set(ordered.slice(0, top).map(([name]) => name)));
  }
  const nodes = new Map<string, FlowNode>();
  const node = (step: number, name: string): string => {
    const other = step > 0 && !shown.get(step)?.has(name);
    const id = other ? `${step} other` : `${step} ${name}`;
    if (!nodes.has(id)) nodes.set(id, { id, step, page: other ? "" : name, other });
    return id;
  };
  const links = new Map<string, { source: string; target: string; value: number }>();
  for (const link of [...found].sort((a, b) => a.step - b.step)) {
    const [a, b] = [node(link.step - 1, link.step === 1 ? page : near(link)), node(link.step, far(link))];
    const [source, target] = direction === "from" ? [a, b] : [b, a];
    const known = links.get(`${source}>${target}`);
    if (known) known.value += link.sessions;
    else links.set(`${source}>${target}`, { source, target, value: link.sessions });
  }
  return { nodes: [...nodes.values()], links: [...links.values()] };
}
