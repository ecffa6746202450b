import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { useMemo } from "react";
import type { Insights, KindSeries } from "../api/client";
import { annotationsQuery, insightsQuery } from "../api/queries";
import { Annotations } from "../components/Annotations";
import { Icon } from "../components/Icon";
import { RangeSelect, usePeriod } from "../components/Period";
import { useProject } from "../components/project";
import { KindChip, KindIcon, useKindName } from "../components/Signals";
import { Sparkline } from "../components/Sparkline";
import { StackChart } from "../components/StackChart";
import { Busy, Empty, ErrorState, Skeleton } from "../components/States";
import { useI18n } from "../i18n";
import { type Range, toggle } from "../model/filters";
import { compactCount, path } from "../model/format";
import { autoBucket, change, stack } from "../model/series";
import { byGravity, kindColor } from "../model/signals";
import "../styles/cards.css";
import "../styles/insights.css";

const route = getRouteApi("/insights");
const buckets = [60_000, 300_000, 3_600_000, 21_600_000, 86_400_000] as const;

/** Signals summed up: when, on which pages, on which elements, with a visit to watch for each. */
export function InsightsPage() {
  const { t, locale } = useI18n();
  const project = useProject();
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const kindName = useKindName();
  const range: Range = search.range ?? "7d";
  const period = usePeriod(range, 60_000);

  const params = useMemo(() => {
    const { from, to } = period;
    const wanted = search.bucket ?? autoBucket(to - from);
    // A chart of more bars than pixels is refused by the API: the next coarser width that fits.
    const bucket_ms = [wanted, ...buckets].find((b) => b >= wanted && (to - from) / b <= 1000) ?? 86_400_000;
    return { from, to, bucket_ms, kind: search.kind, page: search.page };
  }, [period, search.bucket, search.kind, search.page]);
  const found = useQuery(insightsQuery(project, params));
  // The cards choose kinds, so they show all of them whatever is chosen.
  const everything = useQuery(insightsQuery(project, { ...params, kind: undefined }));
  const notes = useQuery(annotationsQuery(project, period));
  const marked = useMemo(() => notes.data?.annotations ?? [], [notes.data]);
  const data = found.data;
  const stacked = useMemo(
    () => (data ? stack(data.series, data.from, data.to, data.bucket_ms) : null),
    [data],
  );
  const set = (next: Partial<typeof search>) =>
    navigate({ search: (before) => ({ ...before, ...next }), replace: true, resetScroll: false });

  return (
    <div className="page">
      <div className="page-head">
        <h1>{t("insights.title")}</h1>
        <span className="fill" />
        {search.page && (
          <button
            type="button"
            className="option"
            aria-label={t("filter.remove", { name: search.page })}
            onClick={() => set({ page: undefined })}
          >
            {path(search.page)} <Icon name="close" size={10} />
          </button>
        )}
        <select
          className="field"
          aria-label={t("insights.bucket")}
          value={search.bucket ?? ""}
          onChange={(e) => set({ bucket: Number(e.target.value) || undefined })}
        >
          <option value="">{t("bucket.auto")}</option>
          {buckets.map((b) => (
            <option key={b} value={b}>
              {t(`bucket.${b}`)}
            </option>
          ))}
        </select>
        <RangeSelect range={range} choose={(next) => set({ range: next })} />
      </div>

      {found.isError ? (
        <div className="card">
          <ErrorState error={found.error} retry={() => found.refetch()} />
        </div>
      ) : !data || !stacked ? (
        <Loading />
      ) : (
        <>
          <Cards
            all={everything.data ?? data}
            chosen={search.kind}
            choose={(kind) => set({ kind: toggle(search.kind, kind) })}
          />
          {stacked.kinds.length === 0 ? (
            <div className="card">
              <Empty title={t("insights.empty")} hint={t("insights.empty.hint")} />
            </div>
          ) : (
            <>
              <section className="card chart-card">
                <div className="card-head">
                  <h2>{t("insights.over_time")}</h2>
                  <div className="legend">
                    {stacked.kinds.map((kind) => (
                      <span key={kind} style={{ color: kindColor(kind) }}>
                        <KindIcon kind={kind} size={12} /> <span>{kindName(kind)}</span>
                      </span>
                    ))}
                  </div>
                </div>
                <Annotations annotations={marked} />
                <StackChart
                  data={stacked}
                  bucket={data.bucket_ms}
                  label={t("insights.over_time")}
                  marked={marked}
                />
              </section>
              <div className="insights-grid">
                <Pages data={data} locale={locale} choose={(page) => set({ page })} />
                <Elements data={data} />
              </div>
            </>
          )}
        </>
      )}
    </div>
  );
}

function Loading() {
  return (
    <>
      <Busy />
      <div className="kind-cards">
        {Array.from({ length: 5 }, (_, i) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: five equal cards
          <div key={i} className="card kind-card">
            <Skeleton width="60%" />
            <Skeleton width="40%" height={26} />
            <Skeleton height={24} />
          </div>
        ))}
      </div>
      <div className="card chart-card">
        <Skeleton height={280} />
      </div>
    </>
  );
}

