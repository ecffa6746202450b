import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { client, done, type Segment } from "../api/client";
import { segmentsQuery } from "../api/queries";
import { useI18n } from "../i18n";
import {
  activeFilters,
  parseSearch,
  parseSessionSearch,
  type SessionSearch,
  stringifySearch,
} from "../model/filters";
import { Icon } from "./Icon";
import { Popover } from "./Popover";
import { useProject } from "./project";

/** Filters that were saved under a name, for everybody who looks at this project. */
export function Segments(props: { search: SessionSearch; choose: (search: SessionSearch) => void }) {
  const { t } = useI18n();
  const project = useProject();
  const queries = useQueryClient();
  const found = useQuery(segmentsQuery(project));
  const [name, setName] = useState("");
  const again = () => queries.invalidateQueries({ queryKey: segmentsQuery(project).queryKey });
  const save = useMutation({
    mutationFn: () =>
      done(
        client.PUT("/api/v1/segments/{id}", {
          params: { path: { id: crypto.randomUUID() }, query: { project } },
          body: { name: name.trim(), filter: stringifySearch({ ...props.search }) },
        }),
      ),
    onSuccess: () => {
      setName("");
      return again();
    },
  });
  const remove = useMutation({
    mutationFn: (id: string) =>
      done(client.DELETE("/api/v1/segments/{id}", { params: { path: { id }, query: { project } } })),
    onSuccess: again,
  });
  const failed = found.error ?? save.error ?? remove.error;
  return (
    <Popover label={t("segments.title")} icon="save" narrow>
      {(close) => (
        <>
          {failed && (
            <p className="dim" role="alert">
              {failed.message}
            </p>
          )}
          {found.data?.segments.length === 0 && <p className="dim">{t("segments.empty")}</p>}
          <ul className="segments">
            {found.data?.segments.map((segment) => (
              <li key={segment.id}>
                <button
                  type="button"
                  className="option"
                  onClick={() => {
                    props.choose(read(segment));
                    close();
                  }}
                >
                  {segment.name}
                </button>
                <button
                  type="button"
                  className="button plain icon"
                  aria-label={t("segments.remove", { name: segment.name })}
                  onClick={() => remove.mutate(segment.id)}
                >
                  <Icon name="close" size={11} />
                </button>
              </li>
            ))}
          </ul>
          <form
            className="segment-save"
            onSubmit={(e) => {
              e.preventDefault();
              save.mutate();
            }}
          >
            <input
              className="field"
              aria-label={t("segments.name")}
              placeholder={t("segments.name")}
              value={name}
              maxLength={120}
              onChange={(e) => setName(e.target.value)}
            />
            <button
              type="submit"
              className="button"
              disabled={name.trim() === "" || activeFilters(props.search) === 0 || save.isPending}
              title={t("segments.hint")}
            >
              {t("segments.save")}
            </button>
          </form>
        </>
      )}
    </Popover>
  );
}

const read = (segment: Segment): SessionSearch => parseSessionSearch(parseSearch(segment.filter));
