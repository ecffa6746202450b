// The visits that record.mjs plays: people with a purpose, some of whom meet the shop's faults.

/** @typedef {import("playwright-core").Page} Page */

const firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
const chrome =
  "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36";
const safari =
  "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15";
const edge =
  "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0";
const phone =
  "Mozilla/5.0 (Linux; Android 16; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36";

const pointers = new WeakMap();

/**
 * Moves the pointer as a hand does: a slight bow, slower at both ends.
 * @param {Page} page @param {number} x @param {number} y @param {number} [ms]
 */
async function move(page, x, y, ms = 600) {
  const from = pointers.get(page) ?? { x: 640, y: 420 };
  const steps = Math.max(4, Math.round(ms / 40));
  const bow = Math.min(60, Math.hypot(x - from.x, y - from.y) / 6);
  for (let i = 1; i <= steps; i++) {
    const t = (1 - Math.cos((Math.PI * i) / steps)) / 2;
    await page.mouse.move(from.x + (x - from.x) * t, from.y + (y - from.y) * t - Math.sin(Math.PI * t) * bow);
    await page.waitForTimeout(ms / steps);
  }
  pointers.set(page, { x, y });
}

/** @param {Page} page @param {string} selector */
async function go(page, selector) {
  const target = page.locator(selector).first();
  await target.scrollIntoViewIfNeeded();
  const box = await target.boundingBox();
  if (!box) throw new Error(`${selector} is not to be seen`);
  await move(page, box.x + box.width * 0.55, box.y + box.height * 0.5);
}

/** @param {Page} page @param {string} selector @param {{ times?: number, pause?: number }} [how] */
async function click(page, selector, { times = 1, pause = 180 } = {}) {
  await go(page, selector);
  for (let i = 0; i < times; i++) {
    await page.mouse.down();
    await page.mouse.up();
    await page.waitForTimeout(pause);
  }
}

/** @param {Page} page @param {string} selector @param {string} text */
async function type(page, selector, text) {
  await click(page, selector);
  await page.keyboard.type(text, { delay: 70 });
}

/** @param {Page} page @param {number} distance @param {number} [ms] */
async function scroll(page, distance, ms = 1200) {
  const steps = Math.round(ms / 60);
  for (let i = 0; i < steps; i++) {
    await page.mouse.wheel(0, distance / steps);
    await page.waitForTimeout(60);
  }
}

/** @param {Page} page @param {string} user @param {Record<string, string>} traits */
const identify = (page, user, traits) =>
  page.evaluate(
    ([id, more]) => /** @type {any} */ (window).gosight?.identify(id, more),
    /** @type {const} */ ([user, traits]),
  );

const desk = { viewport: { width: 1280, height: 800 }, locale: "en-GB", timezoneId: "Europe/London" };

