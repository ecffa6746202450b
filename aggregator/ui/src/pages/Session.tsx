import { useInfiniteQuery, useQuery, useQueryClient } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { ApiError, type Session, type SessionEvent, type Signal } from "../api/client";
import { useStream } from "../api/live";
import { eventsQuery, sessionQuery } from "../api/queries";
import { Icon } from "../components/Icon";
import { useProject } from "../components/project";
import { useKindName } from "../components/Signals";
import { Busy, Empty, ErrorState, Skeleton } from "../components/States";
import { useI18n } from "../i18n";
import { clock, country, dateTime, hue, initials, shortId } from "../model/format";
import { neighbour, lead as signalLead } from "../model/timeline";
import { type ExportFormat, exportVisit } from "../replay/export";
import { Panels } from "../replay/Panels";
import { quiet } from "../replay/quiet";
import { Timeline } from "../replay/Timeline";
import { useReplay } from "../replay/useReplay";
import "../styles/session.css";

const route = getRouteApi("/sessions/$id");
const speeds = [0.5, 1, 2, 4, 8] as const;

/** One visit: its replay, and beside it everything that happened, in step. */
export function SessionPage() {
  const { t, locale } = useI18n();
  const project = useProject();
  const { id } = route.useParams();
  const search = route.useSearch();
  const queries = useQueryClient();
  const found = useQuery(sessionQuery(project, id));
  const events = useInfiniteQuery(eventsQuery(project, id));
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = events;
  useEffect(() => {
    if (hasNextPage && !isFetchingNextPage) void fetchNextPage();
  }, [hasNextPage, isFetchingNextPage, fetchNextPage]);

  const session = found.data?.session;
  const stage = useRef<HTMLDivElement>(null);
  const start = session?.started_at;
  const frameTitle = t("player.frame");
  const visit = useMemo(
    () => (start !== undefined ? { project, id, start, title: frameTitle } : null),
    [project, id, start, frameTitle],
  );
  const [player, state] = useReplay(stage, visit);

  // What the stream brought beyond the loaded pages of events.
  const [arrived, setArrived] = useState<SessionEvent[]>([]);
  const allEvents = useMemo(() => {
    const byID = new Map<string, SessionEvent>();
    for (const page of events.data?.pages ?? []) for (const e of page.events) byID.set(e.event_id, e);
    for (const e of arrived) byID.set(e.event_id, e);
    return [...byID.values()].sort((a, b) => a.ts - b.ts);
  }, [events.data, arrived]);

  const live = session?.live ?? false;
  const wasLive = useRef(false);
  wasLive.current ||= live;
  const streamFrom = useRef(0);
  streamFrom.current ||= session?.ended_at ?? 0;
  const connected = useStream(
    session && wasLive.current
      ? `/api/v1/sessions/${encodeURIComponent(id)}/live?project=${encodeURIComponent(project)}&after=${streamFrom.current}`
      : null,
    {
      session: (next: Session) =>
        queries.setQueryData(
          sessionQuery(project, id).queryKey,
          (data) =>
            // The start must not move under the player.
            data && { ...data, session: { ...next, started_at: data.session.started_at } },
        ),
      signals: (news: { signals: Signal[] }) =>
        queries.setQueryData(sessionQuery(project, id).queryKey, (data) => {
          if (!data) return data;
          const byID = new Map(data.signals.map((s) => [s.signal_id, s]));
          for (const s of news.signals) byID.set(s.signal_id, s);
          return { ...data, signals: [...byID.values()].sort((a, b) => a.ts - b.ts) };
        }),
      events: (news: { events: SessionEvent[] }) => setArrived((before) => [...before, ...news.events]),
      replay: (news: { ids: string[]; events: unknown[] }) =>
        player?.arrive({ ids: news.ids, events: quiet(news.events) }),
    },
  );

  // Opens at the moment of the link, or follows a visit in progress, or plays from the start.
  const opened = useRef<object | null>(null);
  useEffect(() => {
    if (!player || !session || opened.current === player) return;
    opened.current = player;
    if (search.at !== undefined) void player.seek(search.at - signalLead, true);
    else if (search.t !== undefined) void player.seek(session.started_at + search.t, false);
    else if (session.live) void player.follow();
    else void player.seek(session.started_at, true);
  }, [player, session, search.t, search.at]);

  const span = useMemo(
    () => ({
      start: session?.started_at ?? 0,
      end: Math.max(session?.ended_at ?? 1, (session?.started_at ?? 0) + 1000),
    }),
    [session?.started_at, session?.ended_at],
  );
  const signals = useMemo(() => found.data?.signals ?? [], [found.data]);
  const now = Math.min(Math.max(state.now, span.start), span.end);
  const seek = useCallback(
    (ts: number) => void player?.seek(Math.min(Math.max(ts, span.start), span.end)),
    [player, span],
  );
  const jump = useCallback(
    (step: 1 | -1) => {
      // The player's own clock: keys come faster than renders.
      const signal = player && neighbour(signals, player.snapshot().now, step);
      if (signal) seek(signal.ts - signalLead);
    },
    [signals, player, seek],
  );

  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const target = event.target as HTMLElement;
      const at = player?.snapshot().now ?? 0;
      if (event.ctrlKey || event.metaKey || event.altKey || target.matches("input, select, textarea")) return;
      if (event.key === "n") jump(1);
      else if (event.key === "p") jump(-1);
      else if (event.key === " " && !target.matches("button, a")) player?.toggle();
      else if (event.key === "ArrowRight" && !target.closest("[role=tablist]")) seek(at + 5000);
      else if (event.key === "ArrowLeft" && !target.closest("[role=tablist]")) seek(at - 5000);
      else return;
      event.preventDefault();
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, [jump, player, seek]);

  if (found.isError) {
    return found.error instanceof ApiError && found.error.status === 404 ? (
      <Empty title={t("session.missing")} hint={t("session.missing.hint")}>
        <Link to="/sessions" className="button">
          {t("session.back")}
        </Link>
      </Empty>
    ) : (
      <ErrorState error={found.error} retry={() => found.refetch()} />
    );
  }

  const name = session ? session.user_id || t("session.anonymous", { id: shortId(session.session_id) }) : "";
  return (
    <div className="page session-page">
      <div className="page-head">
        <Link to="/sessions" className="button plain icon" aria-label={t("session.back")}>
          <Icon name="back" />
        </Link>
        {session ? (
          <>
            <span
              className="avatar"
              style={{ "--h": hue(session.user_id || session.session_id) }}
              aria-hidden="true"
            >
              {session.user_id ? initials(session.user_id) : <Icon name="user" />}
            </span>
            <div className="cut fill">
              <h1 className="cut">{name}</h1>
              <p className="dim cut num facts">
                {[
                  dateTime(session.started_at, locale),
                  [session.city, country(session.country, locale)].filter(Boolean).join(", "),
                  [session.browser, session.os].filter(Boolean).join(" · "),
                  t("session.pages", { n: session.pages }),
                  t("session.clicks", { n: session.clicks }),
                ]
                  .filter(Boolean)
                  .join("   ·   ")}
              </p>
            </div>
            {session.live && <span className="live">{t("session.live")}</span>}
            {!connected && <span className="dim">{t("state.offline")}</span>}
            <Export
              visit={{ project, id, title: name, events: allEvents, signals }}
              hasReplay={session.has_replay}
            />
            <Share at={now - session.started_at} />
          </>
        ) : (
          <>
            <Busy />
            <Skeleton width={260} height={34} />
          </>
        )}
      </div>

      <div className="session-grid">
        <section className="card player" aria-label={t("player.frame")}>
          <div className="stage-box">
            <div className="stage" ref={stage} />
            {state.status === "loading" && <Skeleton height="100%" />}
            {state.status === "empty" && (
              <Empty
                icon="play"
                title={t(live ? "session.waiting" : "session.no_replay")}
                hint={live ? undefined : t("session.no_replay.hint")}
              />
            )}
            {state.status === "error" && state.error && (
              <ErrorState error={state.error} retry={() => player?.seek(state.now, true)} />
            )}
            {state.status === "buffering" && <span className="over">{t("player.buffering")}</span>}
            {state.skipping && state.playing && <span className="over">{t("player.skipping")}</span>}
          </div>
          <Timeline
            span={span}
            now={now}
            signals={signals}
            events={allEvents}
            pages={found.data?.pages ?? []}
            seek={seek}
          />
          <div className="controls">
            <button
              type="button"
              className="button primary icon"
              aria-label={t(state.playing ? "player.pause" : "player.play")}
              disabled={state.status === "empty"}
              onClick={() => player?.toggle()}
            >
              <Icon name={state.playing ? "pause" : "play"} />
            </button>
            <span className="num time">
              <b>{clock(now - span.start)}</b> <span className="dim">/ {clock(span.end - span.start)}</span>
            </span>
            <button
              type="button"
              className="button plain icon"
              aria-label={t("player.prev")}
              title={t("player.prev")}
              disabled={signals.length === 0}
              onClick={() => jump(-1)}
            >
              <Icon name="prev" />
            </button>
            <button
              type="button"
              className="button plain icon"
              aria-label={t("player.next")}
              title={t("player.next")}
              disabled={signals.length === 0}
              onClick={() => jump(1)}
            >
              <Icon name="next" />
            </button>
            <span className="fill" />
            {live && (
              <button
                type="button"
                className="button"
                aria-pressed={state.following}
                onClick={() => (state.following ? player?.pause() : player?.follow())}
              >
                {t(state.following ? "player.following" : "player.follow")}
              </button>
            )}
            <SkipToggle set={(skip) => player?.setSkipInactive(skip)} />
            <select
              className="field num"
              aria-label={t("player.speed")}
              value={state.speed}
              disabled={state.following}
              onChange={(e) => player?.setSpeed(Number(e.target.value))}
            >
              {speeds.map((speed) => (
                <option key={speed} value={speed}>
                  {speed}×
                </option>
              ))}
            </select>
            <button
              type="button"
              className="button plain icon"
              aria-label={t("player.fullscreen")}
              onClick={() => stage.current?.parentElement?.requestFullscreen()}
            >
              <Icon name="expand" />
            </button>
          </div>
        </section>
        {session ? (
          <Panels
            session={session}
            signals={signals}
            events={allEvents}
            pages={found.data?.pages ?? []}
            now={now}
            seek={seek}
          />
        ) : (
          <aside className="card panels" />
        )}
      </div>
    </div>
  );
}

