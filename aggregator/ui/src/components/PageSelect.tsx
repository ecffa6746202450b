import { useI18n } from "../i18n";
import { path } from "../model/format";

/** The choice of one page among those that were visited, the most visited first. */
export function PageSelect(props: {
  page: string;
  pages: { url: string; sessions: number }[] | undefined;
  choose: (page: string) => void;
}) {
  const { page, pages, choose } = props;
  const { t, locale } = useI18n();
  return (
    <select
      className="field page-select"
      aria-label={t("heat.page")}
      value={page}
      onChange={(e) => choose(e.target.value)}
    >
      {page !== "" && !pages?.some((p) => p.url === page) && <option value={page}>{path(page)}</option>}
      {pages?.map((p) => (
        <option key={p.url} value={p.url}>
          {path(p.url)} ({p.sessions.toLocaleString(locale)})
        </option>
      ))}
    </select>
  );
}
