import { afterAll, expect } from "vitest";
import { TestAgent } from "./agent.ts";
import { html, tag } from "./browser.ts";
import { closeBrowser, test } from "./fixture.ts";

afterAll(closeBrowser);

interface Call {
  method: string;
  path: string;
  session: string | undefined;
  page: string | undefined;
  accept: string | undefined;
  body: string;
}

/** A server of the site's: remembers what it was asked, and allows every header. */
function api(server: TestAgent): Call[] {
  const calls: Call[] = [];
  server.pages.set("/api", (request, response) => {
    let body = "";
    request.setEncoding("utf8").on("data", (part: string) => {
      body += part;
    });
    request.on("end", () => {
      const { headers, method = "", url = "" } = request;
      const { "x-gosight-session": session, "x-gosight-page": page, accept } = headers;
      calls.push({ method, path: url, session: session as string, page: page as string, accept, body });
      response.end("{}");
    });
  });
  return calls;
}

test("requests to the own origin and to those named carry the visit, others do not", async ({
  agent,
  page,
}) => {
  const named = new TestAgent();
  const other = new TestAgent();
  await Promise.all([named.listen(), other.listen()]);
  const calls = api(agent);
  const namedCalls = api(named);
  const otherCalls = api(other);
  agent.pages.set(
    "/",
    html("<h1>Trail</h1>", tag(agent, `data-trace-origins="${named.url} https://api.example.com"`)),
  );
  await page.goto(agent.url);
  const load = await agent.until(() => agent.of("page_load")[0], "page_load");
  // The hooks come with the evidence chunk, a script that takes itself out of the page once it has run.
  await page.waitForFunction(
    () =>
      performance.getEntriesByType("resource").some(({ name }) => name.endsWith("/evidence.js")) &&
      !document.querySelector("script[src$='evidence.js']"),
  );
  const answers = await page.evaluate(
    async ([named, other]) => {
      const form = new FormData();
      form.set("a", "form body");
      const request = new Request("/api?request", {
        method: "POST",
        body: "request body",
        headers: { Accept: "text/x" },
      });
      const aborted = new AbortController();
      aborted.abort();
      const used = [
        fetch("/api?plain"),
        fetch(new URL("/api?url", location.href), { method: "POST", body: "text body" }),
        fetch("/api?form", { method: "POST", body: form, headers: [["Accept", "text/y"]] }),
        fetch(request),
        fetch(new Request("/api?both"), { headers: { Accept: "text/z" } }),
        fetch(`${named}/api?named`),
        fetch(`${other}/api?other`),
        fetch(`${other}/api?nocors`, { mode: "no-cors" }),
        fetch("/api?aborted", { signal: aborted.signal }).then(
          () => "sent",
          (fault: Error) => fault.name,
        ),
        fetch(request).catch((fault: Error) => fault.name),
        new Promise((resolve) => {
          const xhr = new XMLHttpRequest();
          xhr.open("PUT", "/api?xhr");
          xhr.setRequestHeader("Accept", "text/w");
          xhr.onload = () => resolve(xhr.status);
          xhr.send("xhr body");
        }),
        new Promise((resolve) => {
          const xhr = new XMLHttpRequest();
          xhr.open("GET", `${other}/api?otherxhr`);
          xhr.onload = () => resolve(xhr.status);
          xhr.send();
        }),
      ];
      const all = await Promise.all(used);
      return [request.bodyUsed, ...all.filter((one) => typeof one !== "object")];
    },
    [named.url, other.url] as const,
  );
  expect(answers).toEqual([true, "AbortError", "TypeError", 200, 200]);
  const by = Object.fromEntries(calls.map((call) => [call.path.split("?")[1], call]));
  expect(Object.keys(by).sort()).toEqual(["both", "form", "plain", "request", "url", "xhr"]);
  for (const call of [...calls, ...namedCalls]) {
    expect(call).toMatchObject({ session: load.session, page: load.metadata.page_id });
  }
  expect(by.plain).toMatchObject({ method: "GET", accept: "*/*", body: "" });
  expect(by.url).toMatchObject({ method: "POST", body: "text body" });
  expect(by.form).toMatchObject({ accept: "text/y", body: expect.stringContaining("form body") });
  expect(by.request).toMatchObject({ method: "POST", accept: "text/x", body: "request body" });
  expect(by.both?.accept).toBe("text/z");
  expect(by.xhr).toMatchObject({ method: "PUT", accept: "text/w", body: "xhr body" });
  expect(namedCalls.map(({ path }) => path)).toEqual(["/api?named"]);
  expect(otherCalls.map(({ method, path }) => `${method} ${path}`).sort()).toEqual([
    "GET /api?nocors",
    "GET /api?other",
    "GET /api?otherxhr",
  ]);
  for (const { session, page } of otherCalls) expect([session, page]).toEqual([undefined, undefined]);
  named.close();
  other.close();
});

test("after stop() nothing is said any more", async ({ agent, page }) => {
  const calls = api(agent);
  agent.pages.set("/", html("<h1>Trail</h1>", tag(agent)));
  await page.goto(agent.url);
  await agent.until(() => agent.of("page_load").length, "page_load");
  await page.evaluate(async () => {
    (window as unknown as { gosight: { stop(): void } }).gosight.stop();
    await fetch("/api?after");
  });
  expect(calls.map(({ path, session }) => [path, session])).toEqual([["/api?after", undefined]]);
});
