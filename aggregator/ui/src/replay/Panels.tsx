import { useVirtualizer } from "@tanstack/react-virtual";
import { type ReactNode, useEffect, useMemo, useRef, useState } from "react";
import type { PageVisit, Session, SessionEvent, Signal } from "../api/client";
import { Icon } from "../components/Icon";
import { KindIcon, useKindName } from "../components/Signals";
import { useI18n } from "../i18n";
import type { TextKey } from "../i18n/en";
import { describe, isQuiet } from "../model/describe";
import { clock, country, dateTime, path, span } from "../model/format";
import { kindColor } from "../model/signals";
import { currentIndex, lead } from "../model/timeline";
import "../styles/panels.css";

interface Props {
  session: Session;
  signals: Signal[];
  events: SessionEvent[];
  pages: PageVisit[];
  now: number;
  seek: (ts: number) => void;
}

const tabs = ["events", "signals", "console", "network", "details"] as const;
type Tab = (typeof tabs)[number];

/** What happened, in step with the replay: a click on a line takes the replay there. */
export function Panels(props: Props) {
  const { t } = useI18n();
  const [tab, setTab] = useState<Tab>("events");
  const { session, signals, events, now, seek } = props;
  const consoleEvents = useMemo(
    () => events.filter((e) => e.event_type === "console" || e.event_type === "error"),
    [events],
  );
  const network = useMemo(() => events.filter((e) => e.event_type === "network"), [events]);
  const counts: Record<Tab, number | null> = {
    events: null,
    signals: signals.length,
    console: consoleEvents.length,
    network: network.length,
    details: null,
  };
  const move = (step: number) => {
    const next = tabs[(tabs.indexOf(tab) + step + tabs.length) % tabs.length] ?? "events";
    setTab(next);
    document.getElementById(`tab-${next}`)?.focus();
  };
  return (
    <aside className="card panels">
      <div
        className="panel-tabs"
        role="tablist"
        onKeyDown={(e) => {
          if (e.key === "ArrowRight") move(1);
          if (e.key === "ArrowLeft") move(-1);
        }}
      >
        {tabs.map((name) => (
          <button
            key={name}
            id={`tab-${name}`}
            type="button"
            role="tab"
            aria-selected={tab === name}
            aria-controls="panel"
            tabIndex={tab === name ? 0 : -1}
            onClick={() => setTab(name)}
          >
            {t(`panel.${name}`)}
            {counts[name] ? <span className="num dim">{counts[name]}</span> : null}
          </button>
        ))}
      </div>
      <div id="panel" role="tabpanel" aria-labelledby={`tab-${tab}`} className="panel">
        {tab === "events" && <EventPanel {...props} />}
        {tab === "signals" && <SignalPanel session={session} signals={signals} now={now} seek={seek} />}
        {tab === "console" && (
          <Lines
            items={consoleEvents}
            empty="panel.console.empty"
            start={session.started_at}
            now={now}
            seek={seek}
          />
        )}
        {tab === "network" && (
          <Lines
            items={network}
            empty="panel.network.empty"
            start={session.started_at}
            now={now}
            seek={seek}
          />
        )}
        {tab === "details" && <Details session={session} pages={props.pages} seek={seek} />}
      </div>
    </aside>
  );
}

function EventPanel({ session, signals, events, now, seek }: Props) {
  const { t } = useI18n();
  const [all, setAll] = useState(false);
  const items = useMemo(
    () => [...events.filter((e) => all || !isQuiet(e)), ...signals].sort((a, b) => a.ts - b.ts),
    [events, signals, all],
  );
  return (
    <>
      <Lines items={items} empty="panel.events.empty" start={session.started_at} now={now} seek={seek} />
      <label className="panel-foot">
        <input type="checkbox" checked={all} onChange={(e) => setAll(e.target.checked)} /> {t("panel.all")}
      </label>
    </>
  );
}

type Item = SessionEvent | Signal;

