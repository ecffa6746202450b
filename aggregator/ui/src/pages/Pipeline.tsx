import { useQuery } from "@tanstack/react-query";
import { type ReactNode, useMemo } from "react";
import type { AgentFlow, Member, TableSize } from "../api/client";
import { fleetQuery } from "../api/queries";
import { Sparkline } from "../components/Sparkline";
import { Empty, ErrorState, Skeleton } from "../components/States";
import { useI18n } from "../i18n";
import type { TextKey } from "../i18n/en";
import { total } from "../model/fleet";
import { ago, bytes, compactCount, span } from "../model/format";
import "../styles/cards.css";
import "../styles/pipeline.css";

/** The health of the way from agents to rows on one page: who is there, what flows, what waits, what was refused. */
export function PipelinePage() {
  const { t } = useI18n();
  const found = useQuery(fleetQuery);
  const fleet = found.data;
  return (
    <div className="page">
      <div className="page-head">
        <h1>{t("pipeline.title")}</h1>
        {fleet && fleet.members.length > 0 && <Verdict members={fleet.members} />}
      </div>
      {found.isError ? (
        <div className="card">
          <ErrorState error={found.error} retry={() => found.refetch()} />
        </div>
      ) : !fleet ? (
        <Skeleton height={420} />
      ) : fleet.members.length === 0 && fleet.agents.length === 0 ? (
        <div className="card">
          <Empty icon="pipeline" title={t("pipeline.empty")} hint={t("pipeline.empty.hint")} />
        </div>
      ) : (
        <>
          <Flow members={fleet.members} />
          <Agents agents={fleet.agents} at={fleet.at} />
          <Members members={fleet.members} at={fleet.at} />
          <div className="pipeline-pair">
            <Refusals members={fleet.members} />
            <Tables tables={fleet.tables} />
          </div>
        </>
      )}
    </div>
  );
}

function Verdict({ members }: { members: Member[] }) {
  const { t } = useI18n();
  const down = members.filter((m) => !m.up).length;
  const waiting = total(members, "queue_oldest_seconds", Math.max) > 60;
  const state = down > 0 ? "down" : waiting ? "behind" : "well";
  return (
    <span className="chip" data-state={state} role="status">
      {t(`pipeline.${state}`, { n: down })}
    </span>
  );
}

const figures = [
  ["accepted_events_per_second", "pipeline.accepted"],
  ["processed_events_per_second", "pipeline.processed"],
  ["inserted_rows_per_second", "pipeline.inserted"],
  ["refused_per_second", "pipeline.refused"],
  ["queue_bytes", "pipeline.queue"],
  ["lag_records", "pipeline.lag"],
] as const satisfies [keyof Member["figures"], TextKey][];

/** What flows and what waits, over the last minutes. */
function Flow({ members }: { members: Member[] }) {
  const { t, locale } = useI18n();
  const series = useMemo(
    () =>
      figures.map(([figure, name]) => {
        const length = Math.max(0, ...members.map((m) => m.history.length));
        const values = Array.from({ length }, (_, i) =>
          members.reduce((sum, m) => {
            const of = m.history[m.history.length - length + i]?.[figure];
            return sum + (typeof of === "number" ? of : 0);
          }, 0),
        );
        return { figure, name, now: total(members, figure), values };
      }),
    [members],
  );
  return (
    <div className="kind-cards">
      {series.map(({ figure, name, now, values }) => (
        <div key={figure} className="card kind-card" data-figure={figure}>
          <span className="name">{t(name)}</span>
          <strong className="num">
            {figure === "queue_bytes" ? bytes(now, locale) : compactCount(now, locale)}
          </strong>
          <small className="dim">{figure.endsWith("_per_second") ? t("pipeline.per_second") : ""}</small>
          <Sparkline
            values={values}
            color={figure === "refused_per_second" ? "var(--live)" : "var(--accent)"}
          />
        </div>
      ))}
    </div>
  );
}

