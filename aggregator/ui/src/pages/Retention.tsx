import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import type { Cohort } from "../api/client";
import { retentionQuery } from "../api/queries";
import { useNow } from "../components/clock";
import { useProject } from "../components/project";
import { Empty, ErrorState, Skeleton } from "../components/States";
import { useI18n } from "../i18n";
import "../styles/retention.css";

const week = 604_800_000;
const weeks = 12;

/** Users by the week of their first visit, and how many of them came in each week after it. */
export function RetentionPage() {
  const { t } = useI18n();
  const project = useProject();
  const now = useNow(300_000);
  const period = useMemo(() => ({ from: Math.floor(now / 60_000) * 60_000 - weeks * week, to: now }), [now]);
  const found = useQuery(retentionQuery(project, period));
  const cohorts = found.data?.cohorts;
  return (
    <div className="page">
      <div className="page-head">
        <h1>{t("retention.title")}</h1>
        <span className="dim">{t("retention.hint")}</span>
      </div>
      <section className="card retention" aria-label={t("retention.title")}>
        {found.isError ? (
          <ErrorState error={found.error} retry={() => found.refetch()} />
        ) : !cohorts ? (
          <Skeleton height={320} />
        ) : cohorts.length === 0 ? (
          <Empty icon="retention" title={t("retention.empty")} hint={t("retention.empty.hint")} />
        ) : (
          <Cohorts cohorts={cohorts} />
        )}
      </section>
    </div>
  );
}

function Cohorts({ cohorts }: { cohorts: Cohort[] }) {
  const { t, locale } = useI18n();
  const columns = Math.max(...cohorts.map((c) => c.weeks.length));
  const day = new Intl.DateTimeFormat(locale, { day: "numeric", month: "short", timeZone: "UTC" });
  return (
    <table>
      <thead>
        <tr>
          <th scope="col">{t("retention.week")}</th>
          <th scope="col">{t("retention.users")}</th>
          {Array.from({ length: columns }, (_, i) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: a week is its place
            <th key={i} scope="col" className="num">
              {i === 0 ? t("retention.first") : `+${i}`}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {cohorts.map((cohort) => (
          <tr key={cohort.week}>
            <th scope="row">{day.format(cohort.week)}</th>
            <td className="num">{cohort.users.toLocaleString(locale)}</td>
            {cohort.weeks.map((users, i) => {
              const share = cohort.users > 0 ? users / cohort.users : 0;
              return (
                <td
                  // biome-ignore lint/suspicious/noArrayIndexKey: a week is its place
                  key={i}
                  className="num heat"
                  style={{ "--share": `${Math.round(share * 100)}%` }}
                  data-strong={share > 0.55}
                  title={t("retention.cell", { n: users, m: cohort.users })}
                >
                  {Math.round(share * 100)} %
                </td>
              );
            })}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
