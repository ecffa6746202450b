// What is recorded plays back: the player's document is the page's, node by node.
import { build } from "esbuild";
import { afterAll, expect } from "vitest";
import { html, tag } from "./browser.ts";
import { closeBrowser, test } from "./fixture.ts";

afterAll(closeBrowser);

/** Runs in the page and in the player's frame: tags, attributes and texts, but for what recording changes. */
const structure = (root: Element): string => {
  const walk = (node: Node): string => {
    if (node.nodeType === 3) return node.nodeValue?.trim() ?? "";
    if (node.nodeType !== 1) return "";
    const element = node as Element;
    if (/^(SCRIPT|NOSCRIPT|STYLE|META|LINK)$/.test(element.tagName)) return "";
    const attributes = [...element.attributes]
      .filter(({ name }) => /^(id|class|data-[a-z]+|hidden|title)$/.test(name))
      .map(({ name, value }) => `${name}=${value}`)
      .sort()
      .join();
    return `<${element.localName} ${attributes}>${[...element.childNodes].map(walk).join("")}</>`;
  };
  return walk(root);
};

test("after every kind of change to the document", async ({ agent, page }) => {
  agent.pages.set(
    "/",
    html(`<ul id="list"><li>one</li><li>two</li></ul><main id="main"></main>`, tag(agent)),
  );
  await page.goto(agent.url);
  await agent.until(() => agent.of("full_snapshot").length === 2, "snapshot");
  const count = () => agent.of("mutation").length;
  await page.evaluate(async () => {
    const list = document.getElementById("list") as HTMLElement;
    const main = document.getElementById("main") as HTMLElement;
    const next = () => new Promise((resolve) => setTimeout(resolve, 60));
    const card = (n: number) =>
      `<section class="card c${n}"><h2>Card ${n}</h2><p>text <b>bold</b> tail</p><i></i></section>`;
    for (let round = 0; round < 4; round++) {
      main.innerHTML = Array.from({ length: 12 }, (_, n) => card(round * 100 + n)).join("");
      await next();
      list.firstElementChild?.after(
        ...Array.from({ length: 6 }, (_, n) =>
          Object.assign(document.createElement("li"), { textContent: `in ${round}.${n}` }),
        ),
      );
      main.prepend(main.lastElementChild as Element);
      main.children[3]?.append(main.children[5] as Element, " words ", main.children[1] as Element);
      await next();
      list.lastElementChild?.remove();
      main.children[2]?.replaceChildren(
        ...Array.from({ length: 5 }, (_, n) =>
          Object.assign(document.createElement("em"), { innerHTML: `<u>${n}</u>x` }),
        ),
      );
      main.children[0]?.setAttribute("title", `round ${round}`);
      await next();
    }
  });
  const wanted = await page.evaluate(structure, (await page.$("body")) as never);
  const before = count();
  await page.goto("about:blank");
  await agent.until(() => agent.of("page_exit").length && count() > before, "the rest");
  const events = [...agent.of("full_snapshot"), ...agent.of("mutation")].map((event) => event.payload);
  events.sort((a, b) => Number(a.timestamp) - Number(b.timestamp));

  const player = await build({
    stdin: {
      contents: `import { Replayer } from "rrweb"; window.Replayer = Replayer;`,
      resolveDir: import.meta.dirname,
    },
    bundle: true,
    write: false,
    logLevel: "silent",
  });
  agent.pages.set("/player", html(""));
  await page.goto(`${agent.url}/player`);
  await page.addScriptTag({ content: player.outputFiles[0]?.text ?? "" });
  const warnings: string[] = [];
  page.on("console", (message) => message.type() === "warning" && warnings.push(message.text()));
  await page.evaluate((recorded) => {
    const { Replayer } = window as unknown as {
      Replayer: new (
        events: unknown[],
        config: object,
      ) => { pause(at: number): void; getMetaData(): { totalTime: number } };
    };
    const replayer = new Replayer(recorded, { root: document.body, mouseTail: false });
    replayer.pause(replayer.getMetaData().totalTime + 1);
  }, events);
  const frame = page.frames().find((inner) => inner !== page.mainFrame());
  const played = await frame?.evaluate(structure, (await frame.$("body")) as never);
  expect(played).toBe(wanted);
  expect(warnings.filter((text) => /not found|missing/i.test(text))).toEqual([]);
});
