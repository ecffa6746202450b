import type { ReactNode } from "react";
import { Icon } from "../components/Icon";
import { useI18n, useTexts } from "../i18n";
import { ago, dateTime } from "../model/format";
import { texts } from "./texts";

/** What keys and tokens have in common. */
export interface Credential {
  id: string;
  hint?: string;
  created_at?: number;
  revoked_at?: number;
}

export type Life = "good" | "ending" | "revoked";

export const lifeOf = ({ revoked_at }: Credential, now: number): Life =>
  !revoked_at ? "good" : revoked_at > now ? "ending" : "revoked";

/** Those that are good first, and the latest of them first. */
export function inOrder<T extends Credential>(all: T[], now: number): T[] {
  const order: Life[] = ["good", "ending", "revoked"];
  return all.toSorted(
    (a, b) =>
      order.indexOf(lifeOf(a, now)) - order.indexOf(lifeOf(b, now)) ||
      (b.created_at ?? 0) - (a.created_at ?? 0),
  );
}

/** One key or token: what it is called, how it begins, since when and until when it is good. */
export function CredentialRow(props: {
  credential: Credential;
  name: string;
  now: number;
  fixed: boolean;
  /** Beside the name. */
  mark?: ReactNode;
  children: ReactNode;
}) {
  const t = useTexts(texts);
  const { locale } = useI18n();
  const { id, hint, created_at: made, revoked_at: end = 0 } = props.credential;
  const life = lifeOf(props.credential, props.now);
  return (
    <li className="credential" data-life={life} data-id={id}>
      <Icon name="key" />
      <div className="credential-name">
        <b className="cut">{props.name}</b> {props.mark}
        <small className="dim">
          <code className="mono">{hint ? `${hint}…` : id}</code>
          {" · "}
          <span title={made ? dateTime(made, locale) : undefined}>
            {made ? t("created", { when: ago(made, props.now, locale) }) : t("created.never")}
          </span>
        </small>
      </div>
      <span className="chip" data-state={{ good: "well", ending: "behind", revoked: "down" }[life]}>
        {life === "good"
          ? t("keys.good")
          : life === "ending"
            ? t("keys.until", { when: dateTime(end, locale) })
            : t("keys.revoked", { when: ago(end, props.now, locale) })}
      </span>
      <div className="credential-do">
        {props.fixed ? (
          <span className="chip" title={t("fixed.hint")}>
            <Icon name="lock" size={12} /> {t("fixed.entry")}
          </span>
        ) : (
          life !== "revoked" && props.children
        )}
      </div>
    </li>
  );
}
