// The goods, each with its picture: drawn, so that the shop needs nothing from elsewhere.

/** @typedef {{ slug: string, name: string, kind: string, price: number, line: string, story: string, hue: number, art: string }} Product */

/**
 * @param {number} hue of the background
 * @param {string} shapes inside a 240 by 240 box
 */
const picture = (hue, shapes) =>
  `<svg viewBox="0 0 240 240" aria-hidden="true" class="art">
    <rect width="240" height="240" fill="hsl(${hue} 42% 88%)"/>
    <ellipse cx="120" cy="204" rx="74" ry="9" fill="hsl(${hue} 30% 62%)" opacity=".35"/>${shapes}</svg>`;

/** @type {Omit<Product, "art">[]} */
const goods = [
  {
    slug: "arc-lamp",
    name: "Arc lamp",
    kind: "Light",
    price: 129,
    hue: 28,
    line: "One bow of steel, one warm light.",
    story: "The arm stays where you leave it. The shade is spun from a single sheet and glows at its rim.",
  },
  {
    slug: "field-notebook",
    name: "Field notebook",
    kind: "Paper",
    price: 18,
    hue: 205,
    line: "Lies flat from the first page.",
    story: "192 pages of 90 g paper, thread-bound, with a pocket for what you pick up on the way.",
  },
  {
    slug: "morning-mug",
    name: "Morning mug",
    kind: "Table",
    price: 24,
    hue: 12,
    line: "Holds the heat, and the hand.",
    story: "Thrown by hand in stoneware. No two rims are quite the same.",
  },
  {
    slug: "slow-clock",
    name: "Slow clock",
    kind: "Wall",
    price: 86,
    hue: 160,
    line: "One hand is enough.",
    story:
      "A single hand goes around once a day. You will know it is late afternoon, and that is all you will know.",
  },
  {
    slug: "fig-pot",
    name: "Fig pot",
    kind: "Green",
    price: 42,
    hue: 95,
    line: "For the plant that outlived the others.",
    story: "Unglazed terracotta that breathes, on a saucer that does not leak.",
  },
  {
    slug: "stub-pencils",
    name: "Stub pencils",
    kind: "Paper",
    price: 9,
    hue: 48,
    line: "Six, already short.",
    story: "Cedar from old fences. They fit behind an ear and in every pocket.",
  },
  {
    slug: "moss-stool",
    name: "Moss stool",
    kind: "Seat",
    price: 149,
    hue: 120,
    line: "Sits, stands, holds books.",
    story: "Solid ash with a felted seat. Strong enough to change a bulb on.",
  },
  {
    slug: "rain-can",
    name: "Rain can",
    kind: "Green",
    price: 56,
    hue: 190,
    line: "A long neck and good aim.",
    story: "Holds 1.4 litres and pours them exactly where they are wanted.",
  },
  {
    slug: "paper-bag",
    name: "Errand bag",
    kind: "Carry",
    price: 64,
    hue: 340,
    line: "Waxed canvas, no logo.",
    story: "Wide enough for a loaf and a laptop. It will look better in ten years.",
  },
  {
    slug: "hush-speaker",
    name: "Hush speaker",
    kind: "Sound",
    price: 179,
    hue: 260,
    line: "Loud enough for one.",
    story: "A single driver in a felt cylinder. One knob, no app.",
  },
];

