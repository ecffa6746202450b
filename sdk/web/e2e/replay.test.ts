// What is recorded plays back: the player's document is the page's, node by node.
import { afterAll, expect } from "vitest";
import { html, tag } from "./browser.ts";
import { closeBrowser, test } from "./fixture.ts";
import { openPlayer, recording, structure } from "./player.ts";

afterAll(closeBrowser);

test("after every kind of change to the document", async ({ agent, page }) => {
  agent.pages.set(
    "/",
    html(`<ul id="list"><li>one</li><li>two</li></ul><main id="main"></main>`, tag(agent)),
  );
  await page.goto(agent.url);
  await agent.until(() => agent.of("full_snapshot").length === 2, "snapshot");
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
  await page.goto("about:blank");
  await agent.until(() => agent.left(), "the whole page");
  const events = recording(agent);
  const player = await openPlayer(agent, page, events);
  await player.seek((events.at(-1)?.timestamp ?? 0) + 1);
  const frame = player.frame();
  const played = await frame.evaluate(structure, (await frame.$("body")) as never);
  expect(played).toEqual(wanted);
  expect(player.warnings.filter((text) => /not found|missing/i.test(text))).toEqual([]);
});

test("a page that changes for hours is taken anew now and then", async ({ agent, page }) => {
  agent.pages.set("/", html(`<p id="clock">0</p>`, tag(agent)));
  await page.goto(agent.url);
  await agent.until(() => agent.of("full_snapshot").length === 2, "snapshot");
  await page.evaluate(async () => {
    const clock = document.getElementById("clock") as HTMLElement;
    for (let tick = 1; tick <= 3_100; tick++) {
      clock.textContent = String(tick);
      // Observers are told in a microtask: each tick is a change of its own.
      await new Promise((resolve) => queueMicrotask(() => resolve(undefined)));
      if (tick % 500 === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    }
  });
  await agent.until(() => agent.of("mutation").length >= 3_100, "the changes");
  expect(agent.of("full_snapshot").length).toBe(2);
  await page.waitForTimeout(10_000); // the least that lies between two
  await page.evaluate(() => document.getElementById("clock")?.setAttribute("title", "one more"));
  await agent.until(() => agent.of("full_snapshot").length === 4, "the page, taken anew");
});
