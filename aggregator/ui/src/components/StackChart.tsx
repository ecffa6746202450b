import { useEffect, useMemo, useRef, useState } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import type { Annotation } from "../api/client";
import { useI18n } from "../i18n";
import type { Stacked } from "../model/series";
import { kindColor } from "../model/signals";
import { KindIcon, useKindName } from "./Signals";

/** Resolves a CSS colour of the theme for the canvas. */
function color(element: HTMLElement, value: string): string {
  const probe = document.createElement("span");
  probe.style.color = value;
  element.append(probe);
  const resolved = getComputedStyle(probe).color;
  probe.remove();
  return resolved;
}

function useThemeChanges(): number {
  const [n, setN] = useState(0);
  useEffect(() => {
    const update = () => setN((before) => before + 1);
    const query = matchMedia("(prefers-color-scheme: dark)");
    query.addEventListener("change", update);
    window.addEventListener("gosight:theme", update);
    return () => {
      query.removeEventListener("change", update);
      window.removeEventListener("gosight:theme", update);
    };
  }, []);
  return n;
}

/** Signals over time as stacked bars, with the bucket under the pointer spelt out. */
export function StackChart(props: {
  data: Stacked;
  bucket: number;
  label: string;
  /** Moments that are marked, such as releases. */
  marked: Annotation[];
}) {
  const { data, bucket, label, marked } = props;
  const { t, locale } = useI18n();
  const kindName = useKindName();
  const place = useRef<HTMLDivElement>(null);
  const theme = useThemeChanges();
  const [hover, setHover] = useState<{ index: number; left: number } | null>(null);

  const format = useMemo(
    () =>
      new Intl.DateTimeFormat(
        locale,
        bucket >= 86_400_000
          ? { weekday: "short", day: "numeric", month: "short", timeZone: "UTC" }
          : { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" },
      ),
    [locale, bucket],
  );

  // biome-ignore lint/correctness/useExhaustiveDependencies: theme makes the colours anew
  useEffect(() => {
    const element = place.current;
    if (!element) return;
    const text = color(element, "var(--text-3)");
    const grid = color(element, "var(--line)");
    const bars = uPlot.paths.bars?.({ size: [0.78, 46], radius: 0.12 });
    const step = bucket / 1000;
    const day = 86_400;
    const daily = bucket >= day * 1000;
    const options: uPlot.Options = {
      width: element.clientWidth,
      height: 248,
      legend: { show: false },
      cursor: { y: false, points: { show: false }, drag: { setScale: false } },
      padding: [10, 8, 0, 0],
      // Days are cut at midnight UTC, by the server: they are named by that clock too.
      ...(daily ? { tzDate: (s: number) => uPlot.tzDate(new Date(s * 1000), "Etc/UTC") } : {}),
      scales: {
        x: { time: true, range: (_, min, max) => [min - step / 2, max + step / 2] },
        y: { range: (_, __, max) => [0, Math.max(4, Math.ceil(max * 1.08))] },
      },
      axes: [
        {
          stroke: text,
          font: "11px 'Inter Variable', sans-serif",
          grid: { show: false },
          ticks: { stroke: grid, size: 4 },
          ...(daily ? { incrs: [1, 2, 4, 7, 14].map((n) => n * day) } : {}),
          values: (_, splits) =>
            splits.map((s, i) => {
              const date = new Date(s * 1000);
              const name = date.toLocaleDateString(locale, {
                day: "numeric",
                month: "short",
                ...(daily ? { timeZone: "UTC" } : {}),
              });
              if (daily) return name;
              const time = date.toLocaleTimeString(locale, {
                hour: "2-digit",
                minute: "2-digit",
                hour12: false,
              });
              const before = splits[i - 1];
              return before !== undefined && new Date(before * 1000).getDate() === date.getDate()
                ? time
                : `${time}\n${name}`;
            }),
        },
        {
          stroke: text,
          font: "11px 'Inter Variable', sans-serif",
          size: 38,
          grid: { stroke: grid, width: 1 },
          ticks: { show: false },
          incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 50_000, 100_000],
        },
      ],
      // Every bar reaches from zero to the top of its kind: the highest is drawn first.
      series: [
        {},
        ...data.kinds
          .map((kind) => ({
            fill: color(element, kindColor(kind)),
            width: 0,
            points: { show: false },
            ...(bars ? { paths: bars } : {}),
          }))
          .reverse(),
      ],
      hooks: {
        setCursor: [
          (u) => {
            const index = u.cursor.idx;
            setHover(
              index == null || (u.cursor.left ?? -1) < 0
                ? null
                : { index, left: (u.cursor.left ?? 0) + u.bbox.left / devicePixelRatio },
            );
          },
        ],
      },
    };
    const flag = color(element, "var(--accent)");
    options.hooks = {
      ...options.hooks,
      draw: [
        (u) => {
          u.ctx.save();
          u.ctx.strokeStyle = flag;
          u.ctx.lineWidth = devicePixelRatio;
          u.ctx.setLineDash([4 * devicePixelRatio, 3 * devicePixelRatio]);
          for (const { at } of marked) {
            const x = Math.round(u.valToPos(at / 1000, "x", true));
            if (x < u.bbox.left || x > u.bbox.left + u.bbox.width) continue;
            u.ctx.beginPath();
            u.ctx.moveTo(x, u.bbox.top);
            u.ctx.lineTo(x, u.bbox.top + u.bbox.height);
            u.ctx.stroke();
          }
          u.ctx.restore();
        },
      ],
    };
    const plot = new uPlot(options, [data.times, ...data.tops.toReversed()], element);
    const observer = new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height: 248 }));
    observer.observe(element);
    return () => {
      observer.disconnect();
      plot.destroy();
    };
  }, [data, bucket, locale, theme, marked]);

  return (
    <figure className="chart">
      <div ref={place} className="chart-place" role="img" aria-label={label} />
      {hover && (
        <div
          className="chart-tip"
          style={{ left: hover.left }}
          data-side={hover.left > 600 ? "left" : "right"}
        >
          <b>{format.format((data.times[hover.index] ?? 0) * 1000)}</b>
          {data.kinds.map((kind, k) => {
            const n = data.counts[k]?.[hover.index] ?? 0;
            return n > 0 ? (
              <span key={kind} style={{ color: kindColor(kind) }}>
                <KindIcon kind={kind} /> {kindName(kind)} <b className="num">{n.toLocaleString(locale)}</b>
              </span>
            ) : null;
          })}
        </div>
      )}
      <details className="chart-table">
        <summary>{t("insights.table")}</summary>
        <div>
          <table>
            <thead>
              <tr>
                <th />
                {data.kinds.map((kind) => (
                  <th key={kind}>{kindName(kind)}</th>
                ))}
              </tr>
            </thead>
            <tbody>
              {data.times.map((time, i) =>
                data.counts.some((own) => own[i]) ? (
                  <tr key={time}>
                    <th>{format.format(time * 1000)}</th>
                    {data.kinds.map((kind, k) => (
                      <td key={kind} className="num">
                        {data.counts[k]?.[i] ?? 0}
                      </td>
                    ))}
                  </tr>
                ) : null,
              )}
            </tbody>
          </table>
        </div>
      </details>
    </figure>
  );
}