function Section(props: { title: string; head: TextKey[]; children: ReactNode }) {
  const { t } = useI18n();
  return (
    <section className="card pipeline-table">
      <div className="card-head">
        <h2>{props.title}</h2>
      </div>
      <div className="scroll">
        <table>
          <thead>
            <tr>
              {props.head.map((key) => (
                <th key={key} scope="col">
                  {t(key)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>{props.children}</tbody>
        </table>
      </div>
    </section>
  );
}

function Agents({ agents, at }: { agents: AgentFlow[]; at: number }) {
  const { t, locale } = useI18n();
  return (
    <Section
      title={t("pipeline.agents")}
      head={["pipeline.agent", "pipeline.region", "pipeline.rate", "pipeline.delay", "pipeline.last"]}
    >
      {agents.map((agent) => (
        <tr key={`${agent.region} ${agent.agent_id}`}>
          <th scope="row">{agent.agent_id}</th>
          <td>{agent.region}</td>
          <td className="num">{compactCount(agent.events_per_second, locale)} / s</td>
          <td className="num">
            {span(agent.lag_p50_ms)} · {span(agent.lag_p99_ms)}
          </td>
          <td>{ago(agent.last_at, at, locale)}</td>
        </tr>
      ))}
    </Section>
  );
}

function Members({ members, at }: { members: Member[]; at: number }) {
  const { t, locale } = useI18n();
  return (
    <Section
      title={t("pipeline.members")}
      head={["pipeline.member", "pipeline.state", "pipeline.flow", "pipeline.waits", "pipeline.seen"]}
    >
      {members.length === 0 && (
        <tr>
          <td colSpan={5} className="dim">
            {t("pipeline.members.none")}
          </td>
        </tr>
      )}
      {members.map(({ address, role, up, problem, seen_at, figures: now }) => (
        <tr key={address}>
          <th scope="row">
            {t(`pipeline.role.${role}`)}{" "}
            <small className="mono dim">{address.replace(/^https?:\/\//, "")}</small>
          </th>
          <td>
            <span className="chip" data-state={up ? "well" : "down"}>
              {up ? t("pipeline.up") : t("pipeline.gone")}
            </span>{" "}
            {!up && <small className="dim">{problem}</small>}
          </td>
          <td className="num">
            {compactCount(now.accepted_events_per_second + now.processed_events_per_second, locale)} / s
            {role === "agent" && <small className="dim"> {now.http3 ? "HTTP/3" : "HTTP/2"}</small>}
          </td>
          <td className="num">
            {role === "agent"
              ? `${bytes(now.queue_bytes, locale)}${now.queue_oldest_seconds >= 1 ? ` · ${span(now.queue_oldest_seconds * 1000)}` : ""}`
              : t("pipeline.batches", { n: now.lag_records })}
            {role === "agent" && (
              <span className="meter" title={t("pipeline.share", { p: Math.round(now.queue_share * 100) })}>
                <span style={{ width: `${Math.min(100, now.queue_share * 100)}%` }} />
              </span>
            )}
          </td>
          <td>{seen_at > 0 ? ago(seen_at, at, locale) : "–"}</td>
        </tr>
      ))}
    </Section>
  );
}

function Refusals({ members }: { members: Member[] }) {
  const { t, locale } = useI18n();
  const rows = members
    .flatMap((m) => m.refusals.map((r) => ({ ...r, address: m.address })))
    .sort((a, b) => b.count - a.count);
  return (
    <Section
      title={t("pipeline.refusals")}
      head={["pipeline.reason", "pipeline.where", "pipeline.count", "pipeline.member"]}
    >
      {rows.length === 0 && (
        <tr>
          <td colSpan={4} className="dim">
            {t("pipeline.refusals.none")}
          </td>
        </tr>
      )}
      {rows.map((row) => (
        <tr key={`${row.address} ${row.where} ${row.reason}`}>
          <th scope="row">{row.reason || "–"}</th>
          <td className="mono">{row.where}</td>
          <td className="num">{row.count.toLocaleString(locale)}</td>
          <td className="mono dim">{row.address.replace(/^https?:\/\//, "")}</td>
        </tr>
      ))}
    </Section>
  );
}

function Tables({ tables }: { tables: TableSize[] }) {
  const { t, locale } = useI18n();
  return (
    <Section
      title={t("pipeline.tables")}
      head={["pipeline.table", "pipeline.rows", "pipeline.disk", "pipeline.ratio", "pipeline.parts"]}
    >
      {tables.map((table) => (
        <tr key={table.table}>
          <th scope="row" className="mono">
            {table.table}
          </th>
          <td className="num">{compactCount(table.rows, locale)}</td>
          <td className="num">{bytes(table.bytes, locale)}</td>
          <td className="num">{table.ratio.toLocaleString(locale, { maximumFractionDigits: 1 })} ×</td>
          <td className="num">{table.parts.toLocaleString(locale)}</td>
        </tr>
      ))}
    </Section>
  );
}
