import type { Chunks } from "./chunks.ts";
import { clicks } from "./clicks.ts";
import { Client, type GoSight } from "./client.ts";
import { consoleLines } from "./console.ts";
import { errors } from "./errors.ts";
import { inputs } from "./input.ts";
import { navigation } from "./navigation.ts";
import { type Options, settle } from "./options.ts";
import type { Feature } from "./page.ts";
import { pointer } from "./pointer.ts";
import { scroll } from "./scroll.ts";
import { vitals } from "./vitals.ts";

/** What every recording has. */
export const essentials: Feature[] = [navigation, clicks, pointer, scroll, inputs];

/** Begins to record, with everything that `options` does not switch off. Returns the handle that a site uses. */
export function start(options: Options = {}, chunks: Chunks): GoSight {
  return new Client(settle(options, chunks), [
    ...essentials,
    ...(options.errors === false ? [] : [errors]),
    ...(options.console?.length === 0 ? [] : [consoleLines]),
    ...(options.vitals === false ? [] : [vitals]),
  ]);
}
