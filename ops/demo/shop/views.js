import { cart } from "./cart.js";
import { money, products } from "./products.js";

/** @param {import("./products.js").Product} product */
const card = (product) => `
  <li class="card">
    <a href="/p/${product.slug}" data-link>
      ${product.art}
      <h3>${product.name}</h3>
      <p class="line">${product.line}</p>
      <p class="price">${money(product.price)}</p>
    </a>
  </li>`;

const questions = [
  [
    "How long does delivery take?",
    "Two to four days. We hand parcels over every morning, except on Sundays and when it snows.",
  ],
  [
    "Can I send things back?",
    "For a hundred days, and without a reason. Put everything back as it was, and we pay the way.",
  ],
  [
    "Where are things made?",
    "Within a day of our workshop by train. Each product page names the people who made it.",
  ],
  ["Do you repair?", "Yes, for ever. Write to us with a picture of what broke."],
];

export const faq = () => `
  <section class="faq" aria-labelledby="faq-title">
    <h2 id="faq-title">Asked now and then</h2>
    ${questions.map(([question, answer]) => `<details><summary>${question}</summary><p>${answer}</p></details>`).join("")}
  </section>`;

export const homeView = () => `
  <section class="hero">
    <div>
      <p class="eyebrow">New for winter</p>
      <h1>Quiet things<br>for a loud desk.</h1>
      <p>Ten objects that do one thing, and do it for a long time.</p>
      <p><a class="button" href="#goods">See all ten</a></p>
    </div>
    <figure class="film" id="film">
      <img id="film-picture" class="art" alt="" src="data:image/svg+xml,${encodeURIComponent(products[0].art.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"'))}">
      <span class="play" aria-hidden="true">▶</span>
      <figcaption>How the Arc lamp is made</figcaption>
    </figure>
  </section>
  <section id="goods" aria-labelledby="goods-title">
    <div class="bar">
      <h2 id="goods-title">The shelf</h2>
      <label class="search">Search <input id="search" type="search" autocomplete="off"></label>
    </div>
    <ul class="grid">${products.map(card).join("")}</ul>
    <p id="nothing" hidden>Nothing on the shelf is called that.</p>
  </section>
  <section class="promise">
    <div><h3>Made to be mended</h3><p>Every part can be had singly, for as long as we are here.</p></div>
    <div><h3>Packed in paper</h3><p>No foam, no film, no tape that squeaks.</p></div>
    <div><h3>A hundred days</h3><p>Use it, live with it, send it back.</p></div>
  </section>
  ${faq()}`;

/** @param {import("./products.js").Product} product */
export const productView = (product) => `
  <article class="product">
    <div class="carousel" role="group" aria-roledescription="carousel" aria-label="Pictures of ${product.name}">
      <div class="slides">
        ${["front", "side", "in a room"].map((view, i) => `<div class="slide view-${i}" ${i ? "hidden" : ""} aria-label="${view}">${product.art}</div>`).join("")}
      </div>
      <button type="button" class="arrow previous" aria-label="Previous picture">‹</button>
      <button type="button" class="arrow next" aria-label="Next picture">›</button>
      <p class="dots" aria-hidden="true">1 / 3</p>
    </div>
    <div class="about">
      <p class="eyebrow">${product.kind}</p>
      <h1>${product.name}</h1>
      <p class="price">${money(product.price)}</p>
      <p>${product.story}</p>
      <div class="row">
        <div class="stepper" role="group" aria-label="Quantity">
          <button type="button" class="less" aria-label="One less">−</button>
          <output id="quantity">1</output>
          <button type="button" class="more" aria-label="One more">+</button>
        </div>
        <button type="button" class="button" id="add">Add to cart</button>
      </div>
      <p id="added" role="status"></p>
      <div class="row">
        <button type="button" class="plain" id="stock">Is it in stock?</button>
        <button type="button" class="plain" id="delivery">When can I have it?</button>
      </div>
      <p id="answer" role="status"></p>
      <figure class="guide" id="size-guide">
        <svg viewBox="0 0 320 90" aria-hidden="true"><rect width="320" height="90" rx="10" fill="var(--card)"/><path d="M24 62h150M24 54v16M174 54v16" stroke="currentColor" stroke-width="2"/><path d="M206 20v52M198 20h16M198 72h16" stroke="currentColor" stroke-width="2"/><text x="86" y="50" font-size="13" fill="currentColor">24 cm</text><text x="222" y="51" font-size="13" fill="currentColor">31 cm</text><circle cx="290" cy="26" r="9" fill="none" stroke="currentColor" stroke-width="2.5"/><path d="m297 33 8 8" stroke="currentColor" stroke-width="3" stroke-linecap="round"/></svg>
        <figcaption>Size guide</figcaption>
      </figure>
    </div>
  </article>
  <section class="engrave">
    <h2>Draw on it</h2>
    <p>We engrave what you draw, free of charge.</p>
    <canvas id="canvas" width="560" height="180" aria-label="Drawing area"></canvas>
    <p><button type="button" class="plain" id="wipe">Wipe</button></p>
  </section>
  <section>
    <h2>Goes well with it</h2>
    <ul class="grid few">${products
      .filter((other) => other !== product)
      .slice(0, 4)
      .map(card)
      .join("")}</ul>
  </section>`;