export const visits = [
  {
    name: "buyer",
    minutesAgo: 52,
    context: { ...desk, userAgent: firefox, locale: "de-DE", timezoneId: "Europe/Berlin" },
    /** @param {Page} page @param {string} shop */
    async play(page, shop) {
      await page.goto(shop);
      await page.waitForTimeout(1500);
      await identify(page, "jonas", { plan: "member" });
      await scroll(page, 520);
      await click(page, 'a[href="/p/morning-mug"]');
      await page.waitForTimeout(1200);
      await click(page, ".next", { times: 2, pause: 700 });
      await click(page, ".about .more", { times: 3, pause: 260 });
      await click(page, "#add");
      await page.waitForTimeout(900);
      await click(page, "#stock");
      await page.waitForTimeout(900);
      await click(page, ".cart-link");
      await page.waitForTimeout(1000);
      await click(page, ".lines .less");
      await click(page, 'a[href="/checkout"]');
      await type(page, "#name", "Jonas Example");
      await type(page, "#mail", "jonas@example.org");
      await type(page, "#password", "not a secret");
      await type(page, "#street", "Hafenweg 1");
      await type(page, "#city", "Bremen");
      await type(page, "#card", "4242424242424242");
      await type(page, "#expiry", "12/29");
      await type(page, "#cvc", "123");
      await click(page, "#gift");
      await click(page, "#pay");
      await page.waitForTimeout(1500);
    },
  },
  {
    name: "waiting-for-delivery",
    minutesAgo: 41,
    context: { ...desk, userAgent: chrome },
    /** @param {Page} page @param {string} shop */
    async play(page, shop) {
      await page.goto(shop);
      await page.waitForTimeout(1000);
      await click(page, 'a[href="/p/arc-lamp"]');
      await page.waitForTimeout(1400);
      await click(page, "#delivery", { times: 9, pause: 170 });
      await page.waitForTimeout(4200);
      await scroll(page, 700);
      await page.waitForTimeout(800);
      await click(page, ".brand");
      await page.waitForTimeout(1200);
    },
  },
  {
    name: "where-is-the-film",
    minutesAgo: 33,
    context: { ...desk, userAgent: safari, locale: "fr-FR", timezoneId: "Europe/Paris" },
    /** @param {Page} page @param {string} shop */
    async play(page, shop) {
      await page.goto(shop);
      await page.waitForTimeout(1500);
      await click(page, "#film-picture");
      await page.waitForTimeout(3200);
      await click(page, 'a[href="/p/slow-clock"]');
      await page.waitForTimeout(1600);
      await click(page, "#size-guide");
      await page.waitForTimeout(3200);
      await page.goBack();
      await page.waitForTimeout(1500);
      await scroll(page, 1400);
      await click(page, ".faq summary");
      await page.waitForTimeout(1500);
    },
  },
  {
    name: "coupon",
    minutesAgo: 22,
    context: { ...desk, userAgent: edge, viewport: { width: 1440, height: 900 } },
    /** @param {Page} page @param {string} shop */
    async play(page, shop) {
      await page.goto(`${shop}/p/hush-speaker`);
      await page.waitForTimeout(1500);
      await identify(page, "maria", { plan: "guest" });
      await click(page, "#theme");
      await page.waitForTimeout(1200);
      await click(page, "#add");
      await page.waitForTimeout(700);
      await click(page, ".cart-link");
      await page.waitForTimeout(900);
      await type(page, "#coupon", "WINTER10");
      await click(page, "#apply-coupon", { times: 2, pause: 1400 });
      await page.waitForTimeout(1500);
      await click(page, 'nav a[href="/help"]');
      await page.waitForTimeout(1000);
      await click(page, ".faq details:nth-of-type(2) summary");
      await page.waitForTimeout(1500);
    },
  },
  {
    name: "reader-on-a-phone",
    minutesAgo: 14,
    context: {
      userAgent: phone,
      viewport: { width: 390, height: 844 },
      deviceScaleFactor: 2,
      hasTouch: true,
      isMobile: true,
      locale: "es-ES",
      timezoneId: "Europe/Madrid",
    },
    /** @param {Page} page @param {string} shop */
    async play(page, shop) {
      await page.goto(shop);
      await page.waitForTimeout(1200);
      await page.locator('nav a[href="/story"]').tap();
      await page.waitForTimeout(1000);
      for (let i = 0; i < 5; i++) {
        await page.evaluate(() => scrollTo({ top: document.body.scrollHeight, behavior: "smooth" }));
        await page.waitForTimeout(1600);
        await page.evaluate(() => scrollTo({ top: 0, behavior: "smooth" }));
        await page.waitForTimeout(1600);
      }
      await page.locator('nav a[href="/help"]').tap();
      await page.waitForTimeout(900);
      await page.locator("summary").first().tap();
      await page.waitForTimeout(1200);
    },
  },
  {
    name: "lost",
    minutesAgo: 6,
    context: { ...desk, userAgent: chrome, locale: "nl-NL", timezoneId: "Europe/Amsterdam" },
    /** @param {Page} page @param {string} shop */
    async play(page, shop) {
      await page.goto(`${shop}/p/moss-stool`);
      await page.waitForTimeout(1500);
      for (let i = 0; i < 9; i++) {
        await move(page, 420 + (i % 2) * 460 + i * 7, 300 + ((i * 5) % 3) * 130, 190);
      }
      await page.waitForTimeout(1800);
      await click(page, 'nav a[href="/"]');
      await page.waitForTimeout(1200);
      await type(page, "#search", "lamp");
      await page.waitForTimeout(1400);
      await click(page, '.card:not([hidden]) a[href="/p/arc-lamp"]');
      await page.waitForTimeout(1200);
      await go(page, "#canvas");
      await page.mouse.down();
      await move(page, 330, 560, 500);
      await move(page, 420, 600, 500);
      await page.mouse.up();
      await page.waitForTimeout(1500);
    },
  },
];