function Cards(props: { all: Insights; chosen: string[] | undefined; choose: (kind: string) => void }) {
  const { all, chosen, choose } = props;
  const { t, locale } = useI18n();
  const share = all.visits > 0 ? Math.round((100 * all.affected) / all.visits) : 0;
  const series = [...all.series].sort((a, b) => byGravity(a.kind, b.kind));
  return (
    <div className="kind-cards">
      <div className="card kind-card affected">
        <span className="name">{t("insights.affected")}</span>
        <strong className="num">{share} %</strong>
        <small className="dim num">{t("insights.of", { n: all.affected, m: all.visits })}</small>
        <span className="meter" aria-hidden="true">
          <span style={{ width: `${share}%` }} />
        </span>
      </div>
      {series.map((s) => (
        <KindCard
          key={s.kind}
          series={s}
          all={all}
          on={chosen?.includes(s.kind) ?? false}
          choose={choose}
          locale={locale}
        />
      ))}
    </div>
  );
}

function KindCard(props: {
  series: KindSeries;
  all: Insights;
  on: boolean;
  choose: (kind: string) => void;
  locale: "en" | "vi";
}) {
  const { series: s, all } = props;
  const { t } = useI18n();
  const name = useKindName()(s.kind);
  const delta = change(s.total, s.previous);
  const values = useMemo(() => stack([s], all.from, all.to, all.bucket_ms).counts[0] ?? [], [s, all]);
  return (
    <button
      type="button"
      className="card kind-card"
      aria-pressed={props.on}
      style={{ "--c": kindColor(s.kind) }}
      onClick={() => props.choose(s.kind)}
    >
      <span className="name">
        <KindIcon kind={s.kind} size={14} /> {name}
      </span>
      <strong className="num">{compactCount(s.total, props.locale)}</strong>
      <small
        className="num"
        data-trend={delta === null ? undefined : delta > 0 ? "worse" : "better"}
        title={t("insights.previous")}
      >
        {delta === null
          ? s.total > 0
            ? t("insights.new")
            : "–"
          : `${delta > 0 ? "▲" : delta < 0 ? "▼" : ""} ${Math.abs(delta)} %`}
        <span className="unseen">{t("insights.previous")}</span>
      </small>
      <Sparkline values={values} color="var(--c)" />
    </button>
  );
}

function Pages({ data, choose }: { data: Insights; locale: string; choose: (page: string) => void }) {
  const { t, locale } = useI18n();
  const rows = useMemo(() => {
    const byPage = new Map<
      string,
      { url: string; total: number; visits: number; kinds: { kind: string; count: number }[] }
    >();
    for (const { url, kind, count, sessions } of data.pages) {
      const row = byPage.get(url) ?? { url, total: 0, visits: 0, kinds: [] };
      row.total += count;
      row.visits = Math.max(row.visits, sessions);
      row.kinds.push({ kind, count });
      byPage.set(url, row);
    }
    return [...byPage.values()].sort((a, b) => b.total - a.total).slice(0, 14);
  }, [data.pages]);
  const top = Math.max(1, ...rows.map((row) => row.total));
  return (
    <section className="card">
      <div className="card-head">
        <h2>{t("insights.pages")}</h2>
      </div>
      <ul className="bars">
        {rows.map((row) => (
          <li key={row.url}>
            <button type="button" onClick={() => choose(row.url)} title={row.url}>
              <span className="cut">{path(row.url)}</span>
              <span className="num">{row.total.toLocaleString(locale)}</span>
              <span className="bar" aria-hidden="true">
                {row.kinds
                  .toSorted((a, b) => byGravity(a.kind, b.kind))
                  .map(({ kind, count }) => (
                    <span
                      key={kind}
                      style={{ width: `${(100 * count) / top}%`, background: kindColor(kind) }}
                    />
                  ))}
              </span>
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Elements({ data }: { data: Insights }) {
  const { t, locale } = useI18n();
  const top = Math.max(1, ...data.elements.map((e) => e.count));
  return (
    <section className="card elements">
      <div className="card-head">
        <h2>{t("insights.elements")}</h2>
      </div>
      <table>
        <thead>
          <tr>
            <th>{t("insights.element")}</th>
            <th>{t("insights.signals")}</th>
            <th className="end">{t("insights.visits")}</th>
            <th>
              <span className="unseen">{t("insights.example")}</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {data.elements.slice(0, 20).map((e) => (
            <tr key={`${e.kind} ${e.url} ${e.selector}`}>
              <td>
                <span className="cut name">{e.text || e.selector}</span>
                <small className="cut dim">
                  {e.text && <code className="mono">{e.selector}</code>} {path(e.url)}
                </small>
              </td>
              <td>
                <KindChip kind={e.kind} />
                <span className="count-bar">
                  <span
                    style={{ width: `${(100 * e.count) / top}%`, background: kindColor(e.kind) }}
                    aria-hidden="true"
                  />
                  <span className="num">{e.count.toLocaleString(locale)}</span>
                </span>
              </td>
              <td className="num end">
                <Link
                  to="/sessions"
                  search={{ kind: [e.kind], page: e.url }}
                  className="visits-link"
                  title={t("insights.show_sessions")}
                >
                  {e.sessions.toLocaleString(locale)}
                </Link>
              </td>
              <td className="end">
                <Link
                  to="/sessions/$id"
                  params={{ id: e.example.session_id }}
                  search={{ at: e.example.ts }}
                  className="button watch"
                >
                  <Icon name="play" size={11} /> {t("signal.watch")}
                </Link>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
