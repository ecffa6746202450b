import { find } from "./products.js";

/** @type {Map<string, number>} */
const lines = new Map(JSON.parse(localStorage.getItem("halm-cart") ?? "[]"));
/** @type {((count: number) => void)[]} */
const watchers = [];

function changed() {
  localStorage.setItem("halm-cart", JSON.stringify([...lines]));
  for (const watcher of watchers) watcher(cart.count());
}

/** What the visitor is about to buy; kept over reloads. */
export const cart = {
  /** @param {string} slug @param {number} quantity */
  add(slug, quantity) {
    lines.set(slug, (lines.get(slug) ?? 0) + quantity);
    changed();
  },
  /** @param {string} slug @param {number} quantity */
  set(slug, quantity) {
    if (quantity > 0) lines.set(slug, quantity);
    else lines.delete(slug);
    changed();
  },
  clear() {
    lines.clear();
    changed();
  },
  count: () => [...lines.values()].reduce((sum, quantity) => sum + quantity, 0),
  lines: () =>
    [...lines].flatMap(([slug, quantity]) => {
      const product = find(slug);
      return product ? [{ product, quantity }] : [];
    }),
  total: () => cart.lines().reduce((sum, { product, quantity }) => sum + product.price * quantity, 0),
  /** @param {(count: number) => void} watcher */
  watch(watcher) {
    watchers.push(watcher);
    watcher(cart.count());
  },
};
