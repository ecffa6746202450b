import type { InfiniteData } from "@tanstack/react-query";
import type { Session } from "../api/client";

export interface SessionsPageData {
  sessions: Session[];
  next_cursor: string;
}

/**
 * Puts news of visits into the loaded list: known visits change, and where no filter stands new ones join. The
 * list stays ordered by last activity, so live visits rise to the top.
 */
export function mergeLive(
  data: InfiniteData<SessionsPageData, unknown>,
  news: Session[],
  join: boolean,
): InfiniteData<SessionsPageData, unknown> {
  const [first] = data.pages;
  if (!first) return data;
  const byID = new Map(news.map((s) => [s.session_id, s]));
  const pages = data.pages.map((page) => ({
    ...page,
    sessions: page.sessions.map((s) => {
      const changed = byID.get(s.session_id);
      byID.delete(s.session_id);
      return changed ?? s;
    }),
  }));
  const all = pages.flatMap((page) => page.sessions).concat(join ? [...byID.values()] : []);
  const ordered = [...new Map(all.map((s) => [s.session_id, s])).values()].sort(
    (a, b) =>
      Number(b.live) - Number(a.live) || b.ended_at - a.ended_at || (a.session_id < b.session_id ? 1 : -1),
  );
  // Pages only carry cursors: which page a visit stands in does not show.
  return {
    ...data,
    pages: pages.map((page, i) => ({ ...page, sessions: i === 0 ? ordered : [] })),
  };
}
