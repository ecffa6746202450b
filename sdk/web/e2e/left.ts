/**
 * True when a page was left and all that came before its end is there, in whatever order its last batches were: a page's
 * events are numbered from 0 without gaps.
 */
export function left(events: { id: string; type: string }[]): boolean {
  const came = new Set(events.map(({ id }) => id));
  const ends = events.filter(({ type }) => type === "page_exit").map(({ id }) => id.split("."));
  return (
    ends.length > 0 &&
    ends.every(([page, serial = ""]) =>
      Array.from({ length: Number.parseInt(serial, 36) }, (_, n) => `${page}.${n.toString(36)}`).every((id) =>
        came.has(id),
      ),
    )
  );
}
