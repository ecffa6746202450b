import { type ReactNode, useId } from "react";
import { useTexts } from "../i18n";
import { type SettingsText, texts } from "./texts";

type NumberField = "rate" | "burst" | "event_days" | "replay_days";
type TextField =
  | NumberField
  | "name"
  | "origins"
  | "patterns"
  | "json_paths"
  | "params"
  | "user_id_key"
  | "countries";
type CheckField = "phones" | "national_ids";

/** A field under its label, and a hint below it that is read with it. */
export function Labelled(props: {
  label: string;
  hint?: string;
  children: (id: string, hint?: string) => ReactNode;
}) {
  const id = useId();
  const hint = props.hint === undefined ? undefined : `${id}-hint`;
  return (
    <div className="labelled">
      <label htmlFor={id}>{props.label}</label>
      {props.children(id, hint)}
      {hint && (
        <small id={hint} className="dim">
          {props.hint}
        </small>
      )}
    </div>
  );
}

interface TextProps {
  label: TextField;
  value: string;
  onChange: (value: string) => void;
  placeholder?: string;
  maxLength?: number;
  max?: number;
  /** secret: nobody shall read it over a shoulder. */
  secret?: boolean;
}

/** Some fields say more below them. */
const hintOf = (t: (key: SettingsText) => string, label: string): string | undefined =>
  `field.${label}.hint` in texts.en ? t(`field.${label}.hint` as SettingsText) : undefined;

export function Text({ label, value, onChange, placeholder, maxLength, secret }: TextProps) {
  const t = useTexts(texts);
  return (
    <Labelled label={t(`field.${label}`)} hint={hintOf(t, label)}>
      {(id, hint) => (
        <input
          id={id}
          className="field"
          type={secret ? "password" : "text"}
          autoComplete={secret ? "new-password" : "off"}
          aria-describedby={hint}
          value={value}
          placeholder={placeholder}
          maxLength={maxLength}
          onChange={(e) => onChange(e.target.value)}
        />
      )}
    </Labelled>
  );
}

export function Count({ label, value, onChange, placeholder, max }: TextProps) {
  const t = useTexts(texts);
  return (
    <Labelled label={t(`field.${label}`)} hint={hintOf(t, label)}>
      {(id, hint) => (
        <input
          id={id}
          className="field num"
          type="number"
          min={0}
          max={max}
          aria-describedby={hint}
          value={value}
          placeholder={placeholder}
          onChange={(e) => onChange(e.target.value)}
        />
      )}
    </Labelled>
  );
}

export function Lines({ label, value, onChange, placeholder }: TextProps) {
  const t = useTexts(texts);
  return (
    <Labelled label={t(`field.${label}`)} hint={hintOf(t, label)}>
      {(id, hint) => (
        <textarea
          id={id}
          className="field mono"
          rows={Math.min(8, Math.max(2, value.split("\n").length))}
          spellCheck={false}
          aria-describedby={hint}
          value={value}
          placeholder={placeholder}
          onChange={(e) => onChange(e.target.value)}
        />
      )}
    </Labelled>
  );
}

export function Check(props: { label: CheckField; on: boolean; onChange: (on: boolean) => void }) {
  const t = useTexts(texts);
  return (
    <label className="check">
      <input type="checkbox" checked={props.on} onChange={(e) => props.onChange(e.target.checked)} />
      {t(`field.${props.label}`)}
    </label>
  );
}
