import type { SessionEvent } from "../api/client";
import type { IconName } from "../components/Icon";
import type { Translate } from "../i18n";
import { path } from "./format";

type Payload = Record<string, unknown>;

/** The event's payload as an object; what is none has no fields. */
export function payloadOf(event: { payload: unknown }): Payload {
  return typeof event.payload === "object" && event.payload !== null ? (event.payload as Payload) : {};
}

const text = (value: unknown): string => (typeof value === "string" ? value : "");
const number = (value: unknown): number => (typeof value === "number" ? value : 0);

export interface Line {
  icon: IconName;
  title: string;
  detail: string;
  tone?: "bad";
}

/** An event as one line for people. */
export function describe(event: SessionEvent, t: Translate): Line {
  const p = payloadOf(event);
  switch (event.event_type) {
    case "click":
    case "dblclick":
    case "contextmenu": {
      const on = text(p.text) || text(p.selector);
      return {
        icon: "click",
        title: text(p.text)
          ? `${t(`event.${event.event_type}`)} “${text(p.text)}”`
          : t(`event.${event.event_type}`),
        detail: text(p.selector) || on,
      };
    }
    case "click_outcome":
      return { icon: "click", title: t("event.click_outcome", { kind: text(p.kind) }), detail: "" };
    case "pointer":
      return { icon: "pointer", title: t("event.pointer"), detail: "" };
    case "scroll":
      return { icon: "scroll", title: t("event.scroll", { depth: Math.round(number(p.depth)) }), detail: "" };
    case "input":
      return { icon: "input", title: t("event.input"), detail: text(p.selector) };
    case "navigate":
      return {
        icon: "navigate",
        title: t("event.navigate", { to: path(text(p.to) || event.url) }),
        detail: text(p.kind),
      };
    case "page_load":
      return {
        icon: "page",
        title: t("event.page_load", { to: path(text(p.url) || event.url) }),
        detail: text(p.title),
      };
    case "page_exit":
      return { icon: "exit", title: t("event.page_exit"), detail: path(text(p.url) || event.url) };
    case "error":
      return {
        icon: "error",
        title: text(p.message) || t("event.error"),
        detail: [text(p.source), p.line, p.column].filter(Boolean).join(":"),
        tone: "bad",
      };
    case "console":
      return {
        icon: "console",
        title: text(p.message) || t("event.console"),
        detail: text(p.level),
        ...(text(p.level) === "error" ? { tone: "bad" as const } : {}),
      };
    case "network": {
      const status = number(p.status);
      return {
        icon: "network",
        title: `${text(p.method) || "GET"} ${path(text(p.url))}`,
        detail: [status || "–", p.duration_ms !== undefined ? `${number(p.duration_ms)} ms` : ""]
          .filter(Boolean)
          .join(" · "),
        ...(status === 0 || status >= 400 ? { tone: "bad" as const } : {}),
      };
    }
    case "web_vital":
      return {
        icon: "vital",
        title: t("event.web_vital", { name: text(p.name), value: Math.round(number(p.value) * 1000) / 1000 }),
        detail: text(p.rating),
      };
    case "identify":
      return { icon: "user", title: t("event.identify"), detail: "" };
    case "custom":
      return { icon: "custom", title: t("event.custom", { name: text(p.name) }), detail: "" };
    default:
      return { icon: "other", title: event.event_type, detail: "" };
  }
}

/** Events that say little by themselves; shown on demand. */
export const isQuiet = (event: SessionEvent): boolean =>
  event.event_type === "pointer" || event.event_type === "click_outcome";
