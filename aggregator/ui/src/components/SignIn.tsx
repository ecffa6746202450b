import { useQuery } from "@tanstack/react-query";
import { useSyncExternalStore } from "react";
import { useI18n } from "../i18n";

/** Whether the API wants people to sign in first. */
export const signedOut = (() => {
  let value = false;
  const listeners = new Set<() => void>();
  return {
    get: () => value,
    set: (next: boolean) => {
      value = next;
      for (const listener of listeners) listener();
    },
    subscribe: (listener: () => void) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
})();

export const useSignedOut = () => useSyncExternalStore(signedOut.subscribe, signedOut.get);

/** Asks for a token, or leads to the identity provider; the server makes a session's cookie of it and leads back. */
export function SignIn() {
  const { t } = useI18n();
  const here = location.pathname + location.search;
  const methods = useQuery({
    queryKey: ["auth-methods"],
    queryFn: async () => (await (await fetch("/auth/methods")).json()) as { oidc: boolean },
    staleTime: Number.POSITIVE_INFINITY,
  });
  return (
    <main className="card signin">
      <h1>{t("auth.title")}</h1>
      <p>{t("auth.hint")}</p>
      <form method="post" action="/auth/token">
        <input type="hidden" name="to" value={here} />
        <input
          className="field"
          type="password"
          name="token"
          aria-label={t("auth.token")}
          autoComplete="off"
          required
        />
        <button type="submit" className="button primary">
          {t("auth.open")}
        </button>
      </form>
      {methods.data?.oidc && (
        <a className="button" href={`/auth/oidc?to=${encodeURIComponent(here)}`}>
          {t("auth.oidc")}
        </a>
      )}
    </main>
  );
}
