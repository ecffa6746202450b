import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { useEffect, useMemo, useState } from "react";
import { funnelQuery } from "../api/queries";
import { useSettled } from "../components/clock";
import { Icon } from "../components/Icon";
import { RangeSelect, usePeriod } from "../components/Period";
import { useProject } from "../components/project";
import { Empty, ErrorState, Skeleton } from "../components/States";
import { useI18n } from "../i18n";
import type { Range } from "../model/filters";
import { shortId } from "../model/format";
import "../styles/funnels.css";

const route = getRouteApi("/funnels");
const kinds = ["page", "click", "event"] as const;
type StepKind = (typeof kinds)[number];
const windows = [600_000, 3_600_000, 86_400_000, 604_800_000] as const;

interface Step {
  kind: StepKind;
  match: string;
}

const parse = (step: string): Step => {
  const at = step.indexOf(":");
  return { kind: kinds.find((k) => k === step.slice(0, at)) ?? "page", match: step.slice(at + 1) };
};
const format = (step: Step): string => `${step.kind}:${step.match}`;

/** Ordered steps, how many visits took each, and who left where. */
export function FunnelsPage() {
  const { t, locale } = useI18n();
  const project = useProject();
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const range: Range = search.range ?? "7d";
  const window = windows.find((w) => w === search.window) ?? 3_600_000;
  const [steps, setSteps] = useState<Step[]>(() => {
    const given = (search.step ?? []).map(parse);
    return given.length > 0
      ? given
      : [
          { kind: "page", match: "" },
          { kind: "page", match: "" },
        ];
  });
  const settled = useSettled(steps, 400);
  const ready = useMemo(() => settled.filter((s) => s.match.trim() !== "").map(format), [settled]);
  useEffect(() => {
    void navigate({
      search: (before) => ({ ...before, step: ready.length > 0 ? ready : undefined }),
      replace: true,
      resetScroll: false,
    });
  }, [ready, navigate]);

  const period = usePeriod(range);
  const found = useQuery(funnelQuery(project, { ...period, window_ms: window, step: ready }));
  const levels = ready.length >= 2 ? found.data?.levels : undefined;
  const first = levels?.[0]?.sessions ?? 0;
  const last = levels?.at(-1)?.sessions ?? 0;
  const change = (i: number, next: Partial<Step>) =>
    setSteps((before) => before.map((s, j) => (i === j ? { ...s, ...next } : s)));

  return (
    <div className="page">
      <div className="page-head">
        <h1>{t("funnel.title")}</h1>
        {levels && first > 0 && (
          <span className="chip num" style={{ "--c": "var(--accent)" }}>
            {t("funnel.conversion", { p: Math.round((100 * last) / first) })}
          </span>
        )}
        <span className="fill" />
        <label className="dim">
          {t("funnel.window")}{" "}
          <select
            className="field"
            value={window}
            onChange={(e) =>
              navigate({ search: (before) => ({ ...before, window: Number(e.target.value) }), replace: true })
            }
          >
            {windows.map((w) => (
              <option key={w} value={w}>
                {t(`funnel.window.${w}`)}
              </option>
            ))}
          </select>
        </label>
        <RangeSelect
          range={range}
          choose={(next) => navigate({ search: (before) => ({ ...before, range: next }), replace: true })}
        />
      </div>
      <div className="funnel">
        <ol className="card steps">
          {steps.map((step, i) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: a step is its place
            <li key={i}>
              <span className="step-number num" aria-hidden="true">
                {i + 1}
              </span>
              <select
                className="field"
                aria-label={t("funnel.step", { n: i + 1 })}
                value={step.kind}
                onChange={(e) => change(i, { kind: kinds.find((k) => k === e.target.value) ?? "page" })}
              >
                {kinds.map((kind) => (
                  <option key={kind} value={kind}>
                    {t(`funnel.kind.${kind}`)}
                  </option>
                ))}
              </select>
              <input
                className="field"
                aria-label={t(`funnel.kind.${step.kind}`)}
                value={step.match}
                maxLength={256}
                placeholder={{ page: "/checkout", click: "#pay", event: "order_placed" }[step.kind]}
                onChange={(e) => change(i, { match: e.target.value })}
              />
              <button
                type="button"
                className="button plain icon"
                aria-label={t("funnel.remove", { n: i + 1 })}
                disabled={steps.length <= 2}
                onClick={() => setSteps((before) => before.filter((_, j) => j !== i))}
              >
                <Icon name="close" size={12} />
              </button>
            </li>
          ))}
          <li>
            <button
              type="button"
              className="button"
              disabled={steps.length >= 8}
              onClick={() => setSteps((before) => [...before, { kind: "page", match: "" }])}
            >
              <Icon name="plus" size={12} /> {t("funnel.add")}
            </button>
          </li>
        </ol>
        <section className="card levels" aria-label={t("funnel.title")}>
          {found.isError ? (
            <ErrorState error={found.error} retry={() => found.refetch()} />
          ) : ready.length < 2 ? (
            <Empty icon="funnel" title={t("funnel.title")} hint={t("funnel.hint")} />
          ) : !levels ? (
            <Skeleton height={260} />
          ) : (
            <ol>
              {levels.map((level, i) => {
                const share = first > 0 ? level.sessions / first : 0;
                const left = level.sessions - (levels[i + 1]?.sessions ?? level.sessions);
                return (
                  // biome-ignore lint/suspicious/noArrayIndexKey: a level is its place
                  <li key={i} className="level">
                    <div className="level-head">
                      <b className="cut">{ready[i]?.replace(/^\w+:/, "")}</b>
                      <span className="num">
                        {level.sessions.toLocaleString(locale)}{" "}
                        <span className="dim">· {Math.round(share * 100)} %</span>
                      </span>
                    </div>
                    <div className="level-bar">
                      <span style={{ width: `${share * 100}%` }} />
                    </div>
                    {left > 0 && (
                      <div className="level-left">
                        <span className="num">▼ {t("funnel.dropped", { n: left })}</span>
                        {level.dropped.map((id) => (
                          <Link
                            key={id}
                            to="/sessions/$id"
                            params={{ id }}
                            className="option"
                            title={t("funnel.watch_dropped")}
                          >
                            <Icon name="play" size={10} /> {shortId(id)}
                          </Link>
                        ))}
                      </div>
                    )}
                  </li>
                );
              })}
            </ol>
          )}
        </section>
      </div>
    </div>
  );
}
