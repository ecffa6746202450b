import { afterAll, expect } from "vitest";
import { html, tag } from "./browser.ts";
import { closeBrowser, test } from "./fixture.ts";

afterAll(closeBrowser);

const FORM = `
  <form><input id="name"><input id="pw" type="password"><input type="hidden" id="hid" value="canary-hidden">
  <input id="mail" type="email" value="canary-preset"><textarea id="area"></textarea>
  <select id="sel"><option>first</option><option>canary-choice</option></select>
  <div id="edit" contenteditable>editable</div><input type="checkbox" id="box"></form>
  <section data-gosight-mask><p id="masked">canary-masked-text <b title="canary-masked-title">bold</b></p><button id="mb" aria-label="canary-masked-label">canary-button</button></section>
  <section data-gosight-block><p id="blocked" title="canary-block-title">canary-blocked</p><img alt="canary-blocked-alt"></section>
  <input id="shown" data-gosight-unmask><p id="plain">plain words</p>
  <script>setInterval(()=>{blocked.textContent="canary-blocked-"+Math.random();hid.value="canary-hidden-"+Math.random()},200)</script>`;

test("typed, hidden, masked and blocked content is in no byte on the wire", async ({ agent, page }) => {
  agent.pages.set("/", html(FORM, tag(agent)));
  await page.goto(agent.url);
  await agent.until(() => agent.of("full_snapshot").length === 2, "snapshot");
  await page.locator("#name").pressSequentially("canary-name");
  await page.locator("#pw").pressSequentially("canary-password");
  await page.locator("#area").pressSequentially("canary-area");
  await page.locator("#edit").pressSequentially("canary-edit");
  await page.selectOption("#sel", "canary-choice");
  await page.evaluate(() => {
    (document.getElementById("name") as HTMLInputElement).setAttribute("value", "canary-attribute");
    (document.getElementById("pw") as HTMLInputElement).type = "text";
    (document.getElementById("masked") as HTMLElement).append(" canary-masked-later");
    (document.getElementById("masked") as HTMLElement).setAttribute("title", "canary-masked-attr");
  });
  await page.click("#masked");
  await page.click("#mb");
  await page.click("#edit");
  await page.check("#box");
  await page.locator("#shown").pressSequentially("shown-on-purpose");
  await page.goto("about:blank");
  await agent.until(() => agent.left(), "the whole page");
  expect(agent.of("input").length).toBeGreaterThanOrEqual(6);
  const wire = agent.wire.map(String).join("\n");
  // Choices that a select offers are the page's text; which one was taken is not told.
  expect([...new Set(wire.match(/canary-(?!choice)[\w-]+/g))]).toEqual([]);
  expect(wire).toContain("shown-on-purpose");
  expect(wire).toContain("plain words");
  expect(agent.of("click").find((event) => event.payload.selector === "button#mb")?.payload.text).toBe(
    "*******************",
  );
});

test("with all text masked, no word of the page is on the wire", async ({ agent, page }) => {
  agent.pages.set(
    "/",
    html(
      `<h1>canary-heading</h1><a href="/x" title="canary-title">canary-link</a><img alt="canary-alt"><button id="b" aria-label="canary-label">canary-go</button>`,
      `${tag(agent, 'data-mask-text="all"')}`,
    ),
  );
  await page.goto(agent.url);
  await agent.until(() => agent.of("full_snapshot").length === 2, "snapshot");
  await page.click("#b");
  await page.evaluate(() => {
    document.body.append("canary-later");
    document.title = "canary-document-title";
  });
  await page.goto("about:blank");
  await agent.until(() => agent.left(), "the whole page");
  expect([
    ...new Set(
      agent.wire
        .map(String)
        .join("\n")
        .match(/canary-[\w-]+/g),
    ),
  ]).toEqual([]);
});
