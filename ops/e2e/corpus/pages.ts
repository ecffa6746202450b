// The pages of the corpus: each with what a person does there and the signals that it must give, and no others.
// The pages that sdk/web judges by their click_outcome are judged here by the signals that become of it.
import type { Page } from "playwright-core";
import { type Case, cases as outcomes } from "../../../sdk/web/e2e/outcomes.ts";

export interface CorpusPage extends Pick<Case, "body" | "first" | "watchMs" | "click" | "act"> {
  /** The kinds of the signals it must give, sorted, each as often as it must come. */
  signals: string[];
}

/** Those of sdk/web's pages that must give a signal. All others must give none. */
const ofOutcomes: Record<string, string[]> = {
  "dead image": ["dead_click"],
  "dead image beside a ticker": ["dead_click"],
  "dead image beside a ticker that was never watched": ["dead_click"],
  "dead image beside a carousel": ["dead_click"],
  "dead image beside an advert that replaces itself": ["dead_click"],
  "dead image beside a playing canvas": ["dead_click"],
  "dead image beside an animation": ["dead_click"],
  "dead image and analytics that tell of every click": ["dead_click"],
  "dead image and a hidden frame": ["dead_click"],
  "dead image after typing": ["dead_click"],
  "button that does nothing": ["unresponsive_click"],
  "button that only shows that it is pressed": ["unresponsive_click"],
  "pointer cursor without a handler": ["unresponsive_click"],
  "thousands of rows that nobody sees": ["unresponsive_click"],
  "dead click in a frame": ["dead_click"],
  "link to nowhere": ["unresponsive_click"],
  "link that is prevented": ["unresponsive_click"],
  "hovering elsewhere after a dead click": ["dead_click"],
  "scrolling by the wheel after a dead click": ["dead_click"],
  "slow control, then dead ground": ["dead_click"],
};

const IMG = `<img id="it" alt="dead" width="200" height="100" src="data:image/gif;base64,R0lGODlhAQABAAAAACw=">`;
const WORDS = `<p id="it" style="width:500px;font:16px/24px sans-serif">${"Nobody reads the terms of a lamp before it is dark. ".repeat(20)}</p>`;
const TALL = `<main style="height:6000px;background:linear-gradient(#fff,#ccc)"><h1 id="it">Tall</h1></main>`;
const on = (code: string) =>
  `<script>document.getElementById("it").addEventListener("click",(event)=>{${code}})</script>`;
const counter = (label: string, attributes = "") =>
  `<button id="it" ${attributes} style="width:60px;height:40px">${label}</button><output id="o">0</output>${on(`o.textContent=Number(o.textContent)+1`)}`;

/**
 * A person who clicks one place again and again. The next click does not wait until the browser has dealt with the one
 * before: nor does a person, and a busy machine must make neither rage leisurely nor leisure rage.
 */
const clicks =
  (n: number, everyMs = 100) =>
  async (page: Page) => {
    const box = await page.locator("#it").boundingBox();
    if (!box) throw new Error("#it is not shown");
    const [x, y] = [box.x + Math.min(20, box.width / 2), box.y + Math.min(12, box.height / 2)];
    const hand = await page.context().newCDPSession(page);
    await page.mouse.move(x, y);
    const began = Date.now();
    const sent: Promise<unknown>[] = [];
    for (let i = 0; i < n; i++) {
      const timestamp = (began + i * everyMs) / 1000;
      for (const type of ["mousePressed", "mouseReleased"] as const)
        sent.push(
          hand.send("Input.dispatchMouseEvent", { type, x, y, button: "left", clickCount: 1, timestamp }),
        );
      await page.waitForTimeout(Math.max(0, began + (i + 1) * everyMs - Date.now()));
    }
    await Promise.all(sent);
  };

/**
 * Moves along points at the pace of a hand; each step is one sample of 50 ms or less. A hand does not wait for a busy
 * browser, nor does it move at other times than it does.
 */
