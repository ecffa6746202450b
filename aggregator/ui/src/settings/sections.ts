/** The parts of the settings page, as its address names them; the first is the one that opens. */
export const settingsSections = ["project", "keys", "tokens", "erasure", "audit"] as const;
export type SettingsSection = (typeof settingsSections)[number];
