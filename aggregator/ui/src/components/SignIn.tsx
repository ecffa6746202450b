import { useSyncExternalStore } from "react";
import { useI18n } from "../i18n";

/** Whether the API wants the admin token first. */
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

/** Asks for the token; the server turns it into a cookie and leads back here. */
export function SignIn() {
  const { t } = useI18n();
  return (
    <main className="card signin">
      <h1>{t("auth.title")}</h1>
      <p>{t("auth.hint")}</p>
      <form method="get" action={location.pathname}>
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
    </main>
  );
}
