import { useEffect, useId, useState } from "react";
import type { Facets } from "../api/client";
import { useI18n } from "../i18n";
import type { TextKey } from "../i18n/en";
import { activeFilters, ranges, type SessionSearch, toggle } from "../model/filters";
import { country } from "../model/format";
import { byGravity, kindColor } from "../model/signals";
import { useSettled } from "./clock";
import { Icon } from "./Icon";
import { Popover } from "./Popover";
import { Segments } from "./Segments";
import { KindIcon, useKindName } from "./Signals";

interface Props {
  search: SessionSearch;
  change: (next: Partial<SessionSearch>) => void;
  /** Puts other filters in the place of all these. */
  choose: (search: SessionSearch) => void;
  facets: Facets | undefined;
}

const durations = [10, 60, 300, 900] as const;

/** Every filter of the list; their state is the address, never a copy of it. */
export function SessionFilters({ search, change, choose, facets }: Props) {
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
  if (search.event)
    add("event", `${t("filter.event")}: ${search.event}`, { event: undefined, prop: undefined });
  for (const prop of search.prop ?? []) add(`prop ${prop}`, prop, { prop: toggle(search.prop, prop) });
  if (search.error) add("error", `${t("event.error")}: ${search.error}`, { error: undefined });
  if (search.release) add("release", `${t("filter.release")}: ${search.release}`, { release: undefined });

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
        <Segments search={search} choose={choose} />
        {activeFilters(search) > 0 && (
          <button
            type="button"
            className="button plain"
            onClick={() =>
              change({
                page: undefined,
                user: undefined,
                event: undefined,
                prop: undefined,
                error: undefined,
                release: undefined,
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

function MoreFilters({ search, change, facets }: Omit<Props, "choose">) {
  const { t, locale } = useI18n();
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
    <Popover label={t("filter.more")} icon="filter">
      {() => (
        <>
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
          <ChoiceFilter
            label="filter.event"
            value={search.event}
            values={facets?.events}
            set={(event) => change({ event, prop: undefined })}
          />
          {search.event && (
            <ChoiceFilter
              key={search.event}
              label="filter.prop"
              value={search.prop?.[0]}
              values={facets?.props
                .filter((p) => p.value.startsWith(`${search.event}.`))
                .map((p) => ({ ...p, value: `${p.value.slice((search.event?.length ?? 0) + 1)}=` }))}
              set={(prop) => change({ prop: prop?.includes("=") ? [prop] : undefined })}
            />
          )}
          <ChoiceFilter
            label="filter.error"
            value={search.error}
            values={facets?.errors}
            set={(error) => change({ error })}
          />
          <ChoiceFilter
            label="filter.release"
            value={search.release}
            values={facets?.releases}
            set={(release) => change({ release })}
          />
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
        </>
      )}
    </Popover>
  );
}

/** A text that is looked for, with what there is to choose from. */
function ChoiceFilter(props: {
  label: TextKey;
  value: string | undefined;
  values: Facets["countries"] | undefined;
  set: (value: string | undefined) => void;
}) {
  const { t } = useI18n();
  const list = useId();
  const take = (typed: string) => props.set(typed.trim() || undefined);
  return (
    <label>
      <span className="label">{t(props.label)}</span>
      <input
        className="field"
        list={list}
        defaultValue={props.value}
        maxLength={256}
        onBlur={(e) => e.target.value.trim() !== (props.value ?? "") && take(e.target.value)}
        onKeyDown={(e) => e.key === "Enter" && take(e.currentTarget.value)}
      />
      <datalist id={list}>
        {props.values?.slice(0, 50).map(({ value }) => (
          <option key={value} value={value} />
        ))}
      </datalist>
    </label>
  );
}
