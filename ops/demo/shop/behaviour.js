import { cart } from "./cart.js";
import { money } from "./products.js";

/**
 * @template {Element} [T=HTMLElement]
 * @param {ParentNode} root
 * @param {string} selector
 * @returns {T}
 */
function get(root, selector) {
  const element = root.querySelector(selector);
  if (!element) throw new Error(`no ${selector}`);
  return /** @type {T} */ (element);
}

// Broken on purpose: the film's picture looks like a player and is only a picture (a dead click).

/** @param {HTMLElement} root */
export function bindHome(root) {
  const cards = [...root.querySelectorAll(".card")];
  const search = /** @type {HTMLInputElement} */ (get(root, "#search"));
  search.addEventListener("input", () => {
    const wanted = search.value.trim().toLowerCase();
    let found = 0;
    for (const card of cards) {
      const fits = (card.textContent ?? "").toLowerCase().includes(wanted);
      card.toggleAttribute("hidden", !fits);
      if (fits) found++;
    }
    get(root, "#nothing").hidden = found > 0;
  });
}

/** @param {HTMLElement} root @param {import("./products.js").Product} product */
export function bindProduct(root, product) {
  let slide = 0;
  const slides = [...root.querySelectorAll(".slide")];
  /** @param {number} step */
  const turn = (step) => {
    slides[slide].toggleAttribute("hidden", true);
    slide = (slide + step + slides.length) % slides.length;
    slides[slide].toggleAttribute("hidden", false);
    get(root, ".dots").textContent = `${slide + 1} / ${slides.length}`;
  };
  get(root, ".previous").addEventListener("click", () => turn(-1));
  get(root, ".next").addEventListener("click", () => turn(1));

  let quantity = 1;
  /** @param {number} step */
  const count = (step) => {
    quantity = Math.max(1, Math.min(9, quantity + step));
    get(root, "#quantity").textContent = String(quantity);
  };
  get(root, ".about .less").addEventListener("click", () => count(-1));
  get(root, ".about .more").addEventListener("click", () => count(1));
  get(root, "#add").addEventListener("click", () => {
    cart.add(product.slug, quantity);
    get(root, "#added").textContent = `${quantity} × ${product.name} in the cart.`;
  });

  get(root, "#stock").addEventListener("click", async () => {
    const response = await fetch(`/api/stock/${product.slug}`);
    const { stock } = await response.json();
    get(root, "#answer").textContent = `${stock} on the shelf.`;
  });

  // Broken on purpose: nothing shows for more than three seconds, so people click again and again (a rage click).
  let asked = false;
  get(root, "#delivery").addEventListener("click", () => {
    if (asked) return;
    asked = true;
    setTimeout(() => {
      asked = false;
      get(root, "#answer").textContent = "The day after tomorrow, before noon.";
    }, 3600);
  });
  // Broken on purpose: the size guide shows a magnifier and does not grow (a dead click).

  draw(root);
}

/** @param {HTMLElement} root */
function draw(root) {
  const canvas = /** @type {HTMLCanvasElement} */ (get(root, "#canvas"));
  const pen = canvas.getContext("2d");
  if (!pen) return;
  let down = false;
  /** @param {PointerEvent} event */
  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    return [
      ((event.clientX - box.left) / box.width) * canvas.width,
      ((event.clientY - box.top) / box.height) * canvas.height,
    ];
  };
  canvas.addEventListener("pointerdown", (event) => {
    down = true;
    const [x, y] = at(event);
    pen.lineWidth = 4;
    pen.lineCap = "round";
    pen.strokeStyle = "#b4512c";
    pen.beginPath();
    pen.moveTo(x, y);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!down) return;
    const [x, y] = at(event);
    pen.lineTo(x, y);
    pen.stroke();
  });
  canvas.addEventListener("pointerup", () => {
    down = false;
  });
  get(root, "#wipe").addEventListener("click", () => pen.clearRect(0, 0, canvas.width, canvas.height));
}

/** @param {HTMLElement} root */
export function bindCart(root) {
  for (const stepper of root.querySelectorAll(".stepper")) {
    const slug = stepper.getAttribute("data-slug") ?? "";
    const output = get(stepper, "output");
    /** @param {number} step */
    const count = (step) => {
      const quantity = Math.max(0, Number(output.textContent) + step);
      cart.set(slug, quantity);
      output.textContent = String(quantity);
      get(root, "#total").textContent = money(cart.total());
    };
    get(stepper, ".less").addEventListener("click", () => count(-1));
    get(stepper, ".more").addEventListener("click", () => count(1));
  }
  root.querySelector("#coupon-form")?.addEventListener("submit", (event) => {
    event.preventDefault();
    const coupons = /** @type {Record<string, { percent: number }>} */ ({});
    const code = /** @type {HTMLInputElement} */ (get(root, "#coupon")).value;
    // Broken on purpose: no coupon is known, and nobody checks (an error click).
    get(root, "#total").textContent = money(cart.total() * (1 - coupons[code].percent / 100));
  });
}

/** @param {HTMLElement} root @param {(path: string) => void} go */
export function bindCheckout(root, go) {
  const form = /** @type {HTMLFormElement} */ (get(root, "#checkout"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const missing = /** @type {HTMLInputElement | null} */ (form.querySelector(":invalid:not(fieldset)"));
    if (missing) {
      get(root, "#form-error").textContent =
        `Please fill in: ${missing.labels?.[0]?.firstChild?.textContent ?? missing.name}`;
      missing.focus();
      return;
    }
    cart.clear();
    go("/thanks");
  });
}

/** @param {HTMLElement} root */
export function bindHelp(root) {
  get(root, "#ask").addEventListener("submit", (event) => {
    event.preventDefault();
    get(root, "#asked").textContent = "Thank you. A person will read it.";
  });
}
