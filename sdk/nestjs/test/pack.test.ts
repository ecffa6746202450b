// Packs the package as it would be published, installs it in empty projects and uses it there.
import { execFile } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FakeAgent } from "./agent.ts";

const run = promisify(execFile);
const here = import.meta.dirname;
const tsc = join(dirname(createRequire(import.meta.url).resolve("typescript/package.json")), "bin/tsc");
const types = dirname(createRequire(import.meta.url).resolve("@types/node/package.json"));

let root: string;
let tarball: string;
let files: string[];
let agent: FakeAgent;

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), "gosight-pack-"));
  const { stdout } = await run("npm", ["pack", "--json", "--pack-destination", root], {
    cwd: join(here, ".."),
  });
  const [packed] = Object.values(JSON.parse(stdout.slice(stdout.search(/^[[{]/m)))) as {
    filename: string;
    files: { path: string }[];
  }[];
  tarball = join(root, packed?.filename ?? "");
  files = packed?.files.map(({ path }) => path) ?? [];
  agent = await new FakeAgent().start();
});

afterAll(() => {
  agent?.stop();
  rmSync(root, { recursive: true, force: true });
});

async function project(name: string, packages: string[]): Promise<string> {
  const dir = join(root, name);
  mkdirSync(dir);
  writeFileSync(join(dir, "package.json"), JSON.stringify({ name, private: true, type: "module" }));
  const flags = ["--no-audit", "--no-fund", "--prefer-offline", "--loglevel=error"];
  await run("npm", ["install", ...flags, tarball, ...packages], { cwd: dir });
  return dir;
}

it("holds what is used, and nothing else", () => {
  expect(files.filter((path) => !/^(dist\/.*|README\.md|package\.json)$/.test(path))).toEqual([]);
  expect(files).toEqual(
    expect.arrayContaining(["README.md", "dist/LICENSE", "dist/esm/index.d.ts", "dist/cjs/client.js"]),
  );
  for (const path of files.filter((name) => /\.(js|d\.ts)$/.test(name))) {
    expect(readFileSync(join(here, "..", path), "utf8"), path).not.toMatch(
      /(from|require\(|import\()\s*"@gosight\/proto/,
    );
  }
});

it("is a client for programs without Nest, in ESM and CommonJS", async () => {
  const dir = await project("plain", []);
  expect(existsSync(join(dir, "node_modules/@nestjs"))).toBe(false);
  const use = (name: string) => `
    const client = new GoSightClient({ endpoint: process.env.AGENT });
    client.track("${name}", "started");
    client.close();`;
  writeFileSync(
    join(dir, "a.mjs"),
    `import { GoSightClient } from "@gosight/nestjs/client"; ${use("plain-esm")}`,
  );
  writeFileSync(
    join(dir, "a.cjs"),
    `const { GoSightClient } = require("@gosight/nestjs/client"); ${use("plain-cjs")}`,
  );
  for (const file of ["a.mjs", "a.cjs"]) {
    await run(process.execPath, [file], { cwd: dir, env: { ...process.env, AGENT: agent.address } });
  }
  expect(agent.of("plain-esm")).toHaveLength(1);
  expect(agent.of("plain-cjs")).toHaveLength(1);

  const away = await new FakeAgent().start();
  away.stop();
  const env = { ...process.env, AGENT: away.address };
  const start = `
    import { GoSightClient } from "@gosight/nestjs/client";
    const client = new GoSightClient({ endpoint: process.env.AGENT, maxBufferEvents: 1, onProblem: () => console.log("away") });
    const event = { sessionId: "s", type: "custom" };`;
  // Nobody waits for the events: an agent that is away keeps no process alive.
  writeFileSync(join(dir, "leave.mjs"), `${start} client.send(event);`);
  await run(process.execPath, ["leave.mjs"], { cwd: dir, env, timeout: 30_000 });
  // The program waits: it lives until the agent is back.
  writeFileSync(
    join(dir, "wait.mjs"),
    `${start} for (let n = 0; n < 2; n++) await client.sendWhenRoom(event); await client.flush();`,
  );
  const waiting = run(process.execPath, ["wait.mjs"], { cwd: dir, env, timeout: 30_000 });
  await new Promise((resolve) => waiting.child.stdout?.once("data", resolve));
  await away.start(away.port);
  await waiting;
  expect(away.of("s")).toHaveLength(2);
  away.stop();
});

describe.each(["11", "12"])("with NestJS %s", (major) => {
  let dir: string;

  beforeAll(async () => {
    const nest = ["common", "core", "platform-express", "platform-fastify"].map(
      (name) => `@nestjs/${name}@${major}`,
    );
    dir = await project(`nest${major}`, [...nest, "reflect-metadata@0.2", "rxjs@7"]);
  });

  it.each([
    ["ESM", "module"],
    ["CommonJS", "commonjs"],
  ])("is used by an application in %s, on Express and Fastify", async (_, type) => {
    const app = join(dir, type);
    mkdirSync(app);
    cpSync(join(here, "consumer/app.ts"), join(app, "app.ts"));
    writeFileSync(join(app, "package.json"), JSON.stringify({ type }));
    const compilerOptions = {
      target: "ES2023",
      module: "NodeNext",
      strict: true,
      skipLibCheck: true,
      experimentalDecorators: true,
      emitDecoratorMetadata: true,
      typeRoots: [dirname(types)],
      types: ["node"],
    };
    writeFileSync(join(app, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["app.ts"] }));
    await run(process.execPath, [tsc, "-p", app]).catch((error: { stdout: string }) => {
      throw new Error(error.stdout);
    });
    agent.stored.length = 0;
    await run(process.execPath, [join(app, "app.js")], { env: { ...process.env, AGENT: agent.address } });
    for (const session of ["express", "fastify"]) {
      expect(agent.of(session).map((event) => event.type)).toEqual(
        expect.arrayContaining(["custom", "error", "server_request"]),
      );
      expect(agent.of(session)).toHaveLength(3);
    }
    expect(agent.of("by-client")).toHaveLength(2);
  });
});
