import { type KeyboardEvent, type PointerEvent, useMemo, useRef, useState } from "react";
import type { PageVisit, SessionEvent, Signal } from "../api/client";
import { Icon } from "../components/Icon";
import { KindIcon, useKindName } from "../components/Signals";
import { useI18n } from "../i18n";
import { clock, path } from "../model/format";
import { isKind, kindColor } from "../model/signals";
import { density, fraction, lead, marks, momentAt, type Span } from "../model/timeline";

interface Props {
  span: Span;
  now: number;
  signals: Signal[];
  events: SessionEvent[];
  pages: PageVisit[];
  seek: (ts: number) => void;
}

const bars = 160;

/** The visit as a line: how busy it was, what went wrong where, and the playhead. */
export function Timeline({ span, now, signals, events, pages, seek }: Props) {
  const { t } = useI18n();
  const kindName = useKindName();
  const track = useRef<HTMLDivElement>(null);
  const [hover, setHover] = useState<number | null>(null);
  const found = useMemo(() => marks(signals, events, span), [signals, events, span]);
  const busy = useMemo(() => density(events, span, bars), [events, span]);
  const top = Math.max(1, ...busy);
  const percent = (ts: number) => `${fraction(ts, span) * 100}%`;

  const placeOf = (event: PointerEvent) => {
    const box = track.current?.getBoundingClientRect();
    return box ? (event.clientX - box.left) / box.width : 0;
  };
  const onPointerDown = (event: PointerEvent<HTMLDivElement>) => {
    if (event.button !== 0 || (event.target as HTMLElement).closest("button")) return;
    event.currentTarget.setPointerCapture(event.pointerId);
    seek(momentAt(placeOf(event), span));
  };
  const onPointerMove = (event: PointerEvent<HTMLDivElement>) => {
    setHover(Math.min(1, Math.max(0, placeOf(event))));
    if (event.currentTarget.hasPointerCapture(event.pointerId)) seek(momentAt(placeOf(event), span));
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const step = { ArrowRight: 5000, ArrowLeft: -5000, PageUp: 30_000, PageDown: -30_000 }[event.key];
    const target = step
      ? now + step
      : event.key === "Home"
        ? span.start
        : event.key === "End"
          ? span.end
          : null;
    if (target === null) return;
    event.preventDefault();
    event.stopPropagation();
    seek(Math.min(span.end, Math.max(span.start, target)));
  };
  const markName = (kind: string) =>
    isKind(kind)
      ? kindName(kind)
      : kind === "error"
        ? t("event.error")
        : kind === "navigate"
          ? t("insights.page")
          : kind;
  const pageOf = (ts: number) => pages.findLast((page) => page.entered_at <= ts);

  return (
    <div className="timeline">
      <div className="marks signal-marks">
        {found
          .filter((m) => m.kind !== "navigate" && m.kind !== "error")
          .map((m) => (
            <button
              key={m.id}
              type="button"
              className="mark"
              data-kind={m.kind}
              data-ts={m.ts}
              style={{ left: `${m.place * 100}%`, "--c": kindColor(m.kind), "--beside": m.beside }}
              aria-label={`${markName(m.kind)} ${clock(m.ts - span.start)}`}
              title={`${markName(m.kind)} · ${clock(m.ts - span.start)}`}
              onClick={() => seek(m.ts - lead)}
            >
              <KindIcon kind={m.kind} size={12} />
              {m.count > 1 && <span className="num">{m.count}</span>}
            </button>
          ))}
      </div>
      <div
        ref={track}
        className="track"
        role="slider"
        tabIndex={0}
        aria-label={t("player.timeline")}
        aria-valuemin={0}
        aria-valuemax={Math.round((span.end - span.start) / 1000)}
        aria-valuenow={Math.round((now - span.start) / 1000)}
        aria-valuetext={`${clock(now - span.start)} / ${clock(span.end - span.start)}`}
        onPointerDown={onPointerDown}
        onPointerMove={onPointerMove}
        onPointerLeave={() => setHover(null)}
        onKeyDown={onKeyDown}
      >
        <svg className="busy" viewBox={`0 0 ${bars} 20`} preserveAspectRatio="none" aria-hidden="true">
          {busy.map((count, i) => {
            const height = count === 0 ? 0 : 3 + 17 * Math.sqrt(count / top);
            return (
              <rect
                // biome-ignore lint/suspicious/noArrayIndexKey: a bar is its place
                key={i}
                x={i + 0.15}
                y={20 - height}
                width={0.7}
                height={height}
                data-past={i / bars < fraction(now, span)}
              />
            );
          })}
        </svg>
        {pages.map((page) => (
          <span
            key={`${page.entered_at} ${page.url}`}
            className="page-tick"
            style={{ left: percent(page.entered_at) }}
            aria-hidden="true"
          />
        ))}
        <span className="played" style={{ width: percent(now) }} aria-hidden="true" />
        <span className="head" style={{ left: percent(now) }} aria-hidden="true" />
        {hover !== null && (
          <span className="tip num" style={{ left: `${hover * 100}%` }} aria-hidden="true">
            <b>{clock((span.end - span.start) * hover)}</b>
            <span className="cut">{path(pageOf(momentAt(hover, span))?.url ?? "")}</span>
          </span>
        )}
      </div>
      <div className="marks event-marks">
        {found
          .filter((m) => m.kind === "error" || m.kind === "navigate")
          .map((m) => (
            <button
              key={m.id}
              type="button"
              className={`small-mark ${m.kind}`}
              style={{ left: `${m.place * 100}%` }}
              aria-label={`${markName(m.kind)} ${clock(m.ts - span.start)}`}
              title={`${markName(m.kind)} · ${clock(m.ts - span.start)}`}
              onClick={() => seek(m.kind === "error" ? m.ts - lead : m.ts)}
            >
              <Icon name={m.kind === "error" ? "error" : "page"} size={11} />
            </button>
          ))}
      </div>
    </div>
  );
}
