import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { type SankeyGraph, sankey, sankeyLinkHorizontal } from "d3-sankey";
import { useEffect, useMemo, useRef, useState } from "react";
import { pagesQuery, pathsQuery } from "../api/queries";
import { Icon } from "../components/Icon";
import { PageSelect } from "../components/PageSelect";
import { RangeSelect, usePeriod } from "../components/Period";
import { useProject } from "../components/project";
import { Empty, ErrorState, Skeleton } from "../components/States";
import { useI18n } from "../i18n";
import { type Flow, type FlowNode, flow } from "../model/flow";
import { path } from "../model/format";
import "../styles/paths.css";

const route = getRouteApi("/paths");
const steps = 3;

/** Where visits went from a page, or came to it from, step by step. */
export function PathsPage() {
  const { t } = useI18n();
  const project = useProject();
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const range = search.range ?? "7d";
  const period = usePeriod(range);
  const pages = useQuery(pagesQuery(project, period));
  const page = search.page ?? pages.data?.pages[0]?.url ?? "";
  const direction = search.direction ?? "from";
  const found = useQuery(pathsQuery(project, { ...period, page, direction, steps }));
  const drawn = useMemo(
    () => (found.data ? flow(found.data.links, page, direction) : null),
    [found.data, page, direction],
  );
  const set = (next: Partial<typeof search>) =>
    navigate({ search: (before) => ({ ...before, ...next }), replace: true, resetScroll: false });

  return (
    <div className="page">
      <div className="page-head">
        <h1>{t("paths.title")}</h1>
        <PageSelect page={page} pages={pages.data?.pages} choose={(next) => set({ page: next })} />
        <fieldset className="kindbar flow-direction">
          <legend className="unseen">{t("paths.direction")}</legend>
          {(["from", "to"] as const).map((name) => (
            <button
              key={name}
              type="button"
              className="option"
              aria-pressed={direction === name}
              onClick={() => set({ direction: name === "to" ? "to" : undefined })}
            >
              {t(`paths.${name}`)}
            </button>
          ))}
        </fieldset>
        <span className="fill" />
        {page && (
          <Link to="/sessions" search={{ page: path(page), range }} className="button">
            <Icon name="sessions" size={13} /> {t("insights.show_sessions")}
          </Link>
        )}
        <RangeSelect range={range} choose={(next) => set({ range: next })} />
      </div>
      <section className="card flow-card" aria-label={t("paths.title")}>
        {found.isError || pages.isError ? (
          <ErrorState error={(found.error ?? pages.error) as Error} retry={() => found.refetch()} />
        ) : (pages.data && page === "") || (drawn && drawn.links.length === 0) ? (
          <Empty icon="paths" title={t("paths.empty")} hint={t("paths.empty.hint")} />
        ) : drawn ? (
          <Diagram drawn={drawn} direction={direction} choose={(next) => set({ page: next })} />
        ) : (
          <Skeleton height={420} />
        )}
      </section>
    </div>
  );
}

function Diagram(props: { drawn: Flow; direction: "from" | "to"; choose: (page: string) => void }) {
  const { drawn, direction, choose } = props;
  const { t, locale } = useI18n();
  const box = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  useEffect(() => {
    if (!box.current) return;
    const observer = new ResizeObserver(([entry]) => setWidth(Math.max(560, entry?.contentRect.width ?? 0)));
    observer.observe(box.current);
    return () => observer.disconnect();
  }, []);
  const columns = 1 + Math.max(...drawn.nodes.map((n) => n.step));
  const height = 440;
  const laid = useMemo(
    () => (width > 0 ? layOut(drawn, direction, width, height) : null),
    [drawn, direction, width],
  );
  const name = (node: FlowNode) =>
    node.other
      ? t("paths.other")
      : node.page
        ? path(node.page)
        : t(direction === "from" ? "paths.left" : "paths.began");
  const draw = sankeyLinkHorizontal();
  return (
    <div ref={box} className="flow-box">
      {laid && (
        <svg width={width} height={height} role="img" aria-label={t("paths.title")}>
          {laid.links.map((link) => (
            <path
              key={`${link.source.id}>${link.target.id}`}
              className="flow-link"
              d={draw(link) ?? ""}
              strokeWidth={Math.max(1, link.width ?? 1)}
            >
              <title>{`${name(link.source)} → ${name(link.target)}: ${link.value.toLocaleString(locale)}`}</title>
            </path>
          ))}
          {laid.nodes.map((node) => (
            <rect
              key={node.id}
              className="flow-node"
              data-end={node.page === "" && !node.other}
              x={node.x0}
              y={node.y0}
              width={(node.x1 ?? 0) - (node.x0 ?? 0)}
              height={Math.max(2, (node.y1 ?? 0) - (node.y0 ?? 0))}
              rx={3}
            />
          ))}
        </svg>
      )}
      {laid?.nodes.map((node) => {
        const last = (node.x0 ?? 0) > width - 40;
        const style = {
          top: ((node.y0 ?? 0) + (node.y1 ?? 0)) / 2,
          maxWidth: width / columns - 24,
          ...(last ? { right: width - (node.x0 ?? 0) + 6 } : { left: (node.x1 ?? 0) + 6 }),
        };
        const text = (
          <>
            <span className="cut">{name(node)}</span>{" "}
            <b className="num">{(node.value ?? 0).toLocaleString(locale)}</b>
          </>
        );
        return node.page && node.step > 0 ? (
          <button
            key={node.id}
            type="button"
            className="flow-name"
            data-step={node.step}
            style={style}
            title={t("paths.go_on", { page: path(node.page) })}
            onClick={() => choose(node.page)}
          >
            {text}
          </button>
        ) : (
          <span key={node.id} className="flow-name" data-step={node.step} style={style}>
            {text}
          </span>
        );
      })}
    </div>
  );
}

type Laid = SankeyGraph<FlowNode, { source: string; target: string; value: number }>;

function layOut(drawn: Flow, direction: "from" | "to", width: number, height: number) {
  const last = Math.max(...drawn.nodes.map((n) => n.step));
  const graph: Laid = {
    nodes: drawn.nodes.map((n) => ({ ...n })),
    links: drawn.links.map((l) => ({ ...l })),
  };
  const laid = sankey<FlowNode, { source: string; target: string; value: number }>()
    .nodeId((n) => n.id)
    // A column is a step, also where a visit ended early.
    .nodeAlign((n) => (direction === "from" ? n.step : last - n.step))
    .nodeWidth(10)
    .nodePadding(18)
    .extent([
      [0, 8],
      [width, height - 8],
    ])(graph);
  // Laid out, links name their nodes themselves.
  type Placed = (typeof laid.nodes)[number];
  return {
    nodes: laid.nodes,
    links: laid.links.map((l) => ({ ...l, source: l.source as Placed, target: l.target as Placed })),
  };
}
