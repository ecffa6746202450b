// Packs the package as it would be published, installs it in an empty project, and uses it there as sites do.
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { build } from "esbuild";
import { afterAll, beforeAll, expect } from "vitest";
import { html } from "./browser.ts";
import { closeBrowser, test } from "./fixture.ts";

const run = promisify(execFile);
const here = import.meta.dirname;
const tsc = join(dirname(createRequire(import.meta.url).resolve("typescript/package.json")), "bin/tsc");

let root: string;
let project: string;
let files: string[];

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), "gosight-web-pack-"));
  // It is built already: what is packed is what the other tests have tested.
  const flags = ["--json", "--ignore-scripts", "--pack-destination", root];
  const { stdout } = await run("npm", ["pack", ...flags], { cwd: join(here, "..") });
  const [packed] = Object.values(JSON.parse(stdout.slice(stdout.search(/^[[{]/m)))) as {
    filename: string;
    files: { path: string }[];
  }[];
  files = packed?.files.map(({ path }) => path) ?? [];
  project = join(root, "shop");
  mkdirSync(project);
  writeFileSync(
    join(project, "package.json"),
    JSON.stringify({ name: "shop", private: true, type: "module" }),
  );
  const tarball = join(root, packed?.filename ?? "");
  await run("npm", ["install", "--offline", "--no-audit", "--no-fund", "--loglevel=error", tarball], {
    cwd: project,
  });
});

afterAll(async () => {
  await closeBrowser();
  rmSync(root, { recursive: true, force: true });
});

test("holds what is used, and nothing else", () => {
  expect(
    files.filter(
      (path) => !/^(dist\/(types\/)?[\w-]+\.(m?js|d\.ts)|dist\/LICENSE|README\.md|package\.json)$/.test(path),
    ),
  ).toEqual([]);
  expect(files).toEqual(
    expect.arrayContaining([
      "README.md",
      "dist/LICENSE",
      "dist/gosight.js",
      "dist/index.mjs",
      "dist/types/index.d.ts",
    ]),
  );
  const { dependencies = {} } = JSON.parse(
    readFileSync(join(project, "node_modules/@gosight/web/package.json"), "utf8"),
  );
  expect(dependencies).toEqual({});
});

const USE = `import { errors, start, startWith, type GoSight, type Options } from "@gosight/web";
const options: Options = { key: KEY, endpoint: AGENT, replay: { canvas: true } };
declare const KEY: string, AGENT: string;
const gosight: GoSight = start(options);
gosight.identify("user-42", { plan: "pro" });
gosight.track("used", { from: "tarball" });
export const fewer = () => startWith({ ...options, replay: false }, [errors]);
`;

test("its types hold in a strict project, and refuse what is wrong", async () => {
  writeFileSync(join(project, "use.ts"), USE);
  writeFileSync(join(project, "wrong.ts"), `import { start } from "@gosight/web"; start({ sampling: 1 });`);
  for (const [module, moduleResolution] of [
    ["ESNext", "bundler"],
    ["NodeNext", "NodeNext"],
  ]) {
    const compilerOptions = {
      target: "ES2022",
      module,
      moduleResolution,
      strict: true,
      noEmit: true,
      types: [],
    };
    writeFileSync(
      join(project, "tsconfig.json"),
      JSON.stringify({ compilerOptions, files: ["use.ts", "wrong.ts"] }),
    );
    const said = await run(process.execPath, [tsc, "-p", "."], { cwd: project }).then(
      () => "",
      (error: { stdout: string }) => error.stdout,
    );
    expect(said, moduleResolution).toMatch(/^wrong\.ts\(1,47\): error TS2559: .*\n$/);
  }
});

const bundle = async (contents: string) => {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: project, loader: "ts" },
    bundle: true,
    splitting: true,
    minify: true,
    format: "esm",
    outdir: project,
    write: false,
    logLevel: "warning",
  });
  return outputFiles;
};

test("is bundled, and records in Chromium; what is not named is not in the bundle", async ({
  agent,
  page,
}) => {
  const use = USE.replace("declare const KEY: string, AGENT: string;", "")
    .replaceAll("KEY", `"${agent.key}"`)
    .replaceAll("AGENT", `"${agent.url}"`);
  for (const { path, text } of await bundle(use)) {
    agent.pages.set(`/${path.split("/").pop()}`, (_, response) =>
      response.writeHead(200, { "Content-Type": "text/javascript" }).end(text),
    );
  }
  agent.pages.set("/", html(`<button id="b">Go</button>`, `<script type="module" src="/stdin.js"></script>`));
  await page.goto(agent.url);
  await page.click("#b");
  await agent.until(() => agent.of("custom").length && agent.of("click").length, "events");
  await agent.until(() => agent.of("full_snapshot").length === 2, "snapshot, by the recorder's chunk");
  expect(agent.of("custom")[0]).toMatchObject({
    user: "user-42",
    payload: { name: "used", props: { from: "tarball" } },
  });

  const weight = async (code: string) => (await bundle(code)).reduce((sum, { text }) => sum + text.length, 0);
  const whole = await weight(`import { start } from "@gosight/web"; start();`);
  const unused = await weight(`import { start } from "@gosight/web"; console.log(1);`);
  expect(unused).toBeLessThan(100);
  const entry = async (code: string) =>
    (await bundle(code)).find(({ path }) => path.endsWith("stdin.js"))?.text ?? "";
  const all = await entry(`import { start } from "@gosight/web"; start();`);
  const fewer = await entry(`import { startWith } from "@gosight/web"; startWith({}, []);`);
  expect(all).toContain("unhandledrejection");
  expect(fewer).not.toContain("unhandledrejection");
  expect(whole).toBeGreaterThan(all.length);
});
