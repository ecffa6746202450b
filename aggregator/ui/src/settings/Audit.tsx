import { useInfiniteQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import type { AuditEntry } from "../api/client";
import { Empty } from "../components/States";
import { useI18n, useTexts } from "../i18n";
import { dateTime } from "../model/format";
import { Loaded, Part } from "./Part";
import { auditQuery } from "./queries";
import { type SettingsText, texts } from "./texts";

/** Who did what: everything, or what was done to one key, token, session or erasure. */
export function Audit({ project, subject }: { project: string; subject: string }) {
  const t = useTexts(texts);
  const { locale } = useI18n();
  const navigate = useNavigate();
  const found = useInfiniteQuery(auditQuery(project, subject));
  const about = (id: string) =>
    navigate({
      to: "/settings",
      search: (before) => ({ ...before, section: "audit" as const, subject: id || undefined }),
    });
  return (
    <Part title={t("section.audit")} hint={t("audit.hint")}>
      <form
        key={subject}
        className="make"
        onSubmit={(e) => {
          e.preventDefault();
          void about(String(new FormData(e.currentTarget).get("subject") ?? "").trim());
        }}
      >
        <input
          className="field mono"
          name="subject"
          aria-label={t("audit.subject")}
          placeholder={t("audit.subject")}
          defaultValue={subject}
          maxLength={256}
        />
        <button type="submit" className="button">
          {t("audit.filter")}
        </button>
        {subject && (
          <button type="button" className="button plain" onClick={() => about("")}>
            {t("audit.clear")}
          </button>
        )}
      </form>
      <Loaded query={found}>
        {({ pages }) => {
          const entries = pages.flatMap((page) => page.entries);
          if (entries.length === 0)
            return (
              <Empty
                title={subject ? t("audit.empty.subject", { id: subject }) : t("audit.empty")}
                icon="docs"
              />
            );
          return (
            <>
              <table className="audit">
                <thead>
                  <tr>
                    {(["when", "actor", "action", "about"] as const).map((column) => (
                      <th key={column} scope="col">
                        {t(`audit.${column}`)}
                      </th>
                    ))}
                  </tr>
                </thead>
                <tbody>
                  {entries.map((entry, i) => (
                    // biome-ignore lint/suspicious/noArrayIndexKey: entries have no id, and only ever follow each other
                    <tr key={i}>
                      <td className="num">{dateTime(entry.at, locale)}</td>
                      <td>{entry.actor}</td>
                      <td>{actionOf(entry, t)}</td>
                      <td>
                        <Subject entry={entry} />
                      </td>
                    </tr>
                  ))}
                </tbody>
              </table>
              {found.hasNextPage && (
                <div className="more">
                  <button
                    type="button"
                    className="button"
                    disabled={found.isFetchingNextPage}
                    onClick={() => found.fetchNextPage()}
                  >
                    {t("audit.more")}
                  </button>
                </div>
              )}
            </>
          );
        }}
      </Loaded>
    </Part>
  );
}

/** What a later version writes down has no text here, and stands as it is. */
function actionOf({ action }: AuditEntry, t: (key: SettingsText) => string): string {
  const key = `action.${action}`;
  return key in texts.en ? t(key as SettingsText) : action;
}

/** What was done to, as a way there: a visit that was read, or the rest of its own history. */
function Subject({ entry: { action, subject } }: { entry: AuditEntry }) {
  if (action === "project.change") return <code className="mono">{subject}</code>;
  const kept = ({ project }: { project?: string }) => (project ? { project } : {});
  return action === "replay.read" ? (
    <Link to="/sessions/$id" params={{ id: subject }} search={kept} className="link mono">
      {subject}
    </Link>
  ) : (
    <Link
      to="/settings"
      search={(before: { project?: string }) => ({ ...kept(before), section: "audit" as const, subject })}
      className="link mono"
    >
      {subject}
    </Link>
  );
}
