// How long a page's main thread was in some scripts, in milliseconds of processor time: on a shared machine the wall
// clock also counts what others did meanwhile.
import type { Browser, Page } from "playwright-core";

export interface Thread {
  /** In the scripts asked for. */
  scripts: number;
  /** In all that the main thread did. */
  all: number;
  /** By script, and by function of a script, most first. */
  files: [name: string, ms: number][];
  functions: [name: string, ms: number][];
}

/** Begins to watch; the function it gives ends that, and tells of the scripts whose address `mine` matches. */
export async function watchThread(page: Page, mine: RegExp): Promise<() => Promise<Thread>> {
  const cdp = await page.context().newCDPSession(page);
  await cdp.send("Performance.enable", { timeDomain: "threadTicks" });
  const busy = async () => {
    const { metrics } = await cdp.send("Performance.getMetrics");
    return 1000 * (metrics.find(({ name }) => name === "TaskDuration")?.value ?? 0);
  };
  await cdp.send("Profiler.enable");
  await cdp.send("Profiler.setSamplingInterval", { interval: 250 });
  const before = await busy();
  await cdp.send("Profiler.start");
  return async () => {
    const { profile } = await cdp.send("Profiler.stop");
    const all = (await busy()) - before;
    await cdp.detach();
    const frames = new Map(profile.nodes.map(({ id, callFrame }) => [id, callFrame]));
    const files = new Map<string, number>();
    const functions = new Map<string, number>();
    let sampled = 0;
    let scripts = 0;
    for (const [i, id] of (profile.samples ?? []).entries()) {
      const { url = "", functionName = "(idle)", lineNumber } = frames.get(id) ?? {};
      if (functionName === "(idle)") continue;
      const time = profile.timeDeltas?.[i] ?? 0;
      sampled += time;
      if (!mine.test(url)) continue;
      scripts += time;
      const file = url.split("/").pop() ?? url;
      const name = `${file} ${functionName}:${lineNumber}`;
      files.set(file, (files.get(file) ?? 0) + time);
      functions.set(name, (functions.get(name) ?? 0) + time);
    }
    // Samples say whose share it was, the thread's clock of how much.
    const scale = sampled ? all / sampled : 0;
    const most = (times: Map<string, number>): [string, number][] =>
      [...times].map(([name, time]): [string, number] => [name, time * scale]).sort((a, b) => b[1] - a[1]);
    return { scripts: scripts * scale, all, files: most(files), functions: most(functions).slice(0, 40) };
  };
}

export interface Stretch {
  /** In the scripts asked for, with what they made the browser do, in milliseconds of processor time. */
  scripts: number;
  /** The whole task, on the wall clock. */
  task: number;
}

interface Traced {
  name: string;
  ph: string;
  pid: number;
  tid: number;
  ts: number;
  dur: number;
  tdur?: number;
  args: { data?: { url?: string }; name?: string };
}

/**
 * Begins to watch; the function it gives ends that, and tells of the task in which the scripts whose address `mine`
 * matches held the main thread longest, and of the longest task of all. What the browser does of its own accord in
 * the same task, such as finding what is under the pointer, is in no script.
 */
export async function watchTasks(
  browser: Browser,
  page: Page,
  mine: RegExp,
): Promise<() => Promise<{ ours: Stretch; longest: Stretch }>> {
  await browser.startTracing(page, {
    categories: ["toplevel", "v8", "devtools.timeline", "disabled-by-default-devtools.timeline"],
  });
  return async () => {
    const { traceEvents } = JSON.parse((await browser.stopTracing()).toString()) as { traceEvents: Traced[] };
    const thread = ({ pid, tid }: Traced) => `${pid}.${tid}`;
    const mains = new Set(
      traceEvents
        .filter(({ name, args }) => name === "thread_name" && args.name === "CrRendererMain")
        .map(thread),
    );
    // Outer ones first, where two begin together.
    const events = traceEvents
      .filter((event) => event.ph === "X" && mains.has(thread(event)))
      .sort((a, b) => a.ts - b.ts || b.dur - a.dur);
    const within = (event: Traced, outer: Traced | undefined) =>
      !!outer && thread(event) === thread(outer) && event.ts + event.dur <= outer.ts + outer.dur;
    const stretches: Stretch[] = [];
    let task: Traced | undefined;
    let script: Traced | undefined;
    for (const event of events) {
      const { name, dur, tdur = dur, args } = event;
      if (name === "RunTask" && !within(event, task)) {
        task = event;
        stretches.push({ scripts: 0, task: dur / 1000 });
      }
      // Microtasks say not whose they are: they count as ours.
      if ((!mine.test(args.data?.url ?? "") && name !== "RunMicrotasks") || within(event, script)) continue;
      script = event;
      const stretch = stretches.at(-1);
      if (stretch && within(event, task)) stretch.scripts += tdur / 1000;
    }
    const most = (of: keyof Stretch) =>
      stretches.reduce((a, b) => (b[of] > a[of] ? b : a), { scripts: 0, task: 0 });
    return { ours: most("scripts"), longest: most("task") };
  };
}

export const median = (values: number[]): number =>
  [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
