import type { ReactNode } from "react";
import { ApiError } from "../api/client";
import { useI18n } from "../i18n";
import { Icon, type IconName } from "./Icon";

/** A grey shape where something will be. */
export function Skeleton({
  width = "100%",
  height = 14,
}: {
  width?: number | string;
  height?: number | string;
}) {
  return <span className="skeleton" style={{ width, height }} aria-hidden="true" />;
}

export function Empty(props: { title: string; hint?: string; icon?: IconName; children?: ReactNode }) {
  return (
    <div className="state">
      <Icon name={props.icon ?? "empty"} size={28} />
      <h2>{props.title}</h2>
      {props.hint && <p>{props.hint}</p>}
      {props.children}
    </div>
  );
}

export function ErrorState({ error, retry }: { error: Error; retry?: () => void }) {
  const { t } = useI18n();
  const detail = error instanceof ApiError || error.message ? error.message : String(error);
  return (
    <div className="state" role="alert">
      <Icon name="error" size={28} />
      <h2>{t("state.error")}</h2>
      <p>{detail}</p>
      {retry && (
        <button type="button" className="button" onClick={retry}>
          <Icon name="restart" /> {t("state.retry")}
        </button>
      )}
    </div>
  );
}

/** Tells readers of the screen that something is loading, without a word on it. */
export function Busy() {
  const { t } = useI18n();
  return (
    <span className="unseen" role="status">
      {t("state.loading")}
    </span>
  );
}
