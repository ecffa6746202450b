import type { SessionEvent, Signal } from "../api/client";
import { loadReplay } from "../api/queries";

/** Every replay event of a visit, chunk by chunk. */
async function wholeReplay(project: string, id: string): Promise<unknown[]> {
  const events: unknown[] = [];
  let cursor = "";
  do {
    const chunk = await loadReplay(project, id, cursor ? { cursor } : {});
    // One by one: a spread of a hundred thousand arguments does not fit the stack.
    for (const event of chunk.events) events.push(event);
    cursor = chunk.next_cursor;
  } while (cursor);
  return events;
}

/** JSON that may stand inside of a script element. */
export const scriptSafe = (value: unknown): string => JSON.stringify(value).replaceAll("<", "\\u003c");

/** A page that plays the visit by itself, offline: it asks nobody for anything that the visit refers to. */
export function offlinePage(visit: { title: string }, script: string, style: string): string {
  const title = visit.title.replace(/[<>&]/g, "");
  const policy =
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline' data: blob:; img-src data: blob:; " +
    "font-src data:; media-src data: blob:";
  return [
    `<!doctype html><html><head><meta charset="utf-8"><title>${title}</title>`,
    `<meta http-equiv="Content-Security-Policy" content="${policy}"><meta name="referrer" content="no-referrer"><meta http-equiv="x-dns-prefetch-control" content="off">`,
    `<style>${style.replaceAll("</style", "<\\/style")}</style></head><body>`,
    `<script type="application/json" id="visit">${scriptSafe(visit)}</script>`,
    `<script>${script.replaceAll("</script", "<\\/script")}</script></body></html>`,
  ].join("\n");
}

async function textOf(path: string): Promise<string> {
  const response = await fetch(path);
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return response.text();
}

function save(name: string, type: string, parts: BlobPart[]) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(parts, { type }));
  link.download = name;
  link.click();
  // The browser reads it while saving; a minute is enough for that.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

export type ExportFormat = "html" | "rrweb" | "ndjson";

/** Saves a visit as a file: a page that plays it, its rrweb events, or its events line by line. */
export async function exportVisit(
  format: ExportFormat,
  visit: { project: string; id: string; title: string; events: SessionEvent[]; signals: Signal[] },
  nameOf: (kind: string) => string,
) {
  if (format === "ndjson") {
    save(
      `${visit.id}.ndjson`,
      "application/x-ndjson",
      visit.events.map((event) => `${JSON.stringify(event)}\n`),
    );
    return;
  }
  const events = await wholeReplay(visit.project, visit.id);
  if (format === "rrweb") {
    save(`${visit.id}.json`, "application/json", [JSON.stringify(events)]);
    return;
  }
  const [script, style] = await Promise.all([textOf("/offline.js"), textOf("/offline.css")]);
  const signals = visit.signals.map(({ ts, kind }) => ({ ts, kind, name: nameOf(kind), color: "#ff7069" }));
  save(`${visit.id}.html`, "text/html", [
    offlinePage({ title: visit.title, events, signals } as { title: string }, script, style),
  ]);
}
