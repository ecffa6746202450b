// Small pages, each with a click and what must be said of it. ops/e2e judges the same pages by their signals.
import type { Page } from "playwright-core";

export interface Case {
  body: string;
  want: string;
  interactive?: boolean;
  /** What to click; "#it" unless said otherwise. */
  click?: string;
  /** Let the page run by itself first, so that its rhythm can be learnt. */
  watchMs?: number;
  act?: (page: Page) => Promise<void>;
  /** The script tag stands first and blocks: only so can it see listeners and closed roots of the page's first scripts. */
  first?: boolean;
}

const IMG = `<img id="it" alt="dead" width="200" height="100" src="data:image/gif;base64,R0lGODlhAQABAAAAACw=">`;
const on = (code: string, event = "click") =>
  `<script>document.getElementById("it").addEventListener("${event}",()=>{${code}})</script>`;
const TICKER = `<p id="tick">0</p><script>let n=0;setInterval(()=>{document.getElementById("tick").textContent=++n},400)</script>`;
const CAROUSEL = `<div id="car"><div class="slide">a</div><div class="slide">b</div><div class="slide">c</div></div>
  <script>let at=0;const go=()=>{document.querySelectorAll(".slide").forEach((s,i)=>s.style.opacity=i===at%3?1:.2);at++};setInterval(go,700)</script>`;

