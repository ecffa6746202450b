import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useBlocker } from "@tanstack/react-router";
import { type ReactNode, useState } from "react";
import { client, done, type Project, type Rules } from "../api/client";
import { Icon } from "../components/Icon";
import { Busy, ErrorState, Skeleton } from "../components/States";
import { useTexts } from "../i18n";
import { Problem } from "./Dialog";
import { type Draft, draftOf, projectOf, ruleGroups } from "./draft";
import { Check, Count, Labelled, Lines, Text } from "./Fields";
import { projectQuery, projectsQuery, rulesQuery } from "./queries";
import { type SettingsText, texts } from "./texts";

/** A project's settings: who may send, how long things are kept, what is taken out, what is a signal. */
export function ProjectSettings({ project }: { project: string }) {
  const settings = useQuery(projectQuery(project));
  const rules = useQuery(rulesQuery(project));
  const known = useQuery(projectsQuery);
  const failed = [settings, rules, known].find((query) => query.isError);
  if (failed?.error)
    return (
      <div className="card">
        <ErrorState error={failed.error} retry={() => failed.refetch()} />
      </div>
    );
  if (!settings.data || !rules.data || !known.data)
    return (
      <div className="part">
        <Busy />
        <Skeleton height={120} />
        <Skeleton height={220} />
      </div>
    );
  return <Form project={settings.data} rules={rules.data} fixed={known.data.fixed.includes(project)} />;
}

function Form({ project, rules, fixed }: { project: Project; rules: Rules; fixed: boolean }) {
  const t = useTexts(texts);
  const queries = useQueryClient();
  const [edited, setEdited] = useState<Draft | null>(null);
  const stored = draftOf(project);
  const draft = edited ?? stored;
  const changed = edited !== null && JSON.stringify(edited) !== JSON.stringify(stored);
  const save = useMutation({
    mutationFn: () =>
      done(
        client.PUT("/api/v1/project", {
          params: { query: { project: project.id } },
          body: projectOf(project.id, draft),
        }),
      ),
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey: projectQuery(project.id).queryKey });
      setEdited(null);
    },
  });
  useBlocker({
    shouldBlockFn: () => !window.confirm(t("leave")),
    enableBeforeUnload: changed,
    disabled: !changed,
  });
  const set = <K extends keyof Draft>(name: K, value: Draft[K]) => {
    save.reset();
    setEdited({ ...draft, [name]: value });
  };
  /** The properties of the field that shows and changes a text of the draft. */
  const text = (name: keyof Draft & TextOf<Draft>) => ({
    value: draft[name],
    onChange: (value: string) => set(name, value),
  });
  return (
    <form
      className="part project-form"
      onSubmit={(e) => {
        e.preventDefault();
        save.mutate();
      }}
    >
      {fixed && (
        <p className="notice">
          <Icon name="lock" size={14} /> {t("fixed.project")}
        </p>
      )}
      <fieldset className="groups" disabled={fixed || save.isPending}>
        <Group name="general">
          <Text label="name" {...text("name")} maxLength={128} placeholder={project.id} />
        </Group>
        <Group name="sending">
          <Lines label="origins" {...text("origins")} placeholder="https://shop.example" />
          <div className="pair">
            <Count label="rate" {...text("events_per_second")} placeholder={t("field.rate.none")} />
            <Count label="burst" {...text("burst")} placeholder={t("field.burst.none")} />
          </div>
        </Group>
        <Group name="retention">
          <div className="pair">
            <Count label="event_days" {...text("event_days")} max={3650} placeholder={t("field.days.none")} />
            <Count
              label="replay_days"
              {...text("replay_days")}
              max={3650}
              placeholder={t("field.days.none")}
            />
          </div>
        </Group>
        <Group name="privacy">
          <Lines label="patterns" {...text("patterns")} placeholder="order-[A-Z0-9]+" />
          <div className="pair">
            <Lines label="json_paths" {...text("json_paths")} placeholder="props.address" />
            <Lines label="params" {...text("params")} placeholder="token" />
          </div>
          <Check label="phones" on={draft.phones} onChange={(on) => set("phones", on)} />
          <Check label="national_ids" on={draft.national_ids} onChange={(on) => set("national_ids", on)} />
          <Text label="user_id_key" {...text("user_id_key")} maxLength={256} secret />
          <Text label="countries" {...text("countries")} maxLength={1000} placeholder="DE VN" />
        </Group>
        <Group name="detect">
          {ruleGroups(rules).map(([group, fields]) => (
            <fieldset key={group} className="rules">
              <legend>{said(t, `rule.${group}`)}</legend>
              {fields.map(({ key, installed }) => (
                <Labelled key={key} label={said(t, `rule.${key}`)}>
                  {(id) => (
                    <input
                      id={id}
                      className="field num"
                      type="number"
                      min={0}
                      step="any"
                      placeholder={String(installed)}
                      value={draft.detect[key] ?? ""}
                      onChange={(e) => set("detect", without(draft.detect, key, e.target.value))}
                    />
                  )}
                </Labelled>
              ))}
            </fieldset>
          ))}
        </Group>
      </fieldset>
      {!fixed && (
        <div className="card save-bar" data-news={changed || !save.isIdle}>
          <span className="save-state dim" role="status">
            {save.isSuccess && !changed ? t("saved") : changed ? t("unsaved") : ""}
          </span>
          {save.error && <Problem error={save.error} />}
          <button
            type="button"
            className="button plain"
            disabled={!changed}
            onClick={() => {
              save.reset();
              setEdited(null);
            }}
          >
            {t("discard")}
          </button>
          <button type="submit" className="button primary" disabled={!changed || save.isPending}>
            {t("save")}
          </button>
        </div>
      )}
    </form>
  );
}

/** The names of a type's texts. */
type TextOf<T> = { [K in keyof T]: T[K] extends string ? K : never }[keyof T];
/** A number's text, or its key where a later server has more of them than there are texts. */
const said = (t: (key: SettingsText) => string, key: string): string =>
  key in texts.en ? t(key as SettingsText) : key.replace(/^rule\./, "");

/** An emptied field is as one that was never filled in. */
function without(detect: Record<string, string>, key: string, value: string): Record<string, string> {
  const { [key]: _, ...others } = detect;
  return value === "" ? others : { ...detect, [key]: value };
}

function Group({
  name,
  children,
}: {
  name: "general" | "sending" | "retention" | "privacy" | "detect";
  children: ReactNode;
}) {
  const t = useTexts(texts);
  return (
    <section className="card group">
      <header>
        <h2>{t(`group.${name}`)}</h2>
        <p className="dim">{t(`group.${name}.hint`)}</p>
      </header>
      <div className="group-fields">{children}</div>
    </section>
  );
}
