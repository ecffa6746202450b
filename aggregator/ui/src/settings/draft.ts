import type { Project, Rules } from "../api/client";

/** A project's settings as a form's fields hold them: lists as lines, numbers as text that may be empty. */
export interface Draft {
  name: string;
  origins: string;
  events_per_second: string;
  burst: string;
  event_days: string;
  replay_days: string;
  patterns: string;
  json_paths: string;
  params: string;
  phones: boolean;
  national_ids: boolean;
  user_id_key: string;
  countries: string;
  /** By group and number, as rage.clicks. */
  detect: Record<string, string>;
}

const lines = (list: string[] | undefined): string => (list ?? []).join("\n");
const list = (text: string, at: RegExp): string[] => text.split(at).filter((part) => part !== "");
const trimmed = (text: string): string[] => list(text, /\s*\n\s*/).map((line) => line.trim());
const figure = (n: number | undefined): string => (n ? String(n) : "");

export function draftOf(project: Project): Draft {
  const privacy = project.privacy ?? {};
  const detect: Record<string, string> = {};
  for (const [group, numbers] of Object.entries(project.detect ?? {})) {
    for (const [name, value] of Object.entries(numbers ?? {})) detect[`${group}.${name}`] = String(value);
  }
  return {
    name: project.name ?? "",
    origins: lines(project.allowed_origins),
    events_per_second: figure(project.events_per_second),
    burst: figure(project.burst),
    event_days: figure(project.event_days),
    replay_days: figure(project.replay_days),
    patterns: lines(privacy.patterns),
    json_paths: lines(privacy.json_paths),
    params: lines(privacy.params),
    phones: privacy.phones ?? false,
    national_ids: privacy.national_ids ?? false,
    user_id_key: privacy.user_id_key ?? "",
    countries: (privacy.excluded_countries ?? []).join(" "),
    detect,
  };
}

/** The project as it is to be written; what is empty is left to the installation. */
export function projectOf(id: string, draft: Draft): Project {
  const detect: Record<string, Record<string, number>> = {};
  for (const [key, value] of Object.entries(draft.detect)) {
    const [group = "", name = ""] = key.split(".");
    if (value.trim() !== "") detect[group] = { ...detect[group], [name]: Number(value) };
  }
  return {
    id,
    name: draft.name.trim(),
    allowed_origins: trimmed(draft.origins),
    events_per_second: Number(draft.events_per_second),
    burst: Number(draft.burst),
    event_days: Number(draft.event_days),
    replay_days: Number(draft.replay_days),
    privacy: {
      patterns: list(draft.patterns, /\r?\n/), // a blank at an end may be meant
      json_paths: trimmed(draft.json_paths),
      params: trimmed(draft.params),
      phones: draft.phones,
      national_ids: draft.national_ids,
      user_id_key: draft.user_id_key,
      excluded_countries: list(draft.countries.toUpperCase(), /[\s,;]+/),
    },
    detect,
  };
}

export interface RuleField {
  key: string;
  /** What holds where the field is empty. */
  installed: number;
}

/** The numbers of the signal rules by group, in the order that the API names them. */
export const ruleGroups = (rules: Rules): [group: string, fields: RuleField[]][] =>
  Object.entries(rules).map(([group, numbers]) => [
    group,
    Object.entries(numbers as Record<string, number>).map(([name, installed]) => ({
      key: `${group}.${name}`,
      installed,
    })),
  ]);
