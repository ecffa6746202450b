// The shop: a route to a view, a view to HTML, and the few handlers that a view needs. Several things here are
// broken on purpose, as on real sites; each such place says so.

import { bindCart, bindCheckout, bindHelp, bindHome, bindProduct } from "./behaviour.js";
import { cart } from "./cart.js";
import { find } from "./products.js";
import {
  cartView,
  checkoutView,
  helpView,
  homeView,
  missingView,
  productView,
  storyView,
  thanksView,
} from "./views.js";

const main = /** @type {HTMLElement} */ (document.querySelector("#main"));

/** @type {[RegExp, (match: RegExpMatchArray) => void][]} */
const routes = [
  [/^\/$/, () => show("Quiet things for a desk", homeView(), bindHome)],
  [
    /^\/p\/([\w-]+)$/,
    ([, slug]) => {
      const product = find(slug);
      if (product) show(product.name, productView(product), (root) => bindProduct(root, product));
      else show("Not found", missingView());
    },
  ],
  [/^\/cart$/, () => show("Cart", cartView(), bindCart)],
  [/^\/checkout$/, () => show("Checkout", checkoutView(), (root) => bindCheckout(root, go))],
  [/^\/thanks$/, () => show("Thank you", thanksView())],
  [/^\/story$/, () => show("Story", storyView())],
  [/^\/help$/, () => show("Help", helpView(), bindHelp)],
];

/**
 * @param {string} title
 * @param {string} html
 * @param {(root: HTMLElement) => void} [bind]
 */
function show(title, html, bind) {
  document.title = `${title} · Halm`;
  main.innerHTML = html;
  bind?.(main);
}

function render() {
  for (const [pattern, view] of routes) {
    const match = location.pathname.match(pattern);
    if (match) return view(match);
  }
  show("Not found", missingView());
}

/** @param {string} path */
function go(path) {
  if (path !== location.pathname) history.pushState({}, "", path);
  render();
  scrollTo({ top: 0 });
  main.focus({ preventScroll: true });
}

document.addEventListener("click", (event) => {
  const link = event.target instanceof Element ? event.target.closest("a[data-link]") : null;
  if (!(link instanceof HTMLAnchorElement) || event.metaKey || event.ctrlKey || event.shiftKey) return;
  event.preventDefault();
  go(link.pathname);
});
addEventListener("popstate", render);

// The ticker changes the page every second, whatever the visitor does.
const ticker = /** @type {HTMLElement} */ (document.querySelector("#ticker"));
let looking = 7;
setInterval(() => {
  looking = 3 + ((looking * 7 + 5) % 23);
  ticker.textContent = `Free shipping this week · ${looking} people are looking around`;
}, 1000);

const theme = /** @type {HTMLButtonElement} */ (document.querySelector("#theme"));
theme.addEventListener("click", () => {
  const dark = document.documentElement.classList.toggle("dark");
  theme.setAttribute("aria-pressed", String(dark));
});

cart.watch((count) => {
  const badge = /** @type {HTMLElement} */ (document.querySelector("#cart-count"));
  badge.textContent = String(count);
});
render();
