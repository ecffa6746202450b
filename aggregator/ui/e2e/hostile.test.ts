// @vitest-environment node
import { copyFileSync, existsSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Browser, Frame, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { launch, runnable } from "./chromium";
import { startServer } from "./server";

type Node = { type: number; id: number; [key: string]: unknown };

let nextId = 1;
const element = (tagName: string, attributes: Record<string, string> = {}, ...childNodes: Node[]): Node => ({
  type: 2,
  id: nextId++,
  tagName,
  attributes,
  childNodes,
});
const text = (textContent: string): Node => ({ type: 3, id: nextId++, textContent });

/** Runs where scripts run: it marks the window, the topmost one too, and tells the canary. */
const script = (canary: string, name: string) =>
  `window.canary=top.canary="${name}";new Image().src="${canary}/ran-${name}";void 0`;

/** A page that tries whatever a page can, each attempt under a name of its own. */
function hostilePage(canary: string): Node {
  const run = (name: string) => script(canary, name);
  return element(
    "html",
    {},
    element(
      "head",
      {},
      element("script", {}, text(run("inline-script"))),
      element("script", { src: `${canary}/script` }),
      element("link", { rel: "stylesheet", href: `${canary}/stylesheet` }),
      element("link", { rel: "icon", href: `${canary}/icon` }),
      element("link", { rel: "prefetch", href: `${canary}/prefetch` }),
      element("link", { rel: "preload", as: "image", href: `${canary}/preload` }),
      element("link", { rel: "modulepreload", href: `${canary}/modulepreload` }),
      element("link", { rel: "preconnect", href: canary }),
      element(
        "style",
        {},
        text(
          `@import url("${canary}/css-import"); @font-face { font-family: spy; src: url("${canary}/css-font") } ` +
            `body { font-family: spy, serif; background: url("${canary}/css-background") }`,
        ),
      ),
      element("style", { _cssText: `@import url("${canary}/css-text-import"); p { color: teal }` }),
    ),
    element(
      "body",
      { onload: run("body-onload"), style: `border-image: url("${canary}/style-attribute") 1` },
      element("p", { id: "reached" }, text("The hostile page is on the stage.")),
      element("img", { src: `${canary}/img`, onerror: run("img-onerror") }),
      element("img", { srcset: `${canary}/img-srcset 1x` }),
      element("img", { src: "data:image/png;base64,broken", onerror: run("broken-onerror") }),
      element("svg", {}, element("image", { href: `${canary}/svg-image` })),
      element("iframe", { src: `${canary}/iframe` }),
      element("iframe", { srcdoc: `<script>${run("srcdoc")}</script>` }),
      element("iframe", { src: `javascript:${run("iframe-javascript")}` }),
      element("iframe", {
        src: `data:text/html,<script>new Image().src="${canary}/data-frame"</script><img src="${canary}/data-frame-img">`,
      }),
      element("object", { data: `${canary}/object` }),
      element("embed", { src: `${canary}/embed` }),
      element("video", { src: `${canary}/video`, poster: `${canary}/poster`, autoplay: "" }),
      element("audio", { src: `${canary}/audio`, autoplay: "" }),
      element("details", { open: "", ontoggle: run("ontoggle") }, element("summary", {}, text("open"))),
      element("input", { autofocus: "", onfocus: run("onfocus") }),
      element("button", { class: "press", onclick: run("onclick") }, text("a handler")),
      element("a", { class: "press", href: `javascript:${run("javascript-link")}` }, text("javascript")),
      element(
        "a",
        { class: "press", href: `${canary}/ping-to`, ping: `${canary}/ping`, target: "_blank" },
        text("ping"),
      ),
      element(
        "form",
        { action: `${canary}/form`, target: "_blank" },
        element("button", { class: "press", type: "submit" }, text("send")),
      ),
      element("a", { class: "last", href: `${canary}/link` }, text("away")),
      element("meta", { "http-equiv": "refresh", content: `2;url=${canary}/meta-refresh` }),
    ),
  );
}

/** What a recorder would send of the page, and what comes later: an image, a style rule, a font, a canvas call. */
function recording(page: Node, canary: string): unknown[] {
  const start = Date.now() - 60_000;
  const body = (page.childNodes as Node[])[1] as Node;
  const frame = element("iframe", {});
  const late = element("img", { src: `${canary}/late-img`, onerror: script(canary, "late-onerror") });
  const change = (after: number, data: Record<string, unknown>) => ({
    type: 3,
    timestamp: start + after,
    data,
  });
  const none = { source: 0, texts: [], attributes: [], removes: [], adds: [] };
  return [
    { type: 4, timestamp: start, data: { href: "https://shop.example/", width: 1280, height: 800 } },
    {
      type: 2,
      timestamp: start,
      data: {
        initialOffset: { left: 0, top: 0 },
        node: {
          type: 0,
          id: nextId++,
          childNodes: [{ type: 1, id: nextId++, name: "html", publicId: "", systemId: "" }, page],
        },
      },
    },
    change(50, { ...none, adds: [late, frame].map((node) => ({ parentId: body.id, nextId: null, node })) }),
    change(55, { ...none, attributes: [{ id: frame.id, attributes: { src: `${canary}/late-frame` } }] }),
    change(60, {
      ...none,
      attributes: [
        {
          id: body.id,
          attributes: { onclick: script(canary, "late-handler"), background: `${canary}/late-background` },
        },
      ],
    }),
    change(70, { source: 10, family: "late", fontSource: `url("${canary}/font-face")`, buffer: false }),
    change(80, {
      source: 9,
      id: body.id,
      type: 0,
      commands: [
        {
          property: "drawImage",
          args: [{ rr_type: "HTMLImageElement", src: `${canary}/canvas-image` }, 0, 0],
        },
        { property: "fill", args: [{ rr_type: "Function", args: [script(canary, "canvas-function")] }] },
      ],
    }),
    change(400, none),
  ];
}

/** The page as its site would serve it. */
function html(node: Node): string {
  if (node.type === 3) return node.textContent as string;
  const quoted = (value: string) => value.replaceAll("&", "&amp;").replaceAll('"', "&quot;");
  const { _cssText: css, ...attributes } = node.attributes as Record<string, string>;
  const said = Object.entries(attributes).map(([name, value]) => ` ${name}="${quoted(value)}"`);
  const children = (node.childNodes as Node[]).map(html).join("");
  const voids = ["link", "meta", "img", "input", "embed", "image"];
  return `<${node.tagName}${said.join("")}>${css ?? ""}${children}${voids.includes(node.tagName as string) ? "" : `</${node.tagName}>`}`;
}

/** Presses everything, as somebody would who could; in a frame that runs no scripts this is the browser's doing. */
const press = async (frame: Frame) => {
  await frame.evaluate(() => {
    for (const it of document.querySelectorAll<HTMLElement>(".press")) it.click();
  });
  await frame.evaluate(() => document.querySelector<HTMLElement>(".last")?.click());
};

describe.skipIf(!runnable)("a hostile recording in Chromium", { timeout: 60_000 }, () => {
  let browser: Browser;
  let canaryServer: Server;
  let canary = "";
  let hostile: Node;
  let server: Awaited<ReturnType<typeof startServer>>;
  /** What came to the canary: a connection each, and the paths that were asked for. */
  let connections = 0;
  let asked: string[] = [];

  beforeAll(async () => {
    canaryServer = createServer((request, response) => {
      const path = request.url?.slice(1) ?? "";
      asked.push(path);
      response.setHeader("Access-Control-Allow-Origin", "*");
      if (path === "page")
        response.setHeader("Content-Type", "text/html").end(`<!doctype html>${html(hostile)}`);
      else if (path === "script")
        response.setHeader("Content-Type", "text/javascript").end(script(canary, "script"));
      else response.writeHead(404).end();
    });
    canaryServer.on("connection", () => connections++);
    await new Promise<void>((resolve) => canaryServer.listen(0, "127.0.0.1", resolve));
    canary = `http://127.0.0.1:${(canaryServer.address() as AddressInfo).port}`;
    hostile = hostilePage(canary);
    server = await startServer();
    const added = await fetch(`${server.seeded.control}/replay?id=hostile`, {
      method: "POST",
      body: JSON.stringify(recording(hostile, canary)),
    });
    expect(added.ok).toBe(true);
    browser = await launch();
  }, 90_000);
  afterAll(async () => {
    await browser?.close();
    await server?.stop();
    canaryServer?.closeAllConnections();
    canaryServer?.close();
  });

  /** A page, and what it let out: dialogs, windows, requests that were not stopped before they left. */
  async function watched(allowed: string) {
    const context = await browser.newContext({ locale: "en-GB" });
    const page = await context.newPage();
    const escaped: string[] = [];
    context.on("page", (opened) => escaped.push(`window ${opened.url()}`));
    page.on("dialog", (dialog) => {
      escaped.push(`dialog ${dialog.message()}`);
      void dialog.dismiss();
    });
    page.on("request", (request) => {
      const url = request.url();
      if (url.startsWith(allowed) || /^(data|blob|about):/.test(url)) return;
      // The policy's refusals are reported as requests, too.
      if (request.failure()?.errorText !== "csp") escaped.push(url);
    });
    page.on("requestfailed", (request) => {
      const at = escaped.indexOf(request.url());
      if (request.failure()?.errorText === "csp" && at >= 0) escaped.splice(at, 1);
    });
    [connections, asked] = [0, []];
    return { page, escaped };
  }

  /** The recorded page on the stage, when all of it was played. */
  async function played(page: Page): Promise<Frame> {
    await page.frameLocator(".stage iframe").locator("body[background]").waitFor();
    await page.frameLocator(".stage iframe").getByText("The hostile page is on the stage.").waitFor();
    const handle = await page.locator(".stage iframe").first().elementHandle();
    const frame = await handle?.contentFrame();
    if (!frame) throw new Error("the stage has no frame");
    return frame;
  }

  /** Longer than the page's own refresh waits. */
  const refreshed = (page: Page) => page.waitForTimeout(2500);

  test("without GoSight in between it does what it tries", async () => {
    const { page } = await watched("");
    await page.goto(`${canary}/page`, { waitUntil: "load" });
    await press(page.mainFrame());
    await expect
      .poll(() => asked, { timeout: 10_000 })
      .toEqual(
        expect.arrayContaining(
          [
            "script",
            "stylesheet",
            "css-import",
            "css-text-import",
            "css-background",
            "img",
            "img-srcset",
            "iframe",
          ].concat(
            [
              "object",
              "embed",
              "video",
              "poster",
              "form?",
              "link",
              "data-frame",
              "data-frame-img",
              "ran-inline-script",
            ],
            [
              "ran-script",
              "ran-body-onload",
              "ran-img-onerror",
              "ran-broken-onerror",
              "ran-onclick",
              "ran-srcdoc",
            ],
            ["ran-javascript-link"],
          ),
        ),
      );
    await page.context().close();
  });

  test("replayed in the UI it runs nothing and reaches nobody", async () => {
    const { page, escaped } = await watched(server.seeded.ui);
    await page.goto(`${server.seeded.ui}/sessions/hostile?t=300`);
    const frame = await played(page);
    expect(await page.locator(".stage iframe").first().getAttribute("sandbox")).toBe("allow-same-origin");
    await refreshed(page);
    expect({ escaped, asked, connections }).toEqual({ escaped: [], asked: [], connections: 0 });
    // Nobody can press: the frame takes no pointer. If somebody could, Chromium would connect before it asks the policy.
    expect(await page.locator(".stage iframe").evaluate((it) => getComputedStyle(it).pointerEvents)).toBe(
      "none",
    );
    await press(frame);
    await page.waitForTimeout(500);
    expect(await page.evaluate(() => "canary" in window)).toBe(false);
    expect({ escaped, asked }).toEqual({ escaped: [], asked: [] });
    expect(page.url()).toContain(server.seeded.ui);
    await page.context().close();
  });

  test("exported as one file it runs nothing and reaches nobody, with a network", async () => {
    const from = await watched(server.seeded.ui);
    await from.page.goto(`${server.seeded.ui}/sessions/hostile?t=300`);
    await played(from.page);
    const download = from.page.waitForEvent("download");
    await from.page.getByLabel("Export").selectOption("html");
    const saved = await (await download).path();
    const file = `${saved}.html`;
    copyFileSync(saved, file);
    expect(existsSync(file)).toBe(true);
    const { page, escaped } = await watched(`file://${file}`);
    await page.goto(`file://${file}`);
    const frame = await played(page);
    await refreshed(page);
    expect({ escaped, asked, connections }).toEqual({ escaped: [], asked: [], connections: 0 });
    // Nobody can press: the frame takes no pointer. If somebody could, Chromium would connect before it asks the policy.
    expect(await page.locator(".stage iframe").evaluate((it) => getComputedStyle(it).pointerEvents)).toBe(
      "none",
    );
    await press(frame);
    await page.waitForTimeout(500);
    expect(await page.evaluate(() => "canary" in window)).toBe(false);
    expect({ escaped, asked }).toEqual({ escaped: [], asked: [] });
    await page.context().close();
    await from.page.context().close();
  });
});
