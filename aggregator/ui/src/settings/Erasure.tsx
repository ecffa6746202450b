import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { client, type Erasure, unwrap } from "../api/client";
import { Icon } from "../components/Icon";
import { Empty } from "../components/States";
import { useI18n, useTexts } from "../i18n";
import { ago, dateTime, span } from "../model/format";
import { Confirm } from "./Dialog";
import { Loaded, Part } from "./Part";
import { erasuresQuery } from "./queries";
import { texts } from "./texts";

const kinds = ["user", "session"] as const;
type Kind = (typeof kinds)[number];

/** Forgets people: all that is known of a user or of a session, and how far that is. */
export function Erasures({ project }: { project: string }) {
  const t = useTexts(texts);
  const queries = useQueryClient();
  const found = useQuery(erasuresQuery(project));
  const [kind, setKind] = useState<Kind>("user");
  const [typed, setTyped] = useState("");
  const [asked, setAsked] = useState(false);
  const id = typed.trim();
  const person = new URLSearchParams({ project, [kind]: id });
  return (
    <Part title={t("section.erasure")} hint={t("erasure.hint")}>
      <form
        className="make"
        onSubmit={(e) => {
          e.preventDefault();
          setAsked(true);
        }}
      >
        <select
          className="field"
          aria-label={t("erasure.who")}
          value={kind}
          onChange={(e) => setKind(e.target.value as Kind)}
        >
          {kinds.map((one) => (
            <option key={one} value={one}>
              {t(`erasure.${one}`)}
            </option>
          ))}
        </select>
        <input
          className="field mono"
          aria-label={t(`erasure.id.${kind}`)}
          placeholder={t(`erasure.id.${kind}`)}
          value={typed}
          maxLength={kind === "user" ? 256 : 128}
          required
          onChange={(e) => setTyped(e.target.value)}
        />
        {id !== "" && (
          <a className="button" href={`/api/v1/person?${person}`} download>
            <Icon name="download" size={14} /> {t("erasure.export")}
          </a>
        )}
        <button type="submit" className="button" data-danger="true" disabled={id === ""}>
          <Icon name="trash" size={14} /> {t("erasure.erase")}
        </button>
      </form>
      <Loaded query={found}>
        {({ erasures }) =>
          erasures.length === 0 ? (
            <Empty icon="trash" title={t("erasure.empty")} />
          ) : (
            <ul className="erasures" aria-label={t("erasure.list")}>
              {erasures
                .toSorted((a, b) => b.requested_at - a.requested_at)
                .map((erasure) => (
                  <ErasureRow key={erasure.id} erasure={erasure} />
                ))}
            </ul>
          )
        }
      </Loaded>
      {asked && (
        <Confirm
          title={t(`erasure.confirm.${kind}`, { id })}
          hint={t("erasure.confirm.hint")}
          act={t("erasure.do")}
          danger
          closed={() => setAsked(false)}
          run={async () => {
            const params = { query: { project } };
            await unwrap(client.POST("/api/v1/erasures", { params, body: { [kind]: id } }));
            setTyped("");
            await queries.invalidateQueries({ queryKey: erasuresQuery(project).queryKey });
          }}
        />
      )}
    </Part>
  );
}

/** How far one erasure is, and what it removed. Once it is complete nobody's name is in it any more. */
function ErasureRow({ erasure }: { erasure: Erasure }) {
  const t = useTexts(texts);
  const { locale } = useI18n();
  const { id, user, sessions, requested_at: asked, completed_at: end = 0, until } = erasure;
  const rows = Object.entries(erasure.removed ?? {}).filter(([, n]) => n > 0);
  const reached = { blocked: true, removed: end > 0 || rows.length > 0, completed: end > 0 };
  const who = user
    ? t("erasure.of", { kind: t("erasure.user"), id: user })
    : t("erasure.of", { kind: t("erasure.session"), id: sessions?.[0] ?? "" });
  return (
    <li className="erasure" data-id={id} data-complete={end > 0}>
      <div className="erasure-head">
        <b className="cut">{end > 0 ? t("erasure.done") : who}</b>
        <span className="dim" title={dateTime(asked, locale)}>
          {t("erasure.asked", { when: ago(asked, Date.now(), locale) })}
        </span>
        <span className="chip" data-state={end > 0 ? "well" : "behind"} role="status">
          {end > 0 ? t("erasure.took", { span: span(end - asked) }) : t("erasure.working")}
        </span>
      </div>
      <ol className="steps">
        {(["blocked", "removed", "completed"] as const).map((step) => (
          <li key={step} data-reached={reached[step]}>
            <Icon name={reached[step] ? "check" : "restart"} size={12} /> {t(`erasure.step.${step}`)}
          </li>
        ))}
      </ol>
      <div className="erasure-foot dim">
        {rows.map(([table, n]) => (
          <span key={table} className="chip num">
            {t("erasure.rows", { table, n })}
          </span>
        ))}
        <span title={dateTime(until, locale)}>
          {t("erasure.until", { when: new Date(until).toLocaleDateString(locale, { dateStyle: "medium" }) })}
        </span>
        <Link
          to="/settings"
          search={({ project }: { project?: string }) => ({
            ...(project ? { project } : {}),
            section: "audit" as const,
            subject: id,
          })}
          className="link"
        >
          {t("erasure.audit")}
        </Link>
      </div>
    </li>
  );
}
