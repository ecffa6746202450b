import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { type Annotation, client, done } from "../api/client";
import { useI18n } from "../i18n";
import { dateTime } from "../model/format";
import { Icon } from "./Icon";
import { Popover } from "./Popover";
import { useProject } from "./project";

/** What happened to the site itself: releases, which the pages name, and notes, which people write here. */
export function Annotations({ annotations }: { annotations: Annotation[] }) {
  const { t, locale } = useI18n();
  const project = useProject();
  const queries = useQueryClient();
  const again = () => queries.invalidateQueries({ queryKey: ["annotations", project] });
  const remove = useMutation({
    mutationFn: (id: string) =>
      done(client.DELETE("/api/v1/annotations/{id}", { params: { path: { id }, query: { project } } })),
    onSuccess: again,
  });
  return (
    <div className="annotations">
      {annotations.map((a) => (
        <span
          key={a.id}
          className="chip"
          title={[dateTime(a.at, locale), a.text].filter(Boolean).join(" · ")}
        >
          <Icon name="flag" size={12} /> {a.title}
          {a.kind === "note" && (
            <button
              type="button"
              className="chip-remove"
              aria-label={t("annotation.remove", { name: a.title })}
              onClick={() => remove.mutate(a.id)}
            >
              <Icon name="close" size={9} />
            </button>
          )}
        </span>
      ))}
      {remove.error && <span role="alert">{remove.error.message}</span>}
      <Popover label={t("annotation.add")} icon="flag" narrow>
        {(close) => (
          <Note
            saved={() => {
              close();
              void again();
            }}
          />
        )}
      </Popover>
    </div>
  );
}

/** The form of a note; its time is the reader's own clock, as the field shows it. */
function Note({ saved }: { saved: () => void }) {
  const { t } = useI18n();
  const project = useProject();
  const [title, setTitle] = useState("");
  const [at, setAt] = useState(() => {
    const now = new Date();
    return new Date(now.getTime() - now.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
  });
  const save = useMutation({
    mutationFn: () =>
      done(
        client.PUT("/api/v1/annotations/{id}", {
          params: { path: { id: crypto.randomUUID() }, query: { project } },
          body: { at: new Date(at).getTime(), title: title.trim() },
        }),
      ),
    onSuccess: saved,
  });
  return (
    <form
      className="note"
      onSubmit={(e) => {
        e.preventDefault();
        save.mutate();
      }}
    >
      <label>
        <span className="label">{t("annotation.title")}</span>
        <input
          className="field"
          value={title}
          maxLength={120}
          required
          onChange={(e) => setTitle(e.target.value)}
        />
      </label>
      <label>
        <span className="label">{t("annotation.at")}</span>
        <input
          className="field"
          type="datetime-local"
          value={at}
          required
          onChange={(e) => setAt(e.target.value)}
        />
      </label>
      {save.error && <p role="alert">{save.error.message}</p>}
      <button type="submit" className="button" disabled={title.trim() === "" || save.isPending}>
        {t("annotation.save")}
      </button>
    </form>
  );
}
