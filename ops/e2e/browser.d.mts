import type { Browser } from "playwright-core";

export const browserPath: string;
export function launch(): Promise<Browser>;
