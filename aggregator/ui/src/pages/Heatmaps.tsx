import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { useEffect, useRef, useState } from "react";
import type { Heatmap } from "../api/client";
import { heatmapQuery, pagesQuery, type Viewport } from "../api/queries";
import { Icon } from "../components/Icon";
import { PageSelect } from "../components/PageSelect";
import { RangeSelect, usePeriod } from "../components/Period";
import { useProject } from "../components/project";
import { KindIcon, useKindName } from "../components/Signals";
import { Empty, ErrorState, Skeleton } from "../components/States";
import { useI18n } from "../i18n";
import type { Range } from "../model/filters";
import { draw, heightOf } from "../model/heat";
import { kindColor } from "../model/signals";
import { type PageSnapshot, showSnapshot } from "../replay/snapshot";
import "../styles/heatmaps.css";

const route = getRouteApi("/heatmaps");
const layers = [
  "click",
  "move",
  "rage_click",
  "dead_click",
  "unresponsive_click",
  "error_click",
  "scroll",
] as const;
type Layer = (typeof layers)[number];
const isPlain = (name: Layer): name is "click" | "move" | "scroll" =>
  name === "click" || name === "move" || name === "scroll";
const screens: Viewport[] = ["desktop", "tablet", "mobile"];

/** Where on a page things happened, drawn over the page as a visit recorded it. */
export function HeatmapsPage() {
  const { t } = useI18n();
  const kindName = useKindName();
  const project = useProject();
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const range: Range = search.range ?? "7d";
  const period = usePeriod(range);
  const pages = useQuery(pagesQuery(project, period));
  const page = search.page ?? pages.data?.pages[0]?.url ?? "";
  const layer: Layer = layers.find((l) => l === search.kind) ?? "click";
  const viewport = search.viewport ?? "desktop";
  const found = useQuery(
    heatmapQuery(project, { ...period, page, viewport, kind: layer === "scroll" ? "click" : layer }),
  );
  const heat = found.data;
  const set = (next: Partial<typeof search>) =>
    navigate({ search: (before) => ({ ...before, ...next }), replace: true, resetScroll: false });
  const empty = heat !== undefined && heat.visits === 0;

  return (
    <div className="page">
      <div className="page-head">
        <h1>{t("heat.title")}</h1>
        <PageSelect page={page} pages={pages.data?.pages} choose={(next) => set({ page: next })} />
        <span className="fill" />
        <select
          className="field"
          aria-label={t("heat.viewport")}
          value={viewport}
          onChange={(e) => set({ viewport: screens.find((s) => s === e.target.value) })}
        >
          {screens.map((screen) => (
            <option key={screen} value={screen}>
              {t(`heat.${screen}`)}
            </option>
          ))}
        </select>
        <RangeSelect range={range} choose={(next) => set({ range: next })} />
      </div>
      <fieldset className="kindbar">
        <legend className="unseen">{t("heat.kind")}</legend>
        {layers.map((name) => (
          <button
            key={name}
            type="button"
            className="option"
            style={isPlain(name) ? undefined : { "--c": kindColor(name) }}
            aria-pressed={layer === name}
            onClick={() => set({ kind: name === "click" ? undefined : name })}
          >
            {isPlain(name) ? (
              <Icon name={name === "move" ? "pointer" : name} size={13} />
            ) : (
              <KindIcon kind={name} />
            )}
            {isPlain(name) ? t(`heat.${name}`) : kindName(name)}
          </button>
        ))}
        {heat && (
          <span className="dim num heat-sum">
            {layer !== "scroll" && `${t("heat.points", { n: heat.total })} `}
            {t("heat.visits", { n: heat.visits })}
          </span>
        )}
        {heat?.snapshot && (
          <Link
            to="/sessions/$id"
            params={{ id: heat.snapshot.session_id }}
            search={{ at: heat.snapshot.ts }}
            className="option heat-source"
          >
            <Icon name="play" size={10} /> {t("signal.watch")}
          </Link>
        )}
      </fieldset>
      <section className="card heat-card" aria-label={t("heat.title")}>
        {found.isError || pages.isError ? (
          <ErrorState error={(found.error ?? pages.error) as Error} retry={() => found.refetch()} />
        ) : empty || (pages.data && page === "") ? (
          <Empty icon="heatmap" title={t("heat.empty")} />
        ) : heat ? (
          <HeatStage heat={heat} layer={layer} project={project} viewport={viewport} />
        ) : (
          <Skeleton height={520} />
        )}
      </section>
    </div>
  );
}

const widths: Record<Viewport, number> = { desktop: 1280, tablet: 820, mobile: 390 };

function HeatStage(props: { heat: Heatmap; layer: Layer; project: string; viewport: Viewport }) {
  const { heat, layer, project, viewport } = props;
  const { t } = useI18n();
  const box = useRef<HTMLDivElement>(null);
  const place = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const [snapshot, setSnapshot] = useState<PageSnapshot | null>(null);
  const [shown, setShown] = useState(0);
  const session = heat.snapshot?.session_id;
  const ts = heat.snapshot?.ts;
  const title = t("player.frame");

  useEffect(() => {
    const root = place.current;
    if (!root || session === undefined || ts === undefined) return;
    let current = true;
    let made: PageSnapshot | null = null;
    showSnapshot(root, { project, session, ts }, title).then(
      (snap) => {
        made = snap;
        if (current) setSnapshot(snap);
        else snap?.destroy();
      },
      // The picture is a backdrop: without it the places still stand.
      () => current && setSnapshot(null),
    );
    return () => {
      current = false;
      setSnapshot(null);
      made?.destroy();
    };
  }, [project, session, ts, title]);

  useEffect(() => {
    const root = box.current;
    if (!root) return;
    const observer = new ResizeObserver(() => setShown(root.clientWidth));
    observer.observe(root);
    return () => observer.disconnect();
  }, []);

  const width = snapshot?.width ?? widths[viewport];
  const height = Math.max(snapshot?.height ?? 700, heightOf(heat));
  const scale = Math.min(1, shown / width) || 1;
  useEffect(() => snapshot?.scaleTo(width * scale), [snapshot, width, scale]);
  useEffect(() => {
    if (canvas.current && layer !== "scroll") draw(canvas.current, heat, width, height);
  }, [heat, layer, width, height]);

  return (
    <div ref={box} className="heat-box">
      {!heat.snapshot && <p className="heat-note">{t("heat.no_picture")}</p>}
      <div className="heat-sheet" style={{ width: width * scale, height: height * scale }}>
        <div ref={place} className="heat-place" />
        {layer === "scroll" ? <ScrollBands heat={heat} /> : <canvas ref={canvas} className="heat-canvas" />}
      </div>
    </div>
  );
}

/** How many visits saw each part of the page: darker where fewer came. */
function ScrollBands({ heat }: { heat: Heatmap }) {
  const { t } = useI18n();
  const share = (visits: number) => (heat.visits === 0 ? 0 : Math.round((100 * visits) / heat.visits));
  return (
    <div className="bands">
      {heat.scroll.slice(0, 20).map(({ depth }, i) => {
        const reached = share(heat.scroll[i + 1]?.visits ?? 0);
        return (
          <div
            key={depth}
            style={{ background: `hsl(${(reached * 2.1).toFixed(0)} 75% 48% / 34%)` }}
            data-line={i % 4 === 3}
          >
            {i % 4 === 3 && <span className="num">{t("heat.fold", { n: reached })}</span>}
          </div>
        );
      })}
    </div>
  );
}
