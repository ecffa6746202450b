import { createContext, type ReactNode, useCallback, useContext, useEffect, useMemo, useState } from "react";
import { en, type TextKey } from "./en";

export type Locale = "en" | "vi";
export type Texts = Record<TextKey, string>;
type Values = Record<string, string | number>;
export type Translate = (key: TextKey, values?: Values) => string;

/** Fills {name}, and picks the side of "one|many" that {n} asks for. */
export function fill(text: string, locale: Locale, values: Values = {}): string {
  const [one, many] = text.split("|");
  const chosen = many !== undefined && values.n !== 1 ? many : (one ?? "");
  return chosen.replace(/\{(\w+)\}/g, (all, name: string) => {
    const value = values[name];
    if (value === undefined) return all;
    return typeof value === "number" ? value.toLocaleString(locale) : value;
  });
}

function firstLocale(): Locale {
  const stored = localStorage.getItem("gosight.locale");
  if (stored === "en" || stored === "vi") return stored;
  return navigator.language.startsWith("vi") ? "vi" : "en";
}

interface I18n {
  locale: Locale;
  t: Translate;
  setLocale: (locale: Locale) => void;
}

const Context = createContext<I18n | null>(null);

export function I18nProvider({ children }: { children: ReactNode }) {
  const [locale, setLocale] = useState<Locale>(firstLocale);
  const [texts, setTexts] = useState<Texts>(en);
  useEffect(() => {
    let current = true;
    document.documentElement.lang = locale;
    localStorage.setItem("gosight.locale", locale);
    if (locale === "en") setTexts(en);
    else import("./vi").then((loaded) => current && setTexts(loaded.vi));
    return () => {
      current = false;
    };
  }, [locale]);
  const t = useCallback<Translate>((key, values) => fill(texts[key], locale, values), [texts, locale]);
  const value = useMemo(() => ({ locale, t, setLocale }), [locale, t]);
  return <Context.Provider value={value}>{children}</Context.Provider>;
}

/** The texts that a page brings with it, beside those that all pages share. */
export function useTexts<Key extends string>(texts: Record<Locale, Record<Key, string>>) {
  const { locale } = useI18n();
  return useCallback(
    (key: Key, values?: Values) => fill(texts[locale][key], locale, values),
    [texts, locale],
  );
}

export function useI18n(): I18n {
  const i18n = useContext(Context);
  if (!i18n) throw new Error("useI18n outside of I18nProvider");
  return i18n;
}