/** @type {Record<string, string>} */
const shapes = {
  "arc-lamp": `<path d="M78 200V96a54 54 0 0 1 108 0" fill="none" stroke="#3a342f" stroke-width="7" stroke-linecap="round"/><path d="M58 200h40" stroke="#3a342f" stroke-width="9" stroke-linecap="round"/><path d="M160 96h52l-10 34h-32z" fill="#b4512c"/><path d="M170 130h32l14 62h-60z" fill="#ffd98a" opacity=".5"/>`,
  "field-notebook": `<rect x="62" y="48" width="116" height="152" rx="8" fill="#2f4a66"/><rect x="62" y="48" width="22" height="152" rx="8" fill="#243a52"/><rect x="102" y="78" width="56" height="34" rx="4" fill="#f3ead9"/><path d="M110 90h40M110 100h26" stroke="#2f4a66" stroke-width="3"/><path d="M150 48v152" stroke="#d9a441" stroke-width="4"/>`,
  "morning-mug": `<path d="M66 84h92v70a42 42 0 0 1-42 42h-8a42 42 0 0 1-42-42z" fill="#c8684a"/><path d="M158 100h12a24 24 0 0 1 0 52h-14" fill="none" stroke="#c8684a" stroke-width="12"/><ellipse cx="112" cy="84" rx="46" ry="11" fill="#5b3626"/><path d="M96 62c-8-12 8-16 0-30M124 62c-8-12 8-16 0-30" fill="none" stroke="#fff" stroke-width="5" stroke-linecap="round" opacity=".8"/>`,
  "slow-clock": `<circle cx="120" cy="120" r="74" fill="#f6f3ec" stroke="#2f5a4c" stroke-width="10"/><path d="M120 120 158 92" stroke="#2f5a4c" stroke-width="7" stroke-linecap="round"/><circle cx="120" cy="120" r="7" fill="#b4512c"/><path d="M120 58v10M120 172v10M58 120h10M172 120h10" stroke="#2f5a4c" stroke-width="5" stroke-linecap="round"/>`,
  "fig-pot": `<path d="M80 138h80l-10 62h-60z" fill="#b4623c"/><path d="M74 126h92v18H74z" fill="#c9764e"/><path d="M120 126V60" stroke="#4d6b3c" stroke-width="5"/><path d="M120 98c-34 4-46-20-44-36 26-2 44 12 44 36zM120 84c0-26 18-40 44-38 2 20-12 38-44 38zM120 118c30 2 40-12 42-26-24-4-40 6-42 26z" fill="#6f8f55"/>`,
  "stub-pencils": `<g transform="rotate(-14 120 120)"><path d="M70 70h22v104l-11 24-11-24z" fill="#d9a441"/><path d="M109 58h22v116l-11 24-11-24z" fill="#b4512c"/><path d="M148 76h22v98l-11 24-11-24z" fill="#47665a"/><path d="M76 186h10l-5 12zM115 186h10l-5 12zM154 186h10l-5 12z" fill="#2b2622"/></g>`,
  "moss-stool": `<rect x="58" y="84" width="124" height="26" rx="13" fill="#5f7d52"/><path d="M82 110 66 200M158 110l16 90" stroke="#b98a58" stroke-width="11" stroke-linecap="round"/><path d="M76 160h88" stroke="#b98a58" stroke-width="8"/>`,
  "rain-can": `<path d="M92 98h70v86a16 16 0 0 1-16 16h-38a16 16 0 0 1-16-16z" fill="#3d7380"/><path d="M92 164 34 96l-8 4" fill="none" stroke="#3d7380" stroke-width="9" stroke-linecap="round"/><path d="M108 98c0-46 84-46 84 12 0 34-20 46-32 48" fill="none" stroke="#2d5761" stroke-width="9"/>`,
  "paper-bag": `<path d="M60 92h120l-8 108H68z" fill="#8f4b56"/><path d="M92 100V78a28 28 0 0 1 56 0v22" fill="none" stroke="#6d3640" stroke-width="8"/><path d="M60 92h120l-2 24H62z" fill="#7b3f49"/>`,
  "hush-speaker": `<rect x="78" y="46" width="84" height="154" rx="26" fill="#57507a"/><circle cx="120" cy="146" r="28" fill="#2f2a45"/><circle cx="120" cy="146" r="11" fill="#8d86ad"/><circle cx="120" cy="84" r="12" fill="#e7d9b5"/><path d="M120 84v-9" stroke="#57507a" stroke-width="4"/>`,
};

/** @type {Product[]} */
export const products = goods.map((good) => ({ ...good, art: picture(good.hue, shapes[good.slug]) }));

/** @param {string} slug */
export const find = (slug) => products.find((product) => product.slug === slug);

/** @param {number} amount */
export const money = (amount) => `€ ${amount.toFixed(2)}`;
