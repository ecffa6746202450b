import type { Page } from "./page.ts";

export interface Clicked {
  id: string;
  target: Element;
  subject: Element;
  interactive: boolean;
}

export function outcomes(_page: Page) {
  return {
    relayed: (_event: Event) => false,
    clicked: (_event: MouseEvent, _click: Clicked) => {},
  };
}
