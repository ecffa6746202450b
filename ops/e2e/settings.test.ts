// What admins do on the settings page holds where it counts: at the agent, at the API, in the tables. Nothing is asked of
// the page alone.
import axe from "axe-core";
import type { Browser, BrowserContext, Locator, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { browserPath, launch } from "./browser.mjs";
import { System, until } from "./system.ts";

if (!browserPath) console.warn("NOT RUN: the settings page, since no Chromium was found");

/** Agents hear of changes within ten seconds; a busy machine gets some more. */
const heard = 20_000;
const desktop = { width: 1280, height: 800 };
const phone = { width: 390, height: 844 };
const sections = ["project", "keys", "tokens", "erasure", "audit"] as const;

describe.skipIf(!browserPath)("the settings page", () => {
  let system: System;
  let browser: Browser;
  /** Signed in with the printed link, as an admin of everything. */
  let admin: BrowserContext;
  let page: Page;
  let pagesKey = "";
  const faults: string[] = [];

  beforeAll(async () => {
    [system, browser] = await Promise.all([System.up(), launch()]);
    admin = await signedIn(system.ready.admin_token);
    page = await open(admin, "/settings");
  });

  afterAll(async () => {
    await browser?.close();
    await system?.down();
  });

  async function signedIn(token: string, viewport = desktop): Promise<BrowserContext> {
    const context = await browser.newContext({ viewport, locale: "en-GB" });
    await context.grantPermissions(["clipboard-read", "clipboard-write"]);
    context.setDefaultTimeout(10_000);
    const link = await context.newPage();
    await link.goto(`http://${system.ready.ui}/settings?token=${token}`);
    await link.close();
    return context;
  }

  async function open(context: BrowserContext, path: string): Promise<Page> {
    const opened = await context.newPage();
    opened.on("pageerror", (error) => faults.push(`${path}: ${error.message}`));
    opened.on("console", (m) => m.type() === "error" && faults.push(`${path}: ${m.text()}`));
    await opened.goto(`http://${system.ready.ui}${path}`);
    return opened;
  }

  const section = (name: string) =>
    page.getByRole("navigation", { name: "Parts of the settings" }).getByText(name);
  const row = (name: string): Locator => page.locator("li.credential", { hasText: name });

  /** Sends a click as a page of that origin would, and returns the agent's status. */
  async function send(
    key: string,
    who: { session: string; user?: string; origin?: string },
  ): Promise<number> {
    const answer = await fetch(`http://${system.ready.agent_http}/gosight.Ingestor/SendBatch`, {
      method: "POST",
      headers: {
        "Content-Type": "application/json",
        "X-Gosight-Key": key,
        ...(who.origin ? { Origin: who.origin } : {}),
      },
      body: JSON.stringify({
        sessionId: who.session,
        userId: who.user,
        sentAt: String(Date.now()),
        events: [
          { eventType: "click", payload: '{"x":1,"y":2,"selector":"#pay"}', timestamp: String(Date.now()) },
        ],
      }),
    });
    await answer.body?.cancel();
    return answer.status;
  }

  const api = (token: string, method: string, path: string, body?: unknown) =>
    fetch(`http://${system.ready.ui}/api/v1${path}`, {
      method,
      headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });

  /** Takes the secret from the dialog that shows it, by its copy button, and closes it. */
  async function takeSecret(title: string): Promise<string> {
    const dialog = page.getByRole("dialog", { name: title });
    const shown = await dialog.getByLabel(title).inputValue();
    await dialog.getByRole("button", { name: "Copy" }).click();
    await dialog.getByRole("button", { name: "Copied" }).waitFor();
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(shown);
    await dialog.getByRole("button", { name: "Done" }).click();
    // A dialog that is closed has no role any more, and leaves the page a moment later.
    await page.waitForFunction((secret) => !document.documentElement.outerHTML.includes(secret), shown);
    return shown;
  }

  test("a key made here is taken by the agent, which is shown once", async () => {
    await section("Write keys").click();
    await page.getByLabel("What the key is for").fill("Checkout pages");
    await page.getByRole("button", { name: "Make a key" }).click();
    pagesKey = await takeSecret("The new write key");
    expect(await row("Checkout pages").locator("code").textContent()).toBe(`${pagesKey.slice(0, 8)}…`);
    await until(
      "the agent takes the new key",
      heard,
      async () => (await send(pagesKey, { session: "made" })) === 200,
    );
    await until("its event is a row", heard, async () => {
      return (
        (await system.query("SELECT 1 FROM events WHERE session_id = 'made' AND project = 'default'"))
          .length > 0
      );
    });
  });

  test("a rotated key and the one in its place are both taken; revoked, it is refused", async () => {
    await row("Checkout pages").getByRole("button", { name: "Rotate" }).click();
    const rotate = page.getByRole("dialog");
    await rotate.getByLabel("The old key stays good for").selectOption({ label: "7 days" });
    await rotate.getByRole("button", { name: "Make the new key" }).click();
    const next = await takeSecret("The new write key");
    expect(next).not.toBe(pagesKey);
    await until(
      "the agent takes the new key",
      heard,
      async () => (await send(next, { session: "next" })) === 200,
    );
    expect(await send(pagesKey, { session: "old" })).toBe(200);

    const ending = row("Checkout pages").filter({ hasText: "good until" });
    await ending.getByRole("button", { name: "Revoke" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
    await row("Checkout pages").filter({ hasText: "revoked" }).waitFor();
    await until(
      "the agent refuses it",
      heard,
      async () => (await send(pagesKey, { session: "old" })) === 401,
    );
    expect(await send(next, { session: "next" })).toBe(200);
    pagesKey = next;
  });

  test("by keyboard: a question is opened, and Escape leaves all as it was", async () => {
    const revoke = row("from the configuration").getByRole("button", { name: "Revoke" });
    await revoke.focus();
    await page.keyboard.press("Enter");
    const dialog = page.getByRole("dialog", { name: "Revoke from the configuration?" });
    await dialog.waitFor();
    expect(await dialog.evaluate((box) => box.contains(document.activeElement))).toBe(true);
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "detached" });
    expect(await revoke.evaluate((button) => button === document.activeElement)).toBe(true);
    expect(await send(system.ready.project_key, { session: "kept" })).toBe(200);
  });

  test("a project's origins hold at the agent, and a wrong one is told", async () => {
    await section("Project").click();
    const origins = page.getByLabel("Allowed origins");
    await origins.fill("shop.example");
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByRole("alert").getByText('allowed origin "shop.example"').waitFor();
    await origins.fill("https://shop.example\nhttps://*.shop.example");
    await page.getByLabel("Name", { exact: true }).fill("The shop");
    await page.getByLabel("Events, days").fill("60");
    await page.getByLabel("Countries not recorded").fill("kp");
    const rage = page.getByRole("group", { name: "Rage click" }).getByLabel("Clicks", { exact: true });
    expect(await rage.getAttribute("placeholder")).toBe("6");
    await rage.fill("8");
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByText("Saved: it holds on every agent").waitFor();

    const from = (origin: string) => send(pagesKey, { session: "origin", origin });
    await until(
      "pages of elsewhere are refused",
      heard,
      async () => (await from("https://evil.example")) === 403,
    );
    expect(await from("https://www.shop.example")).toBe(200);
    const kept = await (await api(system.ready.admin_token, "GET", "/project")).json();
    expect(kept).toMatchObject({
      name: "The shop",
      event_days: 60,
      detect: { rage: { clicks: 8 } },
      privacy: { excluded_countries: ["KP"] },
    });
    await page.reload();
    expect(await rage.inputValue()).toBe("8");
    expect(await origins.inputValue()).toBe("https://shop.example\nhttps://*.shop.example");
  });

  test("what was not saved is asked about before it is left", async () => {
    await page.getByLabel("Name", { exact: true }).fill("Another name");
    const questions: string[] = [];
    page.once("dialog", (dialog) => {
      questions.push(dialog.message());
      void dialog.dismiss();
    });
    await section("Write keys").click();
    await expect.poll(() => questions).toEqual(["The changes are not saved. Leave all the same?"]);
    expect(await page.getByLabel("Name", { exact: true }).inputValue()).toBe("Another name");
    await page.getByRole("button", { name: "Discard changes" }).click();
    expect(await page.getByLabel("Name", { exact: true }).inputValue()).toBe("The shop");
  });

  test("a viewer's token sees figures, is told why not more, and ends when it is revoked", async () => {
    await section("Read tokens").click();
    await page.getByLabel("Whose token it is").fill("Wall display");
    await page.getByLabel("Role").selectOption("viewer");
    await page.getByRole("button", { name: "Make a token" }).click();
    const token = await takeSecret("The new read token");
    expect(await row("Wall display").getByText("viewer").count()).toBe(1);

    const viewer = await open(await signedIn(token), "/settings?section=keys");
    await viewer.getByText("Settings are for admins").waitFor();
    await viewer.getByText(/^You are token \w+, viewer in project default\./).waitFor();
    expect(await viewer.locator("li.credential").count()).toBe(0);
    for (const [method, path, body] of [
      ["GET", "/keys", undefined],
      ["POST", "/keys", {}],
      ["GET", "/project", undefined],
      ["PUT", "/project", { id: "default" }],
      ["POST", "/tokens", { role: "admin" }],
      ["POST", "/erasures", { session: "made" }],
      ["GET", "/audit", undefined],
    ] as const)
      expect((await api(token, method, path, body)).status, `${method} ${path}`).toBe(403);
    expect((await api(token, "GET", "/sessions")).status).toBe(200);

    await row("Wall display").getByRole("button", { name: "Revoke" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
    await row("Wall display").filter({ hasText: "revoked" }).waitFor();
    expect((await api(token, "GET", "/sessions")).status).toBe(401);
    await viewer.reload();
    await viewer.getByText(/nobody is signed in/).waitFor();
    await viewer.context().close();
  });

  test("without signing in, this machine may look and is told how to become an admin", async () => {
    const looking = await open(await browser.newContext({ locale: "en-GB" }), "/settings?section=erasure");
    await looking.getByText(/nobody is signed in/).waitFor();
    await looking.getByLabel("Admin token").fill(system.ready.admin_token);
    await looking.getByRole("button", { name: "Sign in" }).click();
    await looking.getByRole("heading", { name: "Erasure" }).waitFor();
    await looking.getByRole("button", { name: "Sign out" }).click();
    await looking.waitForURL(/\/sessions/);
    await looking.context().close();
  });

  test("a page of elsewhere cannot use the admin's way in", async () => {
    const cookies = await admin.cookies();
    const cookie = cookies.map(({ name, value }) => `${name}=${value}`).join("; ");
    const made = (site: string) =>
      fetch(`http://${system.ready.ui}/api/v1/keys?project=default`, {
        method: "POST",
        headers: { Cookie: cookie, "Content-Type": "application/json", "Sec-Fetch-Site": site },
        body: '{"name":"Mobile app"}',
      });
    expect((await made("cross-site")).status).toBe(403);
    expect((await made("same-origin")).status).toBe(200);
    expect(cookies.map(({ sameSite, httpOnly }) => ({ sameSite, httpOnly }))).toEqual([
      { sameSite: "Strict", httpOnly: true },
    ]);
  });

  test("an erased user is gone from the tables, to the end, with an audit record", async () => {
    for (const session of ["gone-1", "gone-2"])
      expect(await send(pagesKey, { session, user: "linh@work", origin: "https://shop.example" })).toBe(200);
    const left = () => system.query("SELECT 1 FROM events WHERE session_id IN ('gone-1', 'gone-2')");
    await until("the user's events are rows", heard, async () => (await left()).length === 2);
    expect((await api(system.ready.admin_token, "GET", "/sessions/gone-1/replay")).status).toBe(200);

    await section("Erasure").click();
    await page.getByLabel("User id, as the site calls them").fill("linh@work");
    const download = page.waitForEvent("download");
    await page.getByRole("link", { name: "Download all about them" }).click();
    expect((await download).suggestedFilename()).toMatch(/export-person.*\.ndjson$/);
    await page.getByRole("button", { name: "Erase…" }).click();
    const dialog = page.getByRole("dialog", { name: "Erase user linh@work?" });
    await dialog.getByRole("button", { name: "Erase for good" }).click();
    const erasure = page.locator("li.erasure");
    await erasure.getByText("User linh@work").waitFor();
    await erasure.getByText("under way").waitFor();
    await erasure
      .locator('[data-reached="true"]', { hasText: "Stored rows removed" })
      .waitFor({ timeout: heard });
    await page.locator('li.erasure[data-complete="true"]').waitFor({ timeout: 90_000 });
    expect(await left()).toEqual([]);
    expect(await page.locator(".settings-section").textContent()).not.toContain("linh");
    expect(await erasure.getByText(/^events \d/).count()).toBe(1);

    await erasure.getByRole("link", { name: "Audit record" }).click();
    await page.getByText("completed an erasure").waitFor();
    expect(await page.locator(".audit tbody tr").count()).toBe(2);
    expect(await page.locator(".audit tbody").textContent()).toContain("asked for an erasure");
    await page.getByRole("button", { name: "Show all" }).click();
    const log = page.locator(".audit tbody");
    await log.getByText("read a replay").waitFor();
    for (const action of [
      "made a write key",
      "rotated a write key",
      "revoked a read token",
      "exported a person",
    ])
      await log.getByText(action).first().waitFor();
  });

  test("a new project is another's: its keys are its own", async () => {
    await page.getByRole("button", { name: "New project" }).click();
    await page.getByLabel("Its id").fill("blog");
    await page.getByRole("button", { name: "Make it" }).click();
    await page.waitForURL(/project=blog/);
    await section("Write keys").click();
    await page.getByText("No write keys yet").waitFor();
    await page.getByLabel("What the key is for").fill("Blog");
    await page.getByRole("button", { name: "Make a key" }).click();
    const key = await takeSecret("The new write key");
    await until("the agent takes it", heard, async () => (await send(key, { session: "post" })) === 200);
    await until("its event is the blog's", heard, async () => {
      return (
        (await system.query("SELECT 1 FROM events WHERE session_id = 'post' AND project = 'blog'")).length > 0
      );
    });
    await page.getByLabel("Project", { exact: true }).selectOption("default");
    await row("Checkout pages").first().waitFor();
  });

  test("where the API does not answer, the page says so and tries again", async () => {
    const keys = /\/api\/v1\/keys\?/;
    await page.route(keys, (route) =>
      route.fulfill({ status: 422, contentType: "application/problem+json", body: '{"detail":"not today"}' }),
    );
    await page.goto(`http://${system.ready.ui}/settings?section=keys`);
    await page.getByRole("alert").getByText("not today").waitFor();
    await page.unroute(keys);
    await page.getByRole("button", { name: "Try again" }).click();
    await row("Checkout pages").first().waitFor();
  });

  const settled = {
    project: ".save-bar",
    keys: ".credential",
    tokens: ".credential",
    erasure: ".erasure",
    audit: ".audit td",
  };

  test.each(["light", "dark"])("axe finds no fault in any part, %s", async (theme) => {
    await page.evaluate((name) => localStorage.setItem("gosight.theme", name), theme);
    for (const name of sections) {
      await page.goto(`http://${system.ready.ui}/settings?section=${name}`);
      await page.locator(settled[name]).first().waitFor();
      if (name === "keys")
        await row("Checkout pages").first().getByRole("button", { name: "Rotate" }).click();
      await page.evaluate(axe.source);
      const { violations } = await page.evaluate(() =>
        (window as unknown as { axe: typeof axe }).axe.run(document),
      );
      expect(
        violations.map(
          ({ id, nodes }) => `${name} ${id}: ${nodes.map((n) => n.html.slice(0, 160)).join(" | ")}`,
        ),
      ).toEqual([]);
    }
  });

  test("on a phone in Vietnamese nothing overflows", async () => {
    const context = await signedIn(system.ready.admin_token, phone);
    const small = await open(context, "/settings");
    await small.getByRole("button", { name: "Tiếng Việt" }).click();
    for (const name of sections) {
      await small.goto(`http://${system.ready.ui}/settings?section=${name}`);
      await small.locator(settled[name]).first().waitFor();
      expect(await small.evaluate(() => document.documentElement.scrollWidth), name).toBeLessThanOrEqual(390);
    }
    await context.close();
  });

  test.runIf(process.env.GOSIGHT_SCREENSHOTS)("screenshots", async () => {
    const folder =
      process.env.GOSIGHT_SCREENSHOTS_DIR ?? new URL("../../docs/screenshots", import.meta.url).pathname;
    for (const [suffix, viewport, theme] of [
      ["", desktop, "light"],
      ["-dark", desktop, "dark"],
      ["-phone", phone, "light"],
    ] as const) {
      const context = await signedIn(system.ready.admin_token, viewport);
      const shown = await open(context, "/settings");
      await shown.evaluate((name) => localStorage.setItem("gosight.theme", name), theme);
      // Every part where somebody wants to look at them all; the one that says most for the documentation.
      for (const name of process.env.GOSIGHT_SCREENSHOTS_DIR ? sections : (["keys"] as const)) {
        await shown.goto(`http://${system.ready.ui}/settings?section=${name}`);
        await shown.locator(settled[name]).first().waitFor();
        const file = process.env.GOSIGHT_SCREENSHOTS_DIR ? `settings-${name}${suffix}` : `settings${suffix}`;
        await shown.screenshot({ path: `${folder}/${file}.png` });
      }
      await context.close();
    }
  });

  test("nothing was written to the console", () => {
    // Refusals are the browser's own lines; all others are ours.
    expect(faults.filter((fault) => !/status of (403|422)/.test(fault))).toEqual([]);
  });
});
