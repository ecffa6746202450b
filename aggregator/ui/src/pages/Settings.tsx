import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { useEffect, useRef, useState } from "react";
import { client, done } from "../api/client";
import { Icon } from "../components/Icon";
import { Popover } from "../components/Popover";
import { useProject } from "../components/project";
import { Busy, ErrorState, Skeleton } from "../components/States";
import { useTexts } from "../i18n";
import { type Role, roleIn } from "../model/roles";
import { Audit } from "../settings/Audit";
import { Problem } from "../settings/Dialog";
import { Erasures } from "../settings/Erasure";
import { Keys } from "../settings/Keys";
import { ProjectSettings } from "../settings/ProjectForm";
import { meQuery, projectsQuery } from "../settings/queries";
import { settingsSections } from "../settings/sections";
import { Tokens } from "../settings/Tokens";
import { texts } from "../settings/texts";
import "../styles/pipeline.css";
import "../styles/settings.css";

/** What admins manage of a project: its settings, who may write and read, whom to forget, and who did what. */
export function SettingsPage() {
  const t = useTexts(texts);
  const project = useProject();
  const me = useQuery(meQuery);
  const role = me.data && roleIn(me.data.grants, project);
  return (
    <div className="page settings">
      <div className="page-head">
        <h1>{t("title")}</h1>
        {me.data && <ProjectChoice project={project} everywhere={me.data.grants["*"] === "admin"} />}
        <span className="fill" />
        {me.data && <Who name={me.data.name} role={role} />}
      </div>
      {me.isError ? (
        <div className="card">
          <ErrorState error={me.error} retry={() => me.refetch()} />
        </div>
      ) : !me.data ? (
        <>
          <Busy />
          <Skeleton height={420} />
        </>
      ) : role !== "admin" ? (
        <Refused name={me.data.name} role={role} project={project} />
      ) : (
        <Sections key={project} project={project} everywhere={me.data.grants["*"] === "admin"} />
      )}
    </div>
  );
}

function Sections({ project, everywhere }: { project: string; everywhere: boolean }) {
  const t = useTexts(texts);
  const { section = "project", subject = "" } = useSearch({ from: "/settings" });
  const nav = useRef<HTMLElement>(null);
  // On a phone they stand in a row that is wider than it.
  // biome-ignore lint/correctness/useExhaustiveDependencies: another section is another current one
  useEffect(() => {
    nav.current?.querySelector("[data-on=true]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, [section]);
  return (
    <div className="settings-body">
      <nav ref={nav} className="settings-nav" aria-label={t("sections")}>
        {settingsSections.map((one) => (
          <Link
            key={one}
            to="/settings"
            search={({ project }: { project?: string }) => ({
              ...(project ? { project } : {}),
              ...(one === "project" ? {} : { section: one }),
            })}
            activeOptions={{ exact: true }}
            aria-current={one === section ? "page" : undefined}
            data-on={one === section}
          >
            {t(`section.${one}`)}
          </Link>
        ))}
      </nav>
      <div className="settings-section">
        {section === "project" && <ProjectSettings project={project} />}
        {section === "keys" && <Keys project={project} />}
        {section === "tokens" && <Tokens project={project} everywhere={everywhere} />}
        {section === "erasure" && <Erasures project={project} />}
        {section === "audit" && <Audit project={project} subject={subject} />}
      </div>
    </div>
  );
}

/** Which project's settings these are; admins of all projects may add one. */
function ProjectChoice({ project, everywhere }: { project: string; everywhere: boolean }) {
  const t = useTexts(texts);
  const navigate = useNavigate();
  const queries = useQueryClient();
  const known = useQuery(projectsQuery);
  const [id, setId] = useState("");
  const choose = (next: string) =>
    navigate({ to: "/settings", search: (before) => ({ ...before, project: next, subject: undefined }) });
  const make = useMutation({
    mutationFn: () =>
      done(client.PUT("/api/v1/project", { params: { query: { project: id } }, body: { id } })),
    onSuccess: () => queries.invalidateQueries({ queryKey: projectsQuery.queryKey }),
  });
  const projects = known.data?.projects ?? [];
  return (
    <>
      <select
        className="field"
        aria-label={t("project")}
        value={project}
        onChange={(e) => void choose(e.target.value)}
      >
        {!projects.includes(project) && <option value={project}>{project}</option>}
        {projects.map((one) => (
          <option key={one} value={one}>
            {one}
          </option>
        ))}
      </select>
      {everywhere && (
        <Popover label={t("project.new")} icon="plus" narrow>
          {(close) => (
            <form
              className="note"
              onSubmit={(e) => {
                e.preventDefault();
                make.mutate(undefined, {
                  onSuccess: () => {
                    close();
                    setId("");
                    void choose(id);
                  },
                });
              }}
            >
              <label>
                <span className="label">{t("project.new.id")}</span>
                <input
                  className="field mono"
                  value={id}
                  maxLength={64}
                  pattern="[A-Za-z0-9_.\-]+"
                  required
                  onChange={(e) => setId(e.target.value)}
                />
              </label>
              <small className="dim">{t("project.new.hint")}</small>
              {make.error && <Problem error={make.error} />}
              <button
                type="submit"
                className="button primary"
                disabled={id === "" || projects.includes(id) || make.isPending}
              >
                {t("project.new.make")}
              </button>
            </form>
          )}
        </Popover>
      )}
    </>
  );
}

/** What the API calls those who look on from its own machine without signing in. */
const loopback = "loopback";

function Who({ name, role }: { name: string; role: Role | undefined }) {
  const t = useTexts(texts);
  return (
    <form method="post" action="/auth/sign-out" className="who">
      <Icon name="user" size={14} />
      {name === loopback ? (
        <span className="dim">{t("who.loopback")}</span>
      ) : (
        <>
          <span className="dim">{t("who", { name, role: t(`role.${role ?? "none"}`) })}</span>
          <button type="submit" className="button plain">
            {t("sign.out")}
          </button>
        </>
      )}
    </form>
  );
}

/** Who may not is told who may, and can become somebody who may. */
function Refused({ name, role, project }: { name: string; role: Role | undefined; project: string }) {
  const t = useTexts(texts);
  return (
    <div className="card state refused">
      <Icon name="lock" size={28} />
      <h2>{t("refused.title")}</h2>
      <p>
        {name === loopback
          ? t("refused.loopback")
          : t("refused.hint", { name, role: t(`role.${role ?? "none"}`), project })}
      </p>
      <form method="post" action="/auth/token" className="make">
        <input type="hidden" name="to" value={location.pathname + location.search} />
        <input
          className="field"
          type="password"
          name="token"
          aria-label={t("refused.token")}
          placeholder={t("refused.token")}
          autoComplete="off"
          required
        />
        <button type="submit" className="button primary">
          {t("refused.open")}
        </button>
      </form>
    </div>
  );
}
