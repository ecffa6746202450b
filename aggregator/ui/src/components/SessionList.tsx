import { Link } from "@tanstack/react-router";
import { useWindowVirtualizer } from "@tanstack/react-virtual";
import { type KeyboardEvent, useEffect, useRef, useState } from "react";
import type { Session } from "../api/client";
import { useI18n } from "../i18n";
import { ago, clock, country, hue, initials, path, shortId } from "../model/format";
import { ActivityStrip } from "./ActivityStrip";
import { Icon } from "./Icon";
import { SignalChips } from "./Signals";
import { Busy, Skeleton } from "./States";

const phone = matchMedia("(max-width: 720px)");

function useRowHeight(): number {
  const [narrow, setNarrow] = useState(phone.matches);
  useEffect(() => {
    const update = () => setNarrow(phone.matches);
    phone.addEventListener("change", update);
    return () => phone.removeEventListener("change", update);
  }, []);
  return narrow ? 108 : 64;
}

interface Props {
  sessions: Session[];
  loading: boolean;
  now: number;
  more: boolean;
  loadMore: () => void;
}

/** The visits, only those in sight in the document; the end of the list loads more. */
export function SessionList({ sessions, loading, now, more, loadMore }: Props) {
  const { t } = useI18n();
  const rows = useRef<HTMLDivElement>(null);
  const height = useRowHeight();
  const virtual = useWindowVirtualizer({
    count: sessions.length,
    estimateSize: () => height,
    overscan: 8,
    scrollMargin: rows.current?.offsetTop ?? 0,
    getItemKey: (i) => sessions[i]?.session_id ?? i,
  });
  // biome-ignore lint/correctness/useExhaustiveDependencies: rows have another height on phones
  useEffect(() => virtual.measure(), [height]);
  const items = virtual.getVirtualItems();
  const last = items.at(-1)?.index ?? 0;
  useEffect(() => {
    if (more && last >= sessions.length - 15) loadMore();
  }, [more, last, sessions.length, loadMore]);

  const onKeyDown = (event: KeyboardEvent<HTMLDivElement>) => {
    const step = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1 }[event.key];
    const at = Number(document.activeElement?.getAttribute("data-index"));
    if (!step || Number.isNaN(at)) return;
    event.preventDefault();
    virtual.scrollToIndex(Math.min(Math.max(at + step, 0), sessions.length - 1));
    requestAnimationFrame(() =>
      rows.current?.querySelector<HTMLElement>(`[data-index="${at + step}"]`)?.focus({ preventScroll: true }),
    );
  };

  return (
    <>
      <div className="list-head" aria-hidden="true">
        <span>{t("sessions.col.visitor")}</span>
        <span>{t("sessions.col.journey")}</span>
        <span className="activity">{t("sessions.col.activity")}</span>
        <span>{t("sessions.col.signals")}</span>
        <span className="end">{t("sessions.col.duration")}</span>
        <span className="end">{t("sessions.col.when")}</span>
      </div>
      {loading ? (
        <div className="rows" style={{ height: 10 * height }}>
          <Busy />
          {Array.from({ length: 10 }, (_, i) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: ten equal rows
            <div key={i} className="visit" style={{ transform: `translateY(${i * height}px)` }}>
              <Skeleton width={`${80 - (i % 3) * 14}%`} height={28} />
              <Skeleton width={`${70 - (i % 4) * 9}%`} />
              <Skeleton height={24} />
              <Skeleton width={80} height={20} />
              <Skeleton />
              <Skeleton />
            </div>
          ))}
        </div>
      ) : (
        // biome-ignore lint/a11y/noStaticElementInteractions: arrow keys move between the links inside
        <div className="rows" ref={rows} style={{ height: virtual.getTotalSize() }} onKeyDown={onKeyDown}>
          {items.map(({ index, start, key }) => {
            const session = sessions[index];
            return (
              session && (
                <Row
                  key={key}
                  session={session}
                  index={index}
                  top={start - virtual.options.scrollMargin}
                  now={now}
                />
              )
            );
          })}
        </div>
      )}
      {sessions.length > 0 && (
        <div className="list-foot">{more ? t("sessions.more") : t("sessions.end")}</div>
      )}
    </>
  );
}

function Row({ session, index, top, now }: { session: Session; index: number; top: number; now: number }) {
  const { t, locale } = useI18n();
  const name = session.user_id || t("session.anonymous", { id: shortId(session.session_id) });
  const place = [session.city, country(session.country, locale)].filter(Boolean).join(", ");
  const client = [session.browser, session.os].filter(Boolean).join(" · ");
  return (
    <Link
      to="/sessions/$id"
      params={{ id: session.session_id }}
      search={({ project }: { project?: string }) => (project ? { project } : {})}
      className="visit"
      data-index={index}
      data-session={session.session_id}
      style={{ transform: `translateY(${top}px)` }}
    >
      <div className="who">
        <span
          className="avatar"
          style={{ "--h": hue(session.user_id || session.session_id) }}
          aria-hidden="true"
        >
          {session.user_id ? initials(session.user_id) : <Icon name="user" />}
        </span>
        <div className="cut">
          <strong>{name}</strong>
          <small className="cut">{[place, client].filter(Boolean).join(" · ")}</small>
        </div>
      </div>
      <div className="journey cut">
        <div className="cut">{path(session.last_url || session.entry_url)}</div>
        <small className="cut num">
          {t("session.pages", { n: session.pages })} · {t("session.clicks", { n: session.clicks })}
          {session.errors > 0 && ` · ${t("session.errors", { n: session.errors })}`}
        </small>
      </div>
      <div className="activity">
        <ActivityStrip activity={session.activity} />
      </div>
      <SignalChips signals={session.signals} />
      <div className="end num">
        {clock(session.ended_at - session.started_at)}
        <small>{t("session.events", { n: session.events })}</small>
      </div>
      <div className="when end num">
        {session.live ? (
          <span className="live">{t("session.live")}</span>
        ) : (
          ago(session.ended_at, now, locale)
        )}
        {session.has_replay && <Icon name="play" size={12} />}
      </div>
    </Link>
  );
}