function Export(props: { visit: Parameters<typeof exportVisit>[1]; hasReplay: boolean }) {
  const { t } = useI18n();
  const kindName = useKindName();
  const [failed, setFailed] = useState<string | null>(null);
  return (
    <>
      <select
        className="field export"
        aria-label={t("session.export")}
        value=""
        onChange={async (e) => {
          setFailed(null);
          try {
            await exportVisit(e.target.value as ExportFormat, props.visit, kindName);
          } catch (cause) {
            setFailed(cause instanceof Error ? cause.message : String(cause));
          }
        }}
      >
        <option value="">{t("session.export")}</option>
        {props.hasReplay && <option value="html">{t("session.export.html")}</option>}
        {props.hasReplay && <option value="rrweb">{t("session.export.rrweb")}</option>}
        <option value="ndjson">{t("session.export.ndjson")}</option>
      </select>
      {failed && <span role="alert">{failed}</span>}
    </>
  );
}

function SkipToggle({ set }: { set: (skip: boolean) => void }) {
  const { t } = useI18n();
  const [on, setOn] = useState(true);
  return (
    <button
      type="button"
      className="button"
      aria-pressed={on}
      onClick={() => {
        set(!on);
        setOn(!on);
      }}
    >
      <Icon name="skip" size={14} /> <span className="wide">{t("player.skip")}</span>
    </button>
  );
}

function Share({ at }: { at: number }) {
  const { t } = useI18n();
  const [copied, setCopied] = useState(false);
  const share = async () => {
    const url = new URL(location.href);
    url.searchParams.delete("at");
    url.searchParams.set("t", String(Math.round(at)));
    await navigator.clipboard.writeText(url.href);
    setCopied(true);
    setTimeout(() => setCopied(false), 2000);
  };
  return (
    <>
      <button type="button" className="button" onClick={share}>
        <Icon name={copied ? "check" : "link"} size={14} />
        <span className="wide">{t(copied ? "session.shared" : "session.share")}</span>
      </button>
      <span className="unseen" role="status">
        {copied && t("session.shared")}
      </span>
    </>
  );
}
