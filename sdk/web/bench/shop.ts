// The shop of the scripted visit: some 1,500 nodes, six routes, a ticker; and the way through it.
import type { Page } from "playwright-core";

export const shop = (
  head: string,
): string => `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Shop</title>${head}
<style>body{font:14px sans-serif;margin:0}.grid{display:grid;grid-template-columns:repeat(5,1fr);gap:8px}.card{border:1px solid #ccc;padding:8px}
.card .tag{color:#666}.price{font-weight:bold}nav a{margin:8px}#tick{background:#eee;padding:4px}.on{outline:2px solid blue}</style></head>
<body><nav>${[0, 1, 2, 3, 4, 5].map((n) => `<a href="/r${n}" data-n="${n}">Section ${n}</a>`).join("")}</nav><div id="tick">0</div>
<form><input id="q" placeholder="Search"><button type="button" id="clear">Clear</button></form><p id="count">0 in the basket</p>
<main class="grid" id="main"></main>
<script>
const words="alpine basin copper delta ember fjord garnet harbor island jasper kelp lagoon maple north onyx prairie quartz river summit tundra".split(" ");
let seed=1;const rnd=()=>(seed=seed*48271%2147483647)/2147483647;const word=()=>words[Math.floor(rnd()*words.length)];
let basket=0;
function route(n){seed=n+1;main.innerHTML=Array.from({length:90},(_,i)=>'<div class="card" data-i="'+i+'"><h3>'+word()+" "+word()+'</h3><p class="tag">'+Array.from({length:8},word).join(" ")+
'</p><p class="price">'+(rnd()*900).toFixed(2)+' EUR</p><button class="add">Add</button><small>'+word()+'</small><i></i><b></b><em>'+word()+'</em></div>').join("");scrollTo(0,0)}
route(0);
document.querySelector("nav").addEventListener("click",e=>{if(!e.target.dataset.n)return;e.preventDefault();history.pushState({},"",e.target.getAttribute("href"));route(+e.target.dataset.n)});
main.addEventListener("click",e=>{if(e.target.className==="add"){basket++;count.textContent=basket+" in the basket";e.target.closest(".card").classList.add("on")}});
q.addEventListener("input",()=>{document.querySelectorAll(".card").forEach((c,i)=>{c.hidden=i%7===q.value.length%7})});
document.getElementById("clear").addEventListener("click",()=>{q.value="";document.querySelectorAll(".card").forEach(c=>{c.hidden=false})});
setInterval(()=>{tick.textContent="Order "+Math.floor(rnd()*1e6)+" was just placed"},1000);
</script></body></html>`;

/** Six routes in `ms` milliseconds: on each some moving about, four articles, scrolling, a search. 36 clicks. */
export async function walk(page: Page, ms: number): Promise<void> {
  const begun = Date.now();
  const until = (share: number) => page.waitForTimeout(Math.max(0, begun + ms * share - Date.now()));
  for (let route = 0; route < 6; route++) {
    const step = (part: number) => until((route + part) / 6);
    await page.click(`nav a[data-n="${route}"]`);
    await step(0.2);
    await page.mouse.move(200, 300, { steps: 15 });
    await page.mouse.move(900, 500, { steps: 15 });
    for (let n = 0; n < 4; n++) {
      await page.click(`.card[data-i="${n + 3}"] .add`);
      await step(0.3 + n / 10);
    }
    await page.mouse.wheel(0, 900);
    await step(0.75);
    await page.mouse.wheel(0, -900);
    await step(0.8);
    await page.locator("#q").pressSequentially("maple", { delay: 60 });
    await page.click("#clear");
    await step(0.97);
  }
}
