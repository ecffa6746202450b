export type { GoSight } from "./client.ts";
export { consoleLines } from "./console.ts";
export { errors } from "./errors.ts";
export { start, startWith } from "./module.ts";
export type { ConsoleLevel, Options, ReplayOptions } from "./options.ts";
export type { Emit, Feature, Page } from "./page.ts";
export { vitals } from "./vitals.ts";