export const cases: Record<string, Case> = {
  "dead image": { body: IMG, want: "none", interactive: false },
  "dead image beside a ticker": { body: IMG + TICKER, want: "none", interactive: false, watchMs: 1500 },
  "dead image beside a ticker that was never watched": {
    body: IMG + TICKER,
    want: "none",
    interactive: false,
  },
  "dead image beside a carousel": { body: IMG + CAROUSEL, want: "none", interactive: false, watchMs: 2000 },
  "dead image beside an advert that replaces itself": {
    body: `${IMG}<div id="ad"></div><script>setInterval(()=>{const d=document.createElement("div");d.innerHTML="<b>buy</b>";document.getElementById("ad").replaceChildren(d);setTimeout(()=>d.append("!"),150)},900)</script>`,
    want: "none",
    watchMs: 2500,
  },
  "dead image beside a playing canvas": {
    body: `${IMG}<canvas id="c" width="50" height="50"></canvas><script>const x=document.getElementById("c").getContext("2d");let i=0;setInterval(()=>{x.fillRect(i++%50,0,1,50)},100)</script>`,
    want: "none",
    watchMs: 1500,
  },
  "dead image beside an animation": {
    body: `${IMG}<style>@keyframes m{to{transform:translateX(300px)}}#m{width:200px;height:200px;animation:m 1s linear infinite}</style><div id="m">news</div>`,
    want: "none",
    watchMs: 500,
  },
  "dead image and analytics that tell of every click": {
    body: `${IMG}<script>document.addEventListener("click",()=>{fetch("/collect",{method:"POST",keepalive:true,body:"x"});document.title="t"+Math.random()})</script>`,
    want: "none",
    interactive: false,
  },
  "dead image and a hidden frame": {
    body: `${IMG}<script>document.addEventListener("click",()=>{const f=document.createElement("iframe");f.style.display="none";document.body.append(f)})</script>`,
    want: "none",
  },
  "dead image after typing": {
    body: `${IMG}<input id="f">`,
    want: "none",
    act: async (page) => {
      await page.fill("#f", "abc");
      await page.click("#it");
    },
  },
  "button that does nothing": { body: `<button id="it">Go</button>`, want: "none", interactive: true },
  "button that only shows that it is pressed": {
    body: `<button id="it">Go</button>${on(`it.classList.add("down")`, "pointerdown")}${on(`it.classList.remove("down")`, "pointerup")}`,
    want: "none",
    interactive: true,
  },
  "pointer cursor without a handler": {
    body: `<div id="it" style="cursor:pointer">Go</div>`,
    want: "none",
    interactive: true,
  },
  "button that updates text": {
    body: `<button id="it">Go</button><p id="o">0</p>${on(`o.textContent="1"`)}`,
    want: "mutation",
    interactive: true,
  },
  "button that updates text beside a ticker": {
    body: `<button id="it">Go</button><p id="o">0</p>${TICKER}${on(`o.textContent="1"`)}`,
    want: "mutation",
    watchMs: 1500,
  },
  "button that restarts the ticker": {
    body: `<button id="it">Go</button>${TICKER}${on(`tick.textContent=n=0`)}`,
    want: "mutation",
    watchMs: 1500,
  },
  "next button of a carousel": {
    body: `<button id="it" aria-label="next">›</button>${CAROUSEL}${on("go()")}`,
    want: "mutation",
    interactive: true,
    watchMs: 2000,
  },
  "div with a listener": {
    body: `<div id="it">Go</div><p id="o">0</p>${on(`o.hidden=true`)}`,
    first: true,
    want: "mutation",
    interactive: true,
  },
  "late answer": {
    body: `<button id="it">Go</button><p id="o">0</p>${on(`setTimeout(()=>{o.textContent="1"},1800)`)}`,
    want: "mutation",
  },
  "late answer of dead ground by delegation": {
    body: `<div id="it">Go</div><p id="o">0</p><script>document.addEventListener("click",()=>setTimeout(()=>{o.textContent="1"},900))</script>`,
    want: "mutation",
    watchMs: 800,
  },
  "fetch, then text": {
    body: `<button id="it">Go</button><p id="o">0</p>${on(`fetch("/slow?ms=700").then(()=>{o.textContent="1"})`)}`,
    want: "mutation",
  },
  "fetch slower than the deadline": {
    body: `<button id="it">Go</button><p id="o">0</p>${on(`fetch("/slow?ms=3500").then(()=>{o.textContent="1"})`)}`,
    want: "network",
  },
  XMLHttpRequest: {
    body: `<button id="it">Go</button>${on(`const x=new XMLHttpRequest();x.open("GET","/slow?ms=3000");x.send()`)}`,
    want: "network",
  },
  popover: {
    body: `<button id="it" popovertarget="p">Go</button><div id="p" popover>hello</div>`,
    want: "mutation",
    interactive: true,
  },
  dialog: {
    body: `<button id="it">Go</button><dialog id="d">hello</dialog>${on("d.showModal()")}`,
    want: "mutation",
  },
  details: {
    body: `<details><summary id="it">More</summary>text</details>`,
    want: "mutation",
    interactive: true,
  },
  class: {
    body: `<style>.on{color:red}</style><button id="it">Go</button><p id="o">x</p>${on(`o.className="on"`)}`,
    want: "mutation",
  },
  "style rule inserted": {
    body: `<style id="s"></style><button id="it">Go</button><p>x</p>${on(`s.sheet.insertRule("p{color:red}")`)}`,
    want: "mutation",
  },
  "style rule changed in place": {
    body: `<style id="s">#o{display:none;position:fixed;inset:0;background:#fff}</style><button id="it">Go</button><div id="o">x</div>${on(`s.sheet.cssRules[0].style.display="block"`)}`,
    want: "mutation",
  },
  "adopted style sheet": {
    body: `<button id="it">Go</button><p>x</p>${on(`const s=new CSSStyleSheet();s.replaceSync("p{color:red}");document.adoptedStyleSheets=[s]`)}`,
    want: "mutation",
  },
  canvas: {
    body: `<canvas id="it" width="100" height="100"></canvas>${on(`it.getContext("2d").fillRect(0,0,9,9)`)}`,
    first: true,
    want: "mutation",
    interactive: true,
  },
  "closed shadow root": {
    body: `<div id="it"></div><script>const r=document.getElementById("it").attachShadow({mode:"closed"});r.innerHTML="<button>Go</button><p>0</p>";r.querySelector("button").onclick=()=>{r.querySelector("p").textContent="1"}</script>`,
    first: true,
    act: (page) => page.click("#it", { position: { x: 15, y: 10 } }),
    want: "mutation",
  },
  "open shadow root": {
    body: `<div id="it"></div><script>const r=document.getElementById("it").attachShadow({mode:"open"});r.innerHTML="<button>Go</button><p>0</p>";r.querySelector("button").onclick=()=>{r.querySelector("p").textContent="1"}</script>`,
    want: "mutation",
    interactive: true,
    click: "#it button",
  },
  "shadow root in another, both written in the page": {
    body: `<div id="it"><template shadowrootmode="open"><div><template shadowrootmode="open"><button>Go</button><p>0</p></template></div></template></div>
      <script>const r=document.getElementById("it").shadowRoot.firstChild.shadowRoot;r.querySelector("button").onclick=()=>{r.querySelector("p").textContent="1"}</script>`,
    want: "mutation",
    interactive: true,
    click: "#it button",
  },
  "thousands of rows, with blanks between": {
    body: `<button id="it">Go</button><div id="o"></div>${on(`o.innerHTML=" <p>row</p>".repeat(4000)`)}`,
    want: "mutation",
  },
  "thousands of rows that nobody sees": {
    body: `<button id="it">Go</button><div id="o"></div>${on(`o.innerHTML=" <p hidden>row</p>".repeat(4000)`)}`,
    want: "none",
    interactive: true,
  },
  "answer in a frame": {
    body: `<button id="it">Go</button><iframe id="f" srcdoc="<p id=o>0</p>"></iframe>${on(`f.contentDocument.getElementById("o").textContent="1"`)}`,
    want: "mutation",
    watchMs: 300,
  },
  "click in a frame": {
    body: `<iframe id="f" srcdoc="<button id=it onclick='this.nextSibling.textContent=1'>Go</button><p>0</p>"></iframe>`,
    want: "mutation",
    interactive: true,
    watchMs: 300,
    act: (page) => page.frameLocator("#f").locator("#it").click(),
  },
  "click in a frame that came late": {
    body: `<script>setTimeout(()=>{const f=document.createElement("iframe");f.id="f";f.srcdoc="<button id=it onclick=nextSibling.textContent=1>Go</button><p>0</p>";document.body.append(f)},3000)</script>`,
    want: "mutation",
    interactive: true,
    watchMs: 3300,
    act: (page) => page.frameLocator("#f").locator("#it").click(),
  },
  "dead click in a frame": {
    body: `<iframe id="f" srcdoc="<p id=it>text</p>"></iframe>`,
    want: "none",
    interactive: false,
    watchMs: 300,
    act: (page) => page.frameLocator("#f").locator("#it").click(),
  },
  "route of a single-page site": {
    body: `<button id="it">Go</button>${on(`history.pushState({},"",location.pathname+"/more")`)}`,
    want: "navigation",
  },
  "link to a slow page": {
    body: `<a id="it" href="/slow?ms=6000">Go</a>`,
    want: "navigation",
    interactive: true,
  },
  "script that goes elsewhere later": {
    body: `<button id="it">Go</button>${on(`setTimeout(()=>{location.href="/slow?ms=6000"},800)`)}`,
    want: "navigation",
  },
  "fragment with a target": {
    body: `<a id="it" href="#far">Go</a><div style="height:3000px"></div><p id="far">far</p>`,
    want: "navigation",
  },
  "link to nowhere": { body: `<a id="it" href="#">Go</a>`, want: "none", interactive: true },
  "link that is prevented": {
    body: `<a id="it" href="/elsewhere">Go</a>${on("event.preventDefault()")}`,
    want: "none",
    interactive: true,
  },
  mailto: { body: `<a id="it" href="mailto:a@b.c">Mail</a>`, want: "navigation" },
  "new tab": { body: `<a id="it" target="_blank" href="/slow?ms=1">Go</a>`, want: "navigation" },
  download: { body: `<a id="it" download="x.txt" href="data:text/plain,x">Get</a>`, want: "download" },
  "scroll to top": {
    body: `<div style="height:2000px"></div><button id="it">Up</button>${on("scrollTo({top:0,behavior:'smooth'})")}`,
    want: "scroll",
  },
  "focus of a field": {
    body: `<button id="it">Search</button><input id="f">${on("f.focus()")}`,
    want: "focus",
  },
  "text field": { body: `<input id="it">`, want: "focus", interactive: true },
  "label of a text field": {
    body: `<label id="it" for="f">Name</label><input id="f">`,
    want: "focus",
    interactive: true,
  },
  "label of a checkbox": {
    body: `<label><span id="it">Yes</span><input type="checkbox"></label>`,
    want: "input",
    interactive: true,
  },
  checkbox: { body: `<input id="it" type="checkbox">`, want: "input", interactive: true },
  select: { body: `<select id="it"><option>a<option>b</select>`, want: "input", interactive: true },
  "disabled by ARIA": {
    body: `<button id="it" aria-disabled="true">Go</button>`,
    want: "input",
    act: (page) => page.click("#it", { force: true }),
  },
  "double click that selects": {
    body: `<p id="it">some words to select</p>`,
    want: "selection",
    interactive: false,
    act: (page) => page.dblclick("#it", { position: { x: 10, y: 8 } }),
  },
  "click that clears a selection": {
    body: `<p id="w">some words</p>${IMG}`,
    want: "selection",
    act: async (page) => {
      await page.evaluate(() => getSelection()?.selectAllChildren(document.getElementById("w") as Node));
      await page.click("#it");
    },
  },
  "copy button": {
    body: `<button id="it">Copy</button>${on(`navigator.clipboard.writeText("x").catch(()=>{})`)}`,
    want: "selection",
  },
  "click that closes a menu": {
    body: `<ul id="menu"><li>one</li></ul>${IMG}<script>document.addEventListener("click",()=>menu.remove())</script>`,
    want: "mutation",
  },
  "handlers of React, at the root": {
    body: `<div id="root"><div id="it">Go</div></div><script>const e=document.getElementById("it");e["__reactProps$x"]={onClick(){e.textContent="Gone"}};root.addEventListener("click",(v)=>v.target["__reactProps$x"].onClick())</script>`,
    want: "mutation",
    interactive: true,
  },
  drag: {
    body: `<div id="it" style="width:300px;height:100px">slider</div>`,
    want: "input",
    act: async (page) => {
      await page.mouse.move(60, 60);
      await page.mouse.down();
      await page.mouse.move(160, 60, { steps: 4 });
      await page.mouse.up();
    },
  },
  "hovering elsewhere after a dead click": {
    body: `${IMG}<p id="h">hover</p><p id="o">0</p><script>h.addEventListener("mouseover",()=>{o.textContent=Math.random()})</script>`,
    want: "none",
    act: async (page) => {
      await page.click("#it");
      await page.hover("#h");
    },
  },
  "scrolling by the wheel after a dead click": {
    body: `${IMG}<div style="height:3000px"></div>`,
    want: "none",
    act: async (page) => {
      await page.click("#it");
      await page.mouse.wheel(0, 600);
    },
  },
  "slow control, then dead ground": {
    body: `${IMG}<button id="b">Go</button><p id="o">0</p><script>b.onclick=(event)=>setTimeout(()=>{o.textContent="1"},1200-(performance.now()-event.timeStamp))</script>`,
    want: "none",
    interactive: false,
    // It answers 1.2 s after the press, not after a busy browser has told it of that.
    act: async (page) => {
      await page.click("#b");
      await page.click("#it");
    },
  },
};