export const cartView = () => {
  const lines = cart.lines();
  if (lines.length === 0) {
    return `<section class="narrow"><h1>Your cart is empty</h1><p><a class="button" href="/" data-link>To the shelf</a></p></section>`;
  }
  return `
  <section class="narrow">
    <h1>Cart</h1>
    <ul class="lines">${lines
      .map(
        ({ product, quantity }) => `
      <li>
        <a href="/p/${product.slug}" data-link class="thumb">${product.art}</a>
        <div><h3>${product.name}</h3><p>${money(product.price)}</p></div>
        <div class="stepper" role="group" aria-label="Quantity of ${product.name}" data-slug="${product.slug}">
          <button type="button" class="less" aria-label="One less">−</button>
          <output>${quantity}</output>
          <button type="button" class="more" aria-label="One more">+</button>
        </div>
      </li>`,
      )
      .join("")}</ul>
    <form id="coupon-form" class="row">
      <label>Coupon <input id="coupon" autocomplete="off" placeholder="WINTER10"></label>
      <button type="submit" class="plain" id="apply-coupon">Apply</button>
    </form>
    <p class="total">Total <strong id="total">${money(cart.total())}</strong></p>
    <p><a class="button" href="/checkout" data-link>To checkout</a></p>
  </section>`;
};

/** @param {string} id @param {string} label @param {string} attributes */
const field = (id, label, attributes) =>
  `<label for="${id}">${label}<input id="${id}" name="${id}" required ${attributes}></label>`;

export const checkoutView = () => `
  <section class="narrow">
    <h1>Checkout</h1>
    <p>This is a demo: type anything. GoSight never sends what is typed, only that it was.</p>
    <form id="checkout" class="form" novalidate>
      <fieldset><legend>You</legend>
        ${field("name", "Name", 'autocomplete="name"')}
        ${field("mail", "Mail", 'type="email" autocomplete="email"')}
        ${field("password", "Password for your account", 'type="password" autocomplete="new-password"')}
      </fieldset>
      <fieldset><legend>Where to</legend>
        ${field("street", "Street and number", 'autocomplete="street-address"')}
        ${field("city", "City", 'autocomplete="address-level2"')}
        <label for="country">Country<select id="country" name="country"><option>Germany</option><option>France</option><option>Netherlands</option><option>Spain</option></select></label>
      </fieldset>
      <fieldset><legend>Payment</legend>
        ${field("card", "Card number", 'inputmode="numeric" autocomplete="cc-number"')}
        ${field("expiry", "Expiry", 'placeholder="12/29" autocomplete="cc-exp"')}
        ${field("cvc", "CVC", 'inputmode="numeric" autocomplete="cc-csc"')}
      </fieldset>
      <label class="check"><input type="checkbox" id="gift"> It is a gift</label>
      <p id="form-error" role="alert"></p>
      <p><button type="submit" class="button" id="pay">Pay ${money(cart.total())}</button></p>
    </form>
  </section>`;

export const thanksView = () => `
  <section class="narrow"><h1>Thank you</h1><p>Nothing was bought, nothing will come. It is a demo, after all.</p>
  <p><a class="button" href="/" data-link>Back to the shelf</a></p></section>`;

export const storyView = () => `
  <section class="narrow story">
    <p class="eyebrow">Since a while</p><h1>Ten things, slowly</h1>
    ${[
      "We began with a lamp that did not wobble. It took two winters, and when it was done we had learned to make one thing well.",
      "The second thing was a notebook, because there was much to write down. The third was a mug, because of the winters.",
      "Each year we add one object and look hard at the others. What nobody mends, nobody loved: we let it go.",
      "Our workshop is a former dairy at the edge of a small town. There are nine of us, a kiln, a lathe, and a dog that is not on the payroll.",
    ]
      .map((text, i) => `<h2>Winter ${i + 1}</h2>${products[i * 2].art}<p>${text}</p>`)
      .join("")}
  </section>`;

export const helpView = () => `<section class="narrow"><h1>Help</h1>${faq()}
  <h2>Still no idea?</h2>
  <form id="ask" class="form"><label for="question">Your question<textarea id="question" rows="4"></textarea></label>
  <p><button type="submit" class="button">Send</button></p><p id="asked" role="status"></p></form></section>`;

export const missingView = () =>
  `<section class="narrow"><h1>There is nothing here</h1><p><a class="button" href="/" data-link>To the shelf</a></p></section>`;
