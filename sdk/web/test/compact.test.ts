// @vitest-environment happy-dom
import { expect, test } from "vitest";
import { compact } from "../src/compact.ts";

interface Add {
  parentId: number;
  nextId: number | null;
  node: { id: number; tagName: string };
}

/** Plays adds as rrweb's player does, on a tree of ids; a neighbour or parent that is not there yet is an error. */
function play(start: Record<number, number[]>, adds: Add[]): Record<number, number[]> {
  const tree = structuredClone(start);
  for (const { parentId, nextId, node } of adds) {
    const children = tree[parentId];
    if (!children) throw new Error(`no parent ${parentId}`);
    const at = nextId === null ? children.length : children.indexOf(nextId);
    if (at < 0) throw new Error(`no neighbour ${nextId}`);
    children.splice(at, 0, node.id);
    tree[node.id] = [];
  }
  return tree;
}

test("a player makes the same of it, in any shape of insertion", () => {
  let seed = 42;
  const random = (n: number) => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed % n;
  };
  for (let round = 0; round < 300; round++) {
    const start: Record<number, number[]> = { 1: [2, 3, 4], 2: [], 3: [5], 4: [], 5: [] };
    const tree = structuredClone(start);
    const total = 4 + random(30);
    for (let id = 10; id < 10 + total; id++) {
      const ids = Object.keys(tree).map(Number);
      const parent = tree[ids[random(ids.length)] as number] as number[];
      parent.splice(random(parent.length + 1), 0, id);
      tree[id] = [];
    }
    // As rrweb emits: parents first, the last of siblings first.
    const adds: Add[] = [];
    let level = [1, 2, 3, 4, 5];
    while (level.length) {
      const below: number[] = [];
      for (const parentId of level) {
        const children = tree[parentId] as number[];
        for (let i = children.length - 1; i >= 0; i--) {
          const id = children[i] as number;
          if (id < 10) continue;
          adds.push({ parentId, nextId: children[i + 1] ?? null, node: { tagName: "i", id } });
          below.push(id);
        }
      }
      level = below;
    }
    expect(play(start, adds)).toEqual(tree);
    const packed = compact(adds);
    expect(packed).toHaveLength(adds.length);
    expect(play(start, packed)).toEqual(tree);
  }
});

test("what it does not know it leaves alone", () => {
  const add = (id: number, more = {}) => ({ parentId: 1, nextId: null, node: { id, tagName: "i" }, ...more });
  const twice = [add(2), add(3), add(4), add(5)];
  expect(compact(twice)).toBe(twice);
  const moved = [add(2, { previousId: 7 }), add(3), add(4), add(5)];
  expect(compact(moved)).toBe(moved);
});
