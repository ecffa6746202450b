// Each example is opened as a visitor would: its page, a click, a way to another page.
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { afterAll, describe, expect } from "vitest";
import type { TestAgent } from "./agent.ts";
import { closeBrowser, test } from "./fixture.ts";

afterAll(closeBrowser);

const AGENT = "http://127.0.0.1:7711";
const folder = (name: string) => fileURLToPath(new URL(`../examples/${name}/`, import.meta.url));

/** The example as it is, but for the agent's address. */
async function serve(name: string, agent: TestAgent, page: string): Promise<void> {
  agent.key = "demo";
  const text = (path: string) => readFileSync(folder(name) + path, "utf8").replaceAll(AGENT, agent.url);
  agent.pages.set(page, text("index.html"));
  if (name === "plain") return;
  const { outputFiles } = await build({
    entryPoints: [`${folder(name)}app`],
    bundle: true,
    splitting: true,
    format: "esm",
    jsx: "automatic",
    outdir: folder(name),
    write: false,
    logLevel: "warning",
  });
  for (const { path, text } of outputFiles) {
    agent.pages.set(page + basename(path), (_, response) => {
      response.setHeader("Content-Type", "text/javascript");
      response.end(text.replaceAll(AGENT, agent.url));
    });
  }
  if (name === "next-style") agent.pages.set(`${page}offers.txt`, text("offers.txt"));
}

describe.each([
  { name: "plain", title: "Plain page", to: "#offers", kind: "hash", add: "Add to basket", custom: true },
  { name: "react", title: "React", to: "?page=offers", kind: "push", add: "Add to basket", custom: true },
  { name: "vue", title: "Vue", to: "?page=offers", kind: "push", add: "Add to basket", custom: true },
  {
    name: "next-style",
    title: "Next-style router",
    to: "offers.txt",
    kind: "push",
    add: "Details",
    custom: false,
  },
])("$name", ({ name, title, to, kind, add, custom }) => {
  test("page_load, click with its outcome, navigate", async ({ agent, page }) => {
    const faults: string[] = [];
    page.on("pageerror", (fault) => faults.push(String(fault)));
    await serve(name, agent, "/shop/");
    await page.goto(`${agent.url}/shop/`);
    const load = await agent.until(() => agent.of("page_load")[0], "page_load");
    expect(load.payload).toMatchObject({ title, url: `${agent.url}/shop/` });
    await agent.until(() => agent.of("full_snapshot").length === 2, "snapshot");

    await page.click("#add");
    const click = await agent.until(() => agent.of("click")[0], "click");
    expect(click.payload).toMatchObject({ selector: "button#add", text: add, interactive: true });
    const outcome = await agent.until(() => agent.of("click_outcome")[0], "click_outcome");
    expect(outcome.payload).toMatchObject({ click_id: click.id, kind: "mutation" });
    if (custom) {
      const own = await agent.until(() => agent.of("custom")[0], "custom");
      expect(own.payload).toEqual({ name: "added", props: { items: 1 } });
    }

    await page.click("text=Offers");
    const navigate = await agent.until(() => agent.of("navigate")[0], "navigate");
    expect(navigate.payload).toEqual({ from: `${agent.url}/shop/`, to: `${agent.url}/shop/${to}`, kind });
    const way = await agent.until(() => agent.of("click_outcome")[1], "outcome of the link");
    // Where the router says at once that it is busy, that is the first answer.
    expect(way.payload.kind).toBe(name === "next-style" ? "mutation" : "navigation");
    expect(agent.of("navigate")).toHaveLength(1);
    expect(new Set(agent.events.map((event) => event.session)).size).toBe(1);
    expect(faults).toEqual([]);
  });
});
