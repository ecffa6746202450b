import { useInfiniteQuery, useQuery, useQueryClient } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { useMemo } from "react";
import type { Session } from "../api/client";
import { useStream } from "../api/live";
import { facetsQuery, sessionsQuery } from "../api/queries";
import { useNow } from "../components/clock";
import { useProject } from "../components/project";
import { SessionFilters } from "../components/SessionFilters";
import { SessionList } from "../components/SessionList";
import { Empty, ErrorState } from "../components/States";
import { useI18n } from "../i18n";
import { activeFilters, rangeStart, type SessionSearch, toSessionsQuery } from "../model/filters";
import { mergeLive } from "../model/merge";

const route = getRouteApi("/sessions");

/** Visits, the latest active first, kept up to date by the live stream. */
export function SessionsPage() {
  const { t } = useI18n();
  const project = useProject();
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const queries = useQueryClient();
  const minute = useNow(60_000);
  const now = useNow(1000);

  const filter = useMemo(() => toSessionsQuery(search, minute), [search, minute]);
  const options = sessionsQuery(project, filter);
  const list = useInfiniteQuery(options);
  const facets = useQuery(facetsQuery(project, rangeStart(search.range ?? "7d", minute)));
  const sessions = useMemo(
    () => unique(list.data?.pages.flatMap((page) => page.sessions) ?? []),
    [list.data],
  );

  const plain = activeFilters(search) === 0;
  const connected = useStream(
    `/api/v1/live?project=${encodeURIComponent(project)}`,
    {
      sessions: (news: { sessions: Session[] }) => {
        // What the filter says of a new visit only the server knows: known ones change in place, others are asked for.
        const known = new Set(sessions.map((s) => s.session_id));
        queries.setQueryData(options.queryKey, (data) => data && mergeLive(data, news.sessions, plain));
        if (!plain && news.sessions.some((s) => !known.has(s.session_id))) {
          queries.invalidateQueries({ queryKey: options.queryKey });
        }
      },
    },
    () => queries.invalidateQueries({ queryKey: options.queryKey }),
  );

  const change = (next: Partial<SessionSearch>) =>
    navigate({ search: (before) => ({ ...before, ...next }), replace: true, resetScroll: false });
  const live = sessions.filter((s) => s.live).length;

  return (
    <div className="page">
      <div className="page-head">
        <h1>{t("sessions.title")}</h1>
        {facets.data && plain && (
          <span className="dim num">
            {t("sessions.count", { n: Math.max(facets.data.sessions, sessions.length) })}
          </span>
        )}
        {live > 0 && <span className="live num">{t("sessions.live", { n: live })}</span>}
        {!connected && (
          <span className="dim" role="status">
            {t("state.offline")}
          </span>
        )}
      </div>
      <SessionFilters
        search={search}
        change={change}
        choose={(next) => navigate({ search: ({ project }: { project?: string }) => ({ ...next, project }) })}
        facets={facets.data}
      />
      <section className="card list" aria-label={t("sessions.title")}>
        {list.isError ? (
          <ErrorState error={list.error} retry={() => list.refetch()} />
        ) : list.data && sessions.length === 0 ? (
          plain ? (
            <Empty title={t("sessions.none")} hint={t("sessions.none.hint")} />
          ) : (
            <Empty title={t("sessions.empty")} hint={t("sessions.empty.hint")}>
              <button type="button" className="button" onClick={() => navigate({ search: {} })}>
                {t("filter.clear")}
              </button>
            </Empty>
          )
        ) : (
          <SessionList
            sessions={sessions}
            loading={!list.data}
            now={now}
            more={list.hasNextPage}
            loadMore={() => !list.isFetchingNextPage && list.fetchNextPage()}
          />
        )}
      </section>
    </div>
  );
}

/** A visit that moved to the front while pages were loaded stands in two of them. */
function unique(sessions: Session[]): Session[] {
  const seen = new Set<string>();
  return sessions.filter(({ session_id }) => !seen.has(session_id) && seen.add(session_id));
}
