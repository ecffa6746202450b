import { useEffect, useRef, useState } from "react";
import type { Facets } from "../api/client";
import { useI18n } from "../i18n";
import type { TextKey } from "../i18n/en";
import { activeFilters, ranges, type SessionSearch, toggle } from "../model/filters";
import { country } from "../model/format";
import { byGravity, kindColor } from "../model/signals";
import { useSettled } from "./clock";
import { Icon } from "./Icon";
import { KindIcon, useKindName } from "./Signals";

interface Props {
  search: SessionSearch;
  change: (next: Partial<SessionSearch>) => void;
  facets: Facets | undefined;
}

const durations = [10, 60, 300, 900] as const;

/** Every filter of the list; their state is the address, never a copy of it. */
export function SessionFilters({ search, change, facets }: Props) {
  const { t, locale } = useI18n();
  const kindName = useKindName();
  const kindCounts = new Map(facets?.kinds.map((k) => [k.value, k.sessions]));
  const kinds = [...new Set([...kindCounts.keys(), ...(search.kind ?? [])])].sort(byGravity);
  const applied: { key: string; text: string; remove: Partial<SessionSearch> }[] = [];
  const add = (key: string, text: string, remove: Partial<SessionSearch>) =>
    applied.push({ key, text, remove });
  for (const name of ["country", "browser", "device"] as const) {
    for (const value of search[name] ?? []) {
      const shown = name === "country" ? country(value, locale) : value;
      add(`${name} ${value}`, shown, { [name]: toggle(search[name], value) });
    }
  }
  if (search.min) add("min", `${t("filter.duration")} ≥ ${search.min} s`, { min: undefined });
  if (search.errors) add("errors", t("filter.errors"), { errors: undefined });
  if (search.event) add("event", `${t("filter.event")}: ${search.event}`, { event: undefined });

  return (
    <search aria-label={t("filter.more")}>
      <div className="filters">
        <select
          className="field"
          aria-label={t("range.label")}
          value={search.range ?? "7d"}
          onChange={(e) =>
            change({
              range: e.target.value === "7d" ? undefined : (e.target.value as SessionSearch["range"]),
            })
          }
        >
          {ranges.map((range) => (
            <option key={range} value={range}>
              {t(`range.${range}`)}
            </option>
          ))}
        </select>
        <TextFilter label="filter.page" value={search.page} icon="search" set={(page) => change({ page })} />
        <TextFilter label="filter.user" value={search.user} icon="user" set={(user) => change({ user })} />
        <button
          type="button"
          className="button"
          aria-pressed={search.live ?? false}
          onClick={() => change({ live: search.live ? undefined : true })}
        >
          {t("filter.live")}
        </button>
        <MoreFilters search={search} change={change} facets={facets} />
        {activeFilters(search) > 0 && (
          <button
            type="button"
            className="button plain"
            onClick={() =>
              change({
                page: undefined,
                user: undefined,
                event: undefined,
                kind: undefined,
                country: undefined,
                browser: undefined,
                device: undefined,
                min: undefined,
                errors: undefined,
                live: undefined,
              })
            }
          >
            {t("filter.clear")}
          </button>
        )}
      </div>
      <fieldset className="kindbar">
        <legend className="unseen">{t("filter.kinds")}</legend>
        <button
          type="button"
          className="option"
          aria-pressed={!search.kind}
          onClick={() => change({ kind: undefined })}
        >
          {t("filter.all_signals")}
        </button>
        {kinds.map((kind) => (
          <button
            key={kind}
            type="button"
            className="option"
            style={{ "--c": kindColor(kind) }}
            aria-pressed={search.kind?.includes(kind) ?? false}
            onClick={() => change({ kind: toggle(search.kind, kind) })}
          >
            <KindIcon kind={kind} /> {kindName(kind)}
            <span className="num dim">{(kindCounts.get(kind) ?? 0).toLocaleString(locale)}</span>
          </button>
        ))}
      </fieldset>
      {applied.length > 0 && (
        <div className="applied">
          {applied.map(({ key, text, remove }) => (
            <button
              key={key}
              type="button"
              className="option"
              aria-label={t("filter.remove", { name: text })}
              onClick={() => change(remove)}
            >
              {text} <Icon name="close" size={10} />
            </button>
          ))}
        </div>
      )}
    </search>
  );
}

