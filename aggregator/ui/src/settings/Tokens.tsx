import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { client, done, type Token, unwrap } from "../api/client";
import { Icon } from "../components/Icon";
import { Empty } from "../components/States";
import { useTexts } from "../i18n";
import { type Role, roles } from "../model/roles";
import { CredentialRow, inOrder } from "./Credentials";
import { Confirm, Problem, SecretDialog } from "./Dialog";
import { Loaded, Part } from "./Part";
import { tokensQuery } from "./queries";
import { texts } from "./texts";

/** Read tokens of a project and, for admins of all projects, those for all. */
export function Tokens({ project, everywhere }: { project: string; everywhere: boolean }) {
  const t = useTexts(texts);
  const queries = useQueryClient();
  const here = useQuery(tokensQuery(project));
  const all = useQuery({ ...tokensQuery("*"), enabled: everywhere });
  const [name, setName] = useState("");
  const [role, setRole] = useState<Role>("viewer");
  const [scope, setScope] = useState(project);
  const [secret, setSecret] = useState("");
  const [asked, setAsked] = useState<Token | null>(null);
  const again = () => queries.invalidateQueries({ queryKey: ["tokens"] });
  const create = useMutation({
    mutationFn: () =>
      unwrap(
        client.POST("/api/v1/tokens", {
          params: { query: { project: scope } },
          body: { name: name.trim(), role },
        }),
      ),
    onSuccess: (made) => {
      setName("");
      setSecret(made.secret);
      return again();
    },
  });
  const nameOf = (token: Token) => token.name || t("tokens.unnamed", { id: token.id });
  const now = Date.now();
  return (
    <Part title={t("section.tokens")} hint={t("tokens.hint")}>
      <form
        className="make"
        onSubmit={(e) => {
          e.preventDefault();
          create.mutate();
        }}
      >
        <input
          className="field"
          aria-label={t("tokens.name")}
          placeholder={t("tokens.name")}
          value={name}
          maxLength={128}
          onChange={(e) => setName(e.target.value)}
        />
        <select
          className="field"
          aria-label={t("tokens.role")}
          value={role}
          onChange={(e) => setRole(e.target.value as Role)}
        >
          {roles.map((one) => (
            <option key={one} value={one}>
              {t(`role.${one}`)}
            </option>
          ))}
        </select>
        {everywhere && (
          <select
            className="field"
            aria-label={t("tokens.scope")}
            value={scope}
            onChange={(e) => setScope(e.target.value)}
          >
            <option value={project}>{t("tokens.scope.one")}</option>
            <option value="*">{t("tokens.scope.all")}</option>
          </select>
        )}
        <button type="submit" className="button primary" disabled={create.isPending}>
          <Icon name="plus" size={14} /> {t("tokens.create")}
        </button>
        <small className="dim">
          {t(`role.${role}`)}: {t(`role.${role}.hint`)}
        </small>
      </form>
      {create.error && <Problem error={create.error} />}
      {all.error && <Problem error={all.error} />}
      <Loaded query={here}>
        {(found) => {
          const tokens = [...found.tokens, ...(all.data?.tokens ?? [])];
          const fixed = [...found.fixed, ...(all.data?.fixed ?? [])];
          return tokens.length === 0 ? (
            <Empty icon="key" title={t("tokens.empty")} hint={t("tokens.empty.hint")} />
          ) : (
            <ul className="credentials">
              {inOrder(tokens, now).map((token) => (
                <CredentialRow
                  key={token.id}
                  credential={token}
                  name={nameOf(token)}
                  now={now}
                  fixed={fixed.includes(token.id)}
                  mark={
                    <span className="chip">
                      {t(`role.${token.role}`)}
                      {token.project === "*" && ` · ${t("tokens.scope.all")}`}
                    </span>
                  }
                >
                  <button
                    type="button"
                    className="button"
                    data-danger="true"
                    aria-label={t("keys.revoke.one", { name: nameOf(token) })}
                    onClick={() => setAsked(token)}
                  >
                    {t("keys.revoke")}
                  </button>
                </CredentialRow>
              ))}
            </ul>
          );
        }}
      </Loaded>
      {asked && (
        <Confirm
          title={`${t("keys.revoke.one", { name: nameOf(asked) })}?`}
          hint={t("tokens.revoke.hint")}
          act={t("keys.revoke")}
          danger
          closed={() => setAsked(null)}
          run={async () => {
            const params = { path: { id: asked.id }, query: { project: asked.project } };
            await done(client.DELETE("/api/v1/tokens/{id}", { params }));
            await again();
          }}
        />
      )}
      {secret && <SecretDialog title={t("tokens.made")} secret={secret} closed={() => setSecret("")} />}
    </Part>
  );
}
