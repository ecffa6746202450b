import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";

/** What the Go side says of itself when it is ready; by_kind and by_page are the seed's truth. */
export interface Seeded {
  ui: string;
  control: string;
  admin_token: string;
  sessions: number;
  recorded: number;
  /** Visitors that the site named. */
  users: number;
  clicks_on: Record<string, number>;
  by_kind: Record<string, number>;
  by_page: Record<string, number>;
}

const api = fileURLToPath(new URL("../../api", import.meta.url));

/** Starts the real API and UI over a real engine with seeded visits (aggregator/api TestServe). */
export async function startServer(): Promise<{ seeded: Seeded; stop: () => Promise<void> }> {
  const dir = mkdtempSync(join(tmpdir(), "gosight-ui-"));
  const binary = join(dir, "api.test");
  const ready = join(dir, "ready.json");
  execFileSync("go", ["test", "-c", "-o", binary, "."], { cwd: api, stdio: "inherit" });
  let output = "";
  const child: ChildProcess = spawn(binary, ["-test.run", "^TestServe$", "-test.timeout", "0"], {
    cwd: api,
    env: { ...process.env, GOSIGHT_UI_READY_FILE: ready },
    stdio: ["pipe", "pipe", "pipe"],
  });
  child.stdout?.on("data", (data) => (output += data));
  child.stderr?.on("data", (data) => (output += data));
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  for (const start = Date.now(); !existsSync(ready); await wait(50)) {
    if (child.exitCode !== null || Date.now() - start > 40_000) {
      throw new Error(`the server did not become ready:\n${output}`);
    }
  }
  return {
    seeded: JSON.parse(readFileSync(ready, "utf8")) as Seeded,
    stop: async () => {
      child.stdin?.end();
      await ended;
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