function TextFilter(props: {
  label: TextKey;
  value: string | undefined;
  icon: "search" | "user";
  set: (value: string | undefined) => void;
}) {
  const { t } = useI18n();
  const [typed, setTyped] = useState(props.value ?? "");
  const settled = useSettled(typed, 300);
  const { value, set } = props;
  // biome-ignore lint/correctness/useExhaustiveDependencies: only what was typed goes up
  useEffect(() => {
    if (settled !== (value ?? "")) set(settled || undefined);
  }, [settled]);
  useEffect(() => setTyped(value ?? ""), [value]);
  return (
    <label className="search">
      <Icon name={props.icon} size={14} />
      <input
        className="field"
        type="search"
        placeholder={t(props.label)}
        aria-label={t(props.label)}
        value={typed}
        maxLength={256}
        onChange={(e) => setTyped(e.target.value)}
      />
    </label>
  );
}

function MoreFilters({ search, change, facets }: Props) {
  const { t, locale } = useI18n();
  const [open, setOpen] = useState(false);
  const root = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (!open) return;
    const close = (event: Event) => {
      const escaped = event instanceof KeyboardEvent && event.key === "Escape";
      if (escaped) root.current?.querySelector("button")?.focus();
      if (escaped || !(event.target instanceof Node && root.current?.contains(event.target))) setOpen(false);
    };
    document.addEventListener("pointerdown", close);
    const onKey = (event: KeyboardEvent) => event.key === "Escape" && close(event);
    document.addEventListener("keydown", onKey);
    return () => {
      document.removeEventListener("pointerdown", close);
      document.removeEventListener("keydown", onKey);
    };
  }, [open]);

  const group = (name: "country" | "browser" | "device", values: Facets["countries"]) => (
    <fieldset>
      <legend>{t(`filter.${name}`)}</legend>
      <div className="options">
        {values.length === 0 && <span className="dim">–</span>}
        {values.slice(0, 24).map(({ value, sessions }) => (
          <button
            key={value}
            type="button"
            className="option"
            aria-pressed={search[name]?.includes(value) ?? false}
            onClick={() => change({ [name]: toggle(search[name], value) })}
          >
            {name === "country" ? country(value, locale) : value}
            <span className="num dim">{sessions.toLocaleString(locale)}</span>
          </button>
        ))}
      </div>
    </fieldset>
  );

  return (
    <div className="popover-root" ref={root}>
      <button type="button" className="button" aria-expanded={open} onClick={() => setOpen(!open)}>
        <Icon name="filter" size={14} /> {t("filter.more")}
      </button>
      {open && (
        <div className="popover">
          {group("country", facets?.countries ?? [])}
          {group("browser", facets?.browsers ?? [])}
          {group("device", facets?.devices ?? [])}
          <div>
            <label>
              <span className="label">{t("filter.duration")}</span>
              <select
                className="field"
                value={search.min ?? ""}
                onChange={(e) => change({ min: Number(e.target.value) || undefined })}
              >
                <option value="">{t("filter.duration.any")}</option>
                {durations.map((seconds) => (
                  <option key={seconds} value={seconds}>
                    {t(`filter.duration.${seconds}`)}
                  </option>
                ))}
              </select>
            </label>
          </div>
          <label>
            <span className="label">{t("filter.event")}</span>
            <input
              className="field"
              defaultValue={search.event}
              maxLength={128}
              onBlur={(e) => change({ event: e.target.value.trim() || undefined })}
              onKeyDown={(e) =>
                e.key === "Enter" && change({ event: e.currentTarget.value.trim() || undefined })
              }
            />
          </label>
          <div>
            <span className="label">{t("panel.console")}</span>
            <button
              type="button"
              className="option"
              aria-pressed={search.errors ?? false}
              onClick={() => change({ errors: search.errors ? undefined : true })}
            >
              {t("filter.errors")}
            </button>
          </div>
        </div>
      )}
    </div>
  );
}