const along =
  (points: [number, number][], stepMs = 40, buttons = 0) =>
  async (page: Page) => {
    const hand = await page.context().newCDPSession(page);
    const began = Date.now();
    const sent: Promise<unknown>[] = [];
    for (const [i, [x, y]] of points.entries()) {
      const timestamp = (began + i * stepMs) / 1000;
      const button = buttons ? "left" : "none";
      sent.push(
        hand.send("Input.dispatchMouseEvent", { type: "mouseMoved", x, y, button, buttons, timestamp }),
      );
      await page.waitForTimeout(Math.max(0, began + (i + 1) * stepMs - Date.now()));
    }
    await Promise.all(sent);
  };

const own: Record<string, CorpusPage> = {
  "rage on dead ground": { body: IMG, act: clicks(8), signals: ["dead_click", "rage_click"] },
  "rage on a button that does nothing": {
    body: `<button id="it">Pay</button>`,
    act: clicks(7),
    signals: ["rage_click", "unresponsive_click"],
  },
  "rage on a button that answers each time": {
    body: counter("Load more"),
    act: clicks(7),
    signals: ["rage_click"],
  },
  "five clicks are no rage": { body: counter("Load more"), act: clicks(5), signals: [] },
  "ten clicks at leisure": { body: counter("Load more"), act: clicks(10, 600), signals: [] },
  "stepper, plus": { body: counter("+"), act: clicks(9), signals: [] },
  "stepper, minus": { body: counter("−"), act: clicks(9), signals: [] },
  "stepper by its label": {
    body: counter("<b>*</b>", 'aria-label="Increase quantity"'),
    act: clicks(8),
    signals: [],
  },
  "pager, next": { body: counter("Next"), act: clicks(8), signals: [] },
  "carousel, arrow": { body: counter("›", 'aria-label="next slide"'), act: clicks(8), signals: [] },
  "text field clicked often": { body: `<input id="it" style="width:200px">`, act: clicks(7), signals: [] },
  "number field's own stepper": {
    body: `<input id="it" type="number" value="1" style="width:100px;height:30px">`,
    act: clicks(8),
    signals: [],
  },
  "game that says that rage is play": {
    body: `<canvas id="it" data-gosight-ignore="rage" width="200" height="100"></canvas>${on(`it.getContext("2d").fillRect(Math.random()*99,9,9,9)`)}`,
    first: true,
    act: clicks(9),
    signals: [],
  },
  "triple click selects a paragraph": {
    body: WORDS,
    act: (page) => page.click("#it", { clickCount: 3, position: { x: 30, y: 10 } }),
    signals: [],
  },
  "text selected by dragging": {
    body: WORDS,
    act: async (page) => {
      await page.mouse.move(30, 40);
      await page.mouse.down();
      await page.mouse.move(300, 90, { steps: 12 });
      await page.mouse.up();
    },
    signals: [],
  },
  "two dead images": {
    body: `${IMG}<p style="height:120px"></p>${IMG.replace('"it"', '"other"')}`,
    act: async (page) => {
      await page.click("#it");
      await page.click("#other");
    },
    signals: ["dead_click", "dead_click"],
  },
  "error thrown in a handler that answers": {
    body: `<button id="it">Go</button><p id="o">0</p>${on(`o.textContent="1";throw new Error("boom")`)}`,
    signals: ["error_click"],
  },
  "error thrown instead of an answer": {
    body: `<button id="it">Go</button>${on(`throw new Error("boom")`)}`,
    signals: ["error_click", "unresponsive_click"],
  },
  "rejected promise": {
    body: `<button id="it">Go</button><p id="o">0</p>${on(`o.textContent="1";Promise.reject(new Error("no"))`)}`,
    signals: ["error_click"],
  },
  "error 800 ms later": {
    body: `<button id="it">Go</button><p id="o">0</p>${on(`o.textContent="1";setTimeout(()=>{null.x},800)`)}`,
    act: async (page) => {
      await page.click("#it");
      await page.waitForTimeout(1200);
    },
    signals: ["error_click"],
  },
  "console output alone": {
    body: `<button id="it">Go</button><p id="o">0</p>${on(`o.textContent="1";console.error("bad")`)}`,
    signals: [],
  },
  "error before the click": {
    body: `<script>setTimeout(()=>{null.x},10)</script>${counter("Go")}`,
    watchMs: 500,
    signals: [],
  },
  "answer just in time": {
    body: `<button id="it">Go</button><p id="o">0</p>${on(`setTimeout(()=>{o.textContent="1"},2000)`)}`,
    signals: [],
  },
  "answer too late": {
    body: `<button id="it">Go</button><p id="o">0</p>${on(`setTimeout(()=>{o.textContent="1"},3300)`)}`,
    signals: ["unresponsive_click"],
  },
  "disabled control": {
    body: `<button id="it" disabled>Go</button>`,
    act: (page) => page.click("#it", { force: true }),
    signals: [],
  },
  "Control and a link": {
    body: `<a id="it" href="/slow?ms=1">Go</a>`,
    act: (page) => page.click("#it", { modifiers: ["Control"] }),
    signals: [],
  },
  "Shift and dead ground": {
    body: IMG,
    act: (page) => page.click("#it", { modifiers: ["Shift"] }),
    signals: [],
  },
  "secondary button": {
    body: IMG,
    act: (page) => page.click("#it", { button: "right" }),
    signals: [],
  },
  "tel: link": { body: `<a id="it" href="tel:+842412345">Call</a>`, signals: [] },
  "select made of divs": {
    body: `<div id="it" role="combobox" aria-expanded="false" tabindex="0">Colour</div><ul id="l" role="listbox" hidden><li role="option" id="red">red</li></ul>
      <script>it.onclick=()=>{l.hidden=false};red.onclick=()=>{it.textContent="red";l.hidden=true}</script>`,
    act: async (page) => {
      await page.click("#it");
      await page.click("#red");
    },
    signals: [],
  },
  "menu closed by clicking away": {
    body: `<button id="m">Menu</button>${IMG}<ul id="l" hidden><li>one</li></ul>
      <script>m.onclick=(e)=>{l.hidden=false;e.stopPropagation()};document.addEventListener("click",()=>{l.hidden=true})</script>`,
    act: async (page) => {
      await page.click("#m");
      await page.click("#it");
    },
    signals: [],
  },
  "button that plays a sound": {
    body: `<button id="it">Play</button><audio id="a"></audio><script>
      const n=16000,b=new DataView(new ArrayBuffer(44+n));const w=(o,s)=>[...s].forEach((c,i)=>b.setUint8(o+i,c.charCodeAt(0)));
      w(0,"RIFF");b.setUint32(4,36+n,true);w(8,"WAVEfmt ");b.setUint32(16,16,true);b.setUint16(20,1,true);b.setUint16(22,1,true);
      b.setUint32(24,8000,true);b.setUint32(28,8000,true);b.setUint16(32,1,true);b.setUint16(34,8,true);w(36,"data");b.setUint32(40,n,true);
      a.src=URL.createObjectURL(new Blob([b],{type:"audio/wav"}));it.onclick=()=>a.play()</script>`,
    signals: [],
  },
  "shaken cursor": {
    body: WORDS,
    act: along(
      Array.from({ length: 28 }, (_, i): [number, number] => [300 + (i % 2 ? 130 : -130), 200 + (i % 5) * 8]),
      60,
    ),
    signals: ["thrashed_cursor"],
  },
  "cursor shaken up and down": {
    body: WORDS,
    act: along(
      Array.from({ length: 28 }, (_, i): [number, number] => [300 + (i % 5) * 8, 250 + (i % 2 ? 130 : -130)]),
      60,
    ),
    signals: ["thrashed_cursor"],
  },
  "reading along lines": {
    body: WORDS,
    act: along(
      Array.from({ length: 5 * 22 }, (_, i): [number, number] => [
        40 + (i % 22) * 20,
        40 + Math.floor(i / 22) * 24,
      ]),
      75, // a line of eleven words in 1.6 s, which is fast
    ),
    signals: [],
  },
  "hovering down a menu": {
    body: WORDS,
    act: along(Array.from({ length: 50 }, (_, i): [number, number] => [80 + (i % 3) * 5, 30 + i * 10])),
    signals: [],
  },
  "slider dragged to and fro": {
    body: `<input id="it" type="range" style="width:500px">`,
    act: async (page) => {
      await page.mouse.move(250, 16);
      await page.mouse.down();
      await along(
        Array.from({ length: 40 }, (_, i): [number, number] => [250 + (i % 2 ? 150 : -150), 16]),
        60,
        1,
      )(page);
      await page.mouse.up();
    },
    signals: [],
  },
  "quick back": {
    body: `<a id="it" href="two">Two</a>`,
    act: async (page) => {
      await page.click("#it");
      await page.waitForURL("**/two");
      await page.waitForTimeout(1000);
      await page.goBack();
      await page.waitForTimeout(500);
    },
    signals: ["quick_back"],
  },
  "quick back in a single-page site": {
    body: `<button id="it">Two</button><p id="o">0</p>${on(`history.pushState({},"","two");o.textContent="two"`)}`,
    act: async (page) => {
      await page.click("#it");
      await page.waitForTimeout(1000);
      await page.goBack();
      await page.waitForTimeout(300);
    },
    signals: ["quick_back"],
  },
  "u-turn": {
    body: `<button id="it">Two</button><button id="b">Three</button><button id="c">One</button><p id="o">0</p>
      <script>const go=(to)=>()=>{history.pushState({},"",to);o.textContent=to};it.onclick=go("two");b.onclick=go("three");c.onclick=go("./")</script>`,
    act: async (page) => {
      for (const id of ["#it", "#b", "#c"]) {
        await page.click(id);
        await page.waitForTimeout(1500);
      }
    },
    signals: ["u_turn"],
  },
  "forward from page to page": {
    body: `<button id="it">Two</button><button id="b">Three</button><p id="o">0</p>
      <script>const go=(to)=>()=>{history.pushState({},"",to);o.textContent=to};it.onclick=go("two");b.onclick=go("three")</script>`,
    act: async (page) => {
      for (const id of ["#it", "#b"]) {
        await page.click(id);
        await page.waitForTimeout(500);
      }
    },
    signals: [],
  },
  "scrolling over and over": {
    body: TALL,
    act: async (page) => {
      await page.mouse.move(300, 300);
      for (let i = 0; i < 8; i++) {
        for (let part = 0; part < 4; part++) {
          await page.mouse.wheel(0, i % 2 ? -1500 : 1500);
          await page.waitForTimeout(150);
        }
        await page.waitForTimeout(250);
      }
    },
    signals: ["excessive_scroll"],
  },
  "scrolling down while reading": {
    body: TALL,
    act: async (page) => {
      await page.mouse.move(300, 300);
      for (let i = 0; i < 10; i++) {
        await page.mouse.wheel(0, i === 5 ? -300 : 500);
        await page.waitForTimeout(250);
      }
    },
    signals: [],
  },
  "visit without a click": { body: WORDS, act: (page) => page.waitForTimeout(300), signals: [] },
};

export const corpus: Record<string, CorpusPage> = {
  ...Object.fromEntries(
    Object.entries(outcomes).map(([name, it]) => [name, { ...it, signals: ofOutcomes[name] ?? [] }]),
  ),
  ...own,
};

for (const name of Object.keys(ofOutcomes))
  if (!(name in outcomes)) throw new Error(`no page "${name}" in sdk/web/e2e/outcomes.ts`);
