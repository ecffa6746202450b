// Starts bin/gosight as a user does, and talks to it over its ports only.
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { left } from "../../sdk/web/e2e/left.ts";

/** What is tested: bin/gosight, or the program that GOSIGHT_BIN names. */
const program = process.env.GOSIGHT_BIN ?? new URL("../../bin/gosight", import.meta.url).pathname;

/** Where everything answers: the ready file. Host and port, but for clickhouse, which is a URL. */
interface Ready {
  agent_http: string;
  ui: string;
  clickhouse: string;
  demo: string;
  project_key: string;
  admin_token: string;
}

export class System {
  private constructor(
    readonly ready: Ready,
    private readonly child: ChildProcess,
    private readonly folder: string,
  ) {}

  static async up(...args: string[]): Promise<System> {
    const folder = await mkdtemp(join(tmpdir(), "gosight-e2e-"));
    const readyFile = join(folder, "ready.json");
    const child = spawn(
      program,
      ["up", "--data", join(folder, "data"), "--ports", "auto", "--ready-file", readyFile, ...args],
      { stdio: ["ignore", "ignore", "pipe"] },
    );
    let log = "";
    child.stderr?.on("data", (chunk) => {
      log += chunk;
    });
    await until("gosight up is ready", 60_000, async () => {
      if (child.exitCode !== null) throw new Error(`gosight up ended: ${log}`);
      return existsSync(readyFile);
    });
    return new System(JSON.parse(await readFile(readyFile, "utf8")) as Ready, child, folder);
  }

  /** Runs SQL and returns its rows. */
  async query<Row>(sql: string): Promise<Row[]> {
    const answer = await fetch(`${this.ready.clickhouse}/?database=gosight&default_format=JSON`, {
      method: "POST",
      body: sql,
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${sql}\n${text}`);
    return (JSON.parse(text) as { data: Row[] }).data;
  }

  /** All of the pages that were left, of these events, is stored. */
  async left(of: string): Promise<boolean> {
    return left(await this.query(`SELECT event_id AS id, event_type AS type FROM events FINAL WHERE ${of}`));
  }

  /** Ends it as Ctrl-C does. */
  async down(): Promise<void> {
    const ended = new Promise((resolve) => this.child.once("exit", resolve));
    this.child.kill("SIGINT");
    await ended;
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** Waits for a condition, and fails naming it where it does not come. */
export async function until(what: string, ms: number, holds: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + ms;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`not within ${ms} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
