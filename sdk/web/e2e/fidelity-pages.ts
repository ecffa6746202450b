// The pages of the fidelity suite. Each is shown once as it is and after each of four steps: five moments.

export interface FidelityPage {
  name: string;
  head?: string;
  body: string;
  /** Run in the page, one after the other. */
  steps: [string, string, string, string];
}

const rows = (from: number, count: number) =>
  Array.from(
    { length: count },
    (_, n) => `<li data-n="${from + n}">Row ${from + n} of a long list</li>`,
  ).join("");

export const PAGES: FidelityPage[] = [
  {
    name: "forms",
    body: `<form><fieldset><legend>Order</legend><label>Name <input id="name" data-gosight-unmask></label>
      <label><input type="checkbox" id="gift"> Gift</label><label><input type="radio" name="r" id="r1" checked> One</label>
      <label><input type="radio" name="r" id="r2"> Two</label><textarea id="note" data-gosight-unmask>hello</textarea>
      <progress id="bar" value="0.2"></progress><meter min="0" max="10" value="3"></meter><button id="send" disabled>Send</button></fieldset></form>`,
    steps: [
      `set("#name", "Ada")`,
      `$("#gift").click(); $("#r2").click()`,
      `set("#note", "two\\nlines"); $("#send").disabled = false; $("#bar").value = 0.7; $("#bar").setAttribute("value", "0.7")`,
      `$("fieldset").append(Object.assign(document.createElement("input"), { id: "late", type: "number", placeholder: "late" })); $("#name").readOnly = true`,
    ],
  },
  {
    name: "svg",
    body: `<svg id="s" width="300" height="200" viewBox="0 0 300 200"><defs><linearGradient id="g"><stop offset="0" stop-color="red"/><stop offset="1" stop-color="blue"/></linearGradient>
      <symbol id="star" viewBox="0 0 10 10"><path d="M5 0L6 4H10L7 6L8 10L5 7.5L2 10L3 6L0 4H4z"/></symbol></defs><rect x="10" y="10" width="80" height="60" fill="url(#g)"/>
      <use href="#star" x="120" y="10" width="50" height="50"/><text x="10" y="150">Vector</text><foreignObject x="180" y="20" width="100" height="60"><p xmlns="http://www.w3.org/1999/xhtml">inside</p></foreignObject></svg>`,
    steps: [
      `$("rect").setAttribute("width", "120"); $("stop").setAttribute("stop-color", "green")`,
      `const c = document.createElementNS("http://www.w3.org/2000/svg", "circle"); for (const [k, v] of Object.entries({ cx: 150, cy: 120, r: 30, fill: "orange" })) c.setAttribute(k, v); $("#s").append(c)`,
      `$("#s text").textContent = "Changed"; $("foreignObject p").innerHTML = "<b>bold</b> now"`,
      `$("use").remove(); $("#s").setAttribute("viewBox", "0 0 200 150")`,
    ],
  },
  {
    name: "adopted style sheets",
    body: `<p class="a">adopted</p><p class="b">second</p><div id="host"></div>`,
    steps: [
      `window.one = new CSSStyleSheet(); one.replaceSync(".a { color: rgb(200, 0, 0); font-size: 24px }"); document.adoptedStyleSheets = [one]`,
      `one.insertRule(".b { background: rgb(0, 200, 200); padding: 8px }", 1)`,
      `window.two = new CSSStyleSheet(); two.replaceSync("p { margin: 2px; border: 1px solid green }"); document.adoptedStyleSheets = [one, two]`,
      `one.deleteRule(0); document.adoptedStyleSheets = [two]`,
    ],
  },
  {
    name: "shadow DOM",
    body: `<my-card><span slot="title">Slotted</span>rest</my-card><script>customElements.define("my-card", class extends HTMLElement { connectedCallback() {
      this.attachShadow({ mode: "open" }).innerHTML = "<style>h3 { color: purple } .box { border: 2px solid }</style><div class=box><h3><slot name=title></slot></h3><slot></slot><p id=inner>inner</p></div>" } })</script>`,
    steps: [
      `$("my-card").shadowRoot.querySelector("#inner").textContent = "changed inside"`,
      `$("my-card").shadowRoot.querySelector(".box").insertAdjacentHTML("beforeend", "<ul><li>a</li><li>b</li></ul>")`,
      `document.body.append(Object.assign(document.createElement("my-card"), { innerHTML: "<em slot=title>Another</em> card" }))`,
      `const nested = document.createElement("div"); nested.attachShadow({ mode: "open" }).innerHTML = "<b>nested</b>"; $("my-card").shadowRoot.querySelector(".box").append(nested); $("span").slot = ""`,
    ],
  },
  {
    name: "frames of the same origin",
    body: `<iframe id="f" srcdoc="<h2>Frame</h2><p>text</p>" width="300" height="120"></iframe><p id="out">outside</p>`,
    steps: [
      `$("#f").contentDocument.querySelector("p").textContent = "changed in the frame"`,
      `$("#f").contentDocument.body.insertAdjacentHTML("beforeend", "<ul><li>one</li><li>two</li></ul>")`,
      `const f = document.createElement("iframe"); f.srcdoc = "<p style='color: red'>second frame</p>"; f.id = "g"; f.height = 60; document.body.append(f)`,
      `$("#out").remove(); $("#f").contentDocument.querySelector("h2").className = "x"`,
    ],
  },
  {
    name: "canvas",
    body: `<canvas id="c" width="300" height="150"></canvas><p>drawn</p>`,
    steps: [
      `window.g = $("#c").getContext("2d"); g.fillStyle = "teal"; g.fillRect(10, 10, 100, 50)`,
      `g.beginPath(); g.arc(200, 70, 40, 0, 7); g.fillStyle = "rgb(255, 100, 0)"; g.fill()`,
      `g.clearRect(0, 0, 60, 150); g.strokeStyle = "navy"; g.lineWidth = 5; g.strokeRect(20, 80, 120, 50)`,
      `g.save(); g.translate(150, 75); g.rotate(0.5); g.fillRect(-30, -10, 60, 20); g.restore()`,
    ],
  },
  {
    name: "fonts",
    head: `<style>@font-face { font-family: Served; src: url(/served.woff2) } .served { font: 28px Served } body { font-family: serif }</style>`,
    body: `<p class="served">Quick brown fox</p><p id="plain">jumps over</p>`,
    steps: [
      `$("#plain").className = "served"`,
      `$("#plain").style.fontWeight = "900"`,
      `document.body.insertAdjacentHTML("beforeend", "<p style='font: italic 20px Served'>and more</p>")`,
      `$(".served").style.fontFamily = "monospace"`,
    ],
  },
  {
    name: "long list",
    head: `<style>#list { height: 300px; overflow: auto; border: 1px solid }</style>`,
    body: `<ul id="list">${rows(0, 1_000)}</ul>`,
    steps: [
      `$("#list").scrollTop = 4000`,
      `$("#list").insertAdjacentHTML("beforeend", ${JSON.stringify(rows(1_000, 300))})`,
      `for (let n = 0; n < 200; n++) $("#list").append($("#list").firstElementChild)`,
      `$("#list").replaceChildren(...[...$("#list").children].filter((_, n) => n % 3 === 0).reverse()); $("#list").scrollTop = 100`,
    ],
  },
  {
    name: "CSS animations",
    head: `<style>@keyframes in { from { opacity: 0; transform: translateX(-80px) } } .in { animation: in 120ms both } .box { width: 80px; height: 40px; background: crimson; transition: width 100ms, background 100ms }
      .wide { width: 240px; background: navy } @keyframes spin { to { transform: rotate(1turn) } } .spin { animation: spin 1s linear infinite }</style>`,
    body: `<div class="box in"></div><p id="p">text</p>`,
    steps: [
      `$(".box").classList.add("wide")`,
      `document.body.insertAdjacentHTML("beforeend", "<div class='box in'>new</div>")`,
      `$("#p").className = "spin"`,
      `$(".box").classList.remove("wide", "in")`,
    ],
  },
  {
    name: "table that is sorted and edited",
    head: `<style>td, th { border: 1px solid #999; padding: 4px }</style>`,
    body: `<table><thead><tr><th>Name<th>Price</tr></thead><tbody id="t">${Array.from({ length: 20 }, (_, n) => `<tr data-k="${(n * 7) % 20}"><td>Item ${n}</td><td>${(n * 37) % 100}</td></tr>`).join("")}</tbody></table>`,
    steps: [
      `$("#t").append(...[...$("#t").rows].sort((a, b) => a.dataset.k - b.dataset.k))`,
      `for (const row of $("#t").rows) row.insertCell().textContent = row.dataset.k * 2`,
      `$("#t").deleteRow(3); $("#t").rows[5].after($("#t").rows[1]); $("#t").insertRow(0).innerHTML = "<td colspan=3>first</td>"`,
      `$("table").createTFoot().innerHTML = "<tr><td>sum<td>9"; $("thead tr").append(document.createElement("th"))`,
    ],
  },
  {
    name: "dialogs and details",
    body: `<details id="d"><summary>More</summary><p>hidden at first</p></details><dialog id="dl"><p>Modal</p></dialog><dialog id="plain"><p>Plain</p></dialog>`,
    steps: [
      `$("#d").open = true`,
      `$("#plain").show()`,
      `$("#plain").close(); $("#dl").showModal(); document.activeElement.blur()`,
      `$("#dl").close(); $("#d").open = false`,
    ],
  },
  {
    name: "style sheets that change",
    head: `<style id="s">p { color: black } .x { letter-spacing: 2px } @media (min-width: 300px) { .y { background: #ffc } }</style><style>:root { --c: rebeccapurple } b { color: var(--c) }</style>`,
    body: `<p class="x">one</p><p class="y">two</p><b>three</b>`,
    steps: [
      `$("#s").sheet.insertRule("p { font-size: 22px }", 1)`,
      `$("#s").sheet.cssRules[0].style.color = "green"; document.documentElement.style.setProperty("--c", "orange")`,
      `$("#s").sheet.deleteRule(1); document.head.append(Object.assign(document.createElement("style"), { textContent: ".x { background: #def }" }))`,
      `$("#s").textContent = ".y { border: 3px dotted red }"; $("b").style.cssText = "display: block; padding: 5px; color: blue !important"`,
    ],
  },
  {
    name: "masked and blocked parts",
    body: `<p>open</p><section data-gosight-block class="blocked" style="width:200px;height:60px"><p>secret</p></section><ul id="u"><li>a</li></ul>`,
    steps: [
      `$("section").insertAdjacentHTML("beforeend", "<b>more secret</b>"); $("#u").insertAdjacentHTML("beforeend", "<li>b</li>")`,
      `$("section").before(Object.assign(document.createElement("h4"), { textContent: "before the block" }))`,
      `const s = document.createElement("div"); s.dataset.gosightBlock = ""; s.className = "blocked"; s.style.cssText = "width:100px;height:30px"; s.textContent = "hidden"; $("#u").after(s)`,
      `$("section").remove(); $("#u").prepend($("p"))`,
    ],
  },
  {
    name: "writing of every kind",
    head: `<style>pre { background: #eee } .v { writing-mode: vertical-rl; height: 120px }</style>`,
    body: `<p dir="rtl">שלום עולם 123</p><p lang="vi">Tiếng Việt có dấu</p><pre>  two  spaces
	and a tab</pre><p class="v">縦書き</p><div id="edit">rich <i>text</i></div><p id="ent">&lt;not a tag&gt; &amp; 𝄞 👩‍👩‍👧</p>`,
    steps: [
      `$("#ent").append(" more & <less> \\u2028 end")`,
      `$("pre").firstChild.appendData("\\n   appended"); $("p").dir = "ltr"`,
      `$("#ent").firstChild.splitText(5).remove(); $("#ent").normalize()`,
      `$("p").firstChild.replaceWith("מחדש ", document.createElement("wbr"), "again")`,
    ],
  },
  {
    name: "routes, images and scrolling",
    head: `<style>img { width: 60px; height: 40px; background: #ccc } section { height: 500px; border: 1px solid }</style>`,
    body: `<nav><a href="/one">one</a></nav><main id="m"><section>Home <img src="data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg'%3E%3Crect width='300' height='150' fill='green'/%3E%3C/svg%3E"></section><section>below</section><section>end</section></main>`,
    steps: [
      `scrollTo(0, 350)`,
      `history.pushState({}, "", "/route/two"); $("#m").innerHTML = "<section><h1>Two</h1><img alt='x' src=\\"data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg'%3E%3Ccircle r='90' fill='red'/%3E%3C/svg%3E\\"></section>".repeat(3); scrollTo(0, 0)`,
      `const old = $("#m"); const m = document.createElement("main"); m.id = "m"; m.innerHTML = "<section>Three</section>".repeat(4); old.replaceWith(m); m.append(old.firstElementChild)`,
      `scrollTo(0, 700); document.title = "Route three"; document.body.className = "dark"`,
    ],
  },
];
