import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { client, done, type Key, unwrap } from "../api/client";
import { Icon } from "../components/Icon";
import { Empty } from "../components/States";
import { useTexts } from "../i18n";
import { CredentialRow, inOrder, lifeOf } from "./Credentials";
import { Confirm, Problem, SecretDialog } from "./Dialog";
import { Loaded, Part } from "./Part";
import { keysQuery } from "./queries";
import { texts } from "./texts";

/** How long a rotated key stays good, in seconds. */
const whiles = [0, 86_400, 604_800, 2_592_000] as const;

/** A project's write keys: made, rotated, revoked. */
export function Keys({ project }: { project: string }) {
  const t = useTexts(texts);
  const queries = useQueryClient();
  const found = useQuery(keysQuery(project));
  const [name, setName] = useState("");
  const [secret, setSecret] = useState("");
  const [asked, setAsked] = useState<{ key: Key; to: "rotate" | "revoke" } | null>(null);
  const [after, setAfter] = useState<number>(604_800);
  const again = () => queries.invalidateQueries({ queryKey: keysQuery(project).queryKey });
  const create = useMutation({
    mutationFn: () =>
      unwrap(client.POST("/api/v1/keys", { params: { query: { project } }, body: { name: name.trim() } })),
    onSuccess: (made) => {
      setName("");
      setSecret(made.secret);
      return again();
    },
  });
  const nameOf = (key: Key) => key.name || t("keys.unnamed", { id: key.id });
  const now = Date.now();
  return (
    <Part title={t("section.keys")} hint={t("keys.hint")}>
      <form
        className="make"
        onSubmit={(e) => {
          e.preventDefault();
          create.mutate();
        }}
      >
        <input
          className="field"
          aria-label={t("keys.name")}
          placeholder={t("keys.name")}
          value={name}
          maxLength={128}
          onChange={(e) => setName(e.target.value)}
        />
        <button type="submit" className="button primary" disabled={create.isPending}>
          <Icon name="plus" size={14} /> {t("keys.create")}
        </button>
      </form>
      {create.error && <Problem error={create.error} />}
      <Loaded query={found}>
        {({ keys, fixed }) =>
          keys.length === 0 ? (
            <Empty icon="key" title={t("keys.empty")} hint={t("keys.empty.hint")} />
          ) : (
            <ul className="credentials">
              {inOrder(keys, now).map((key) => (
                <CredentialRow
                  key={key.id}
                  credential={key}
                  name={nameOf(key)}
                  now={now}
                  fixed={fixed.includes(key.id)}
                >
                  {lifeOf(key, now) === "good" && (
                    <button
                      type="button"
                      className="button"
                      aria-label={t("keys.rotate.one", { name: nameOf(key) })}
                      onClick={() => setAsked({ key, to: "rotate" })}
                    >
                      <Icon name="restart" size={14} /> {t("keys.rotate")}
                    </button>
                  )}
                  <button
                    type="button"
                    className="button"
                    data-danger="true"
                    aria-label={t("keys.revoke.one", { name: nameOf(key) })}
                    onClick={() => setAsked({ key, to: "revoke" })}
                  >
                    {t("keys.revoke")}
                  </button>
                </CredentialRow>
              ))}
            </ul>
          )
        }
      </Loaded>
      {asked?.to === "revoke" && (
        <Confirm
          title={`${t("keys.revoke.one", { name: nameOf(asked.key) })}?`}
          hint={t("keys.revoke.hint")}
          act={t("keys.revoke")}
          danger
          closed={() => setAsked(null)}
          run={async () => {
            const params = { path: { id: asked.key.id }, query: { project } };
            await done(client.DELETE("/api/v1/keys/{id}", { params }));
            await again();
          }}
        />
      )}
      {asked?.to === "rotate" && (
        <Confirm
          title={`${t("keys.rotate.one", { name: nameOf(asked.key) })}?`}
          hint={t("keys.rotate.hint")}
          act={t("keys.rotate.do")}
          closed={() => setAsked(null)}
          run={async () => {
            const params = { path: { id: asked.key.id }, query: { project } };
            const body = { after_seconds: after };
            const made = await unwrap(client.POST("/api/v1/keys/{id}/rotate", { params, body }));
            setSecret(made.secret);
            await again();
          }}
        >
          <label className="stacked">
            <span className="label">{t("keys.rotate.after")}</span>
            <select className="field" value={after} onChange={(e) => setAfter(Number(e.target.value))}>
              {whiles.map((seconds) => (
                <option key={seconds} value={seconds}>
                  {t(`keys.rotate.${seconds}`)}
                </option>
              ))}
            </select>
          </label>
        </Confirm>
      )}
      {secret && !asked && (
        <SecretDialog title={t("keys.made")} secret={secret} closed={() => setSecret("")} />
      )}
    </Part>
  );
}