function Lines(props: {
  items: Item[];
  empty: TextKey;
  start: number;
  now: number;
  seek: (ts: number) => void;
}) {
  const { items, start, now, seek } = props;
  const { t } = useI18n();
  const kindName = useKindName();
  const scroller = useRef<HTMLDivElement>(null);
  const [held, setHeld] = useState(false);
  const virtual = useVirtualizer({
    count: items.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => 46,
    overscan: 12,
  });
  const current = currentIndex(items, now);
  // Whoever is reading the list is not to be moved away from it.
  useEffect(() => {
    if (current >= 0 && !held) virtual.scrollToIndex(current, { align: "center" });
  }, [current, held, virtual]);
  if (items.length === 0) return <p className="panel-empty">{t(props.empty)}</p>;
  return (
    <div
      ref={scroller}
      className="lines"
      onPointerEnter={() => setHeld(true)}
      onPointerLeave={() => setHeld(false)}
    >
      <ol style={{ height: virtual.getTotalSize() }}>
        {virtual.getVirtualItems().map(({ index, start: top }) => {
          const item = items[index];
          if (!item) return null;
          const isSignal = "signal_id" in item;
          const line = isSignal ? null : describe(item, t);
          return (
            <li key={isSignal ? item.signal_id : item.event_id} style={{ transform: `translateY(${top}px)` }}>
              <button
                type="button"
                className="line"
                data-current={index === current}
                data-future={item.ts > now}
                data-tone={line?.tone}
                data-type={isSignal ? item.kind : item.event_type}
                style={isSignal ? { "--c": kindColor(item.kind) } : undefined}
                onClick={() => seek(isSignal ? item.ts - lead : item.ts)}
              >
                <span className="line-icon">
                  {isSignal ? (
                    <KindIcon kind={item.kind} size={14} />
                  ) : (
                    line && <Icon name={line.icon} size={14} />
                  )}
                </span>
                <span className="cut line-text">
                  <span className="cut">{isSignal ? kindName(item.kind) : line?.title}</span>
                  <small className="cut mono">{isSignal ? item.text || item.selector : line?.detail}</small>
                </span>
                <span className="num dim">{clock(item.ts - start)}</span>
              </button>
            </li>
          );
        })}
      </ol>
    </div>
  );
}

function SignalPanel({ session, signals, now, seek }: Pick<Props, "session" | "signals" | "now" | "seek">) {
  const { t } = useI18n();
  const kindName = useKindName();
  if (signals.length === 0) return <p className="panel-empty">{t("panel.signals.empty")}</p>;
  return (
    <ol className="signal-list">
      {signals.map((s) => (
        <li key={s.signal_id}>
          <button
            type="button"
            className="signal"
            style={{ "--c": kindColor(s.kind) }}
            data-current={Math.abs(now - s.ts) < lead + 500}
            onClick={() => seek(s.ts - lead)}
          >
            <span className="signal-mark">
              <KindIcon kind={s.kind} size={16} />
            </span>
            <span className="cut">
              <b>{kindName(s.kind)}</b>
              {(s.text || s.selector) && (
                <span className="cut">
                  {s.text ? `“${s.text}”` : ""} <code className="mono dim">{s.selector}</code>
                </span>
              )}
              <small className="cut dim">
                {path(s.url)}
                {s.count > 1 && ` · ${t("signal.clicks", { n: s.count, s: span(s.duration_ms) })}`}
                {` · ${t(s.detected_by === "edge" ? "signal.by.edge" : "signal.by.centre")}`}
              </small>
            </span>
            <span className="num dim">{clock(s.ts - session.started_at)}</span>
          </button>
        </li>
      ))}
    </ol>
  );
}

function Details({ session, pages, seek }: Pick<Props, "session" | "pages" | "seek">) {
  const { t, locale } = useI18n();
  const row = (name: TextKey, value: ReactNode) => (
    <>
      <dt>{t(name)}</dt>
      <dd className="cut">{value || "–"}</dd>
    </>
  );
  return (
    <div className="details">
      <dl>
        {row("panel.user", session.user_id)}
        {row("panel.session_id", <code className="mono">{session.session_id}</code>)}
        {row("session.started", dateTime(session.started_at, locale))}
        {row("panel.place", [session.city, country(session.country, locale)].filter(Boolean).join(", "))}
        {row("panel.device", [session.browser, session.os, session.device].filter(Boolean).join(" · "))}
      </dl>
      <h2>{t("panel.pages")}</h2>
      <ol className="page-list">
        {pages.map((page) => (
          <li key={`${page.entered_at} ${page.url}`}>
            <button type="button" className="line" onClick={() => seek(page.entered_at)}>
              <span className="line-icon">
                <Icon name="page" size={14} />
              </span>
              <span className="cut line-text">
                <span className="cut">{path(page.url)}</span>
                <small className="cut">{page.title}</small>
              </span>
              <span className="num dim">{clock(page.entered_at - session.started_at)}</span>
            </button>
          </li>
        ))}
      </ol>
    </div>
  );
}
