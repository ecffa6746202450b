import type { GoSightProblem } from "./options.ts";

const quietMs = 60_000;

/** A listener that writes each kind of problem at most once a minute: an agent that is away for long is one fact. */
export function warnSometimes(write: (text: string) => void): (problem: GoSightProblem) => void {
  const last = new Map<string, number>();
  return ({ kind, reason, events, delayMs, error }) => {
    const now = performance.now();
    const topic = `${kind} ${reason}`;
    if (now - (last.get(topic) ?? -quietMs) < quietMs) return;
    last.set(topic, now);
    const what =
      kind === "dropped"
        ? `${events} events lost`
        : `${events} events again in ${Math.round(delayMs ?? 0)} ms`;
    write(`GoSight: ${what}: ${reason}${error ? ` (${error.message})` : ""}`);
  };
}
