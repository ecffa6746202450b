// rrweb's player in a page of its own, and what is compared: the document's structure and its picture.
import { build } from "esbuild";
import type { Frame, Page } from "playwright-core";
import type { Seen, TestAgent } from "./agent.ts";
import { html } from "./browser.ts";

let script: Promise<string> | undefined;

const bundled = async (): Promise<string> => {
  const out = await build({
    stdin: {
      contents: `import { Replayer } from "rrweb"; window.Replayer = Replayer;`,
      resolveDir: import.meta.dirname,
    },
    bundle: true,
    write: false,
    logLevel: "silent",
  });
  return out.outputFiles[0]?.text ?? "";
};

/** The replay's events in the order of recording. */
export function recording(agent: TestAgent): Seen[] {
  const serial = ({ id }: Seen) => Number.parseInt(id.split(".")[1] as string, 36);
  return [...agent.of("full_snapshot"), ...agent.of("mutation")].sort((a, b) => serial(a) - serial(b));
}

declare class Replayer {
  constructor(events: unknown[], config: object);
  pause(at: number): void;
}
declare const window: { Replayer: typeof Replayer; replayer: Replayer };

export interface Player {
  /** Goes to a time of recording (Unix milliseconds). */
  seek(timestamp: number): Promise<void>;
  frame(): Frame;
  warnings: string[];
}

export async function openPlayer(agent: TestAgent, page: Page, events: Seen[]): Promise<Player> {
  script ??= bundled();
  const style =
    "<style>body,iframe{margin:0;border:0}.replayer-mouse,.replayer-mouse-tail{display:none}</style>";
  agent.pages.set("/player", html("", style));
  await page.goto(`${agent.url}/player`);
  await page.addScriptTag({ content: await script });
  const warnings: string[] = [];
  page.on("console", (message) => message.type() === "warning" && warnings.push(message.text()));
  await page.evaluate(
    (recorded) => {
      const config = { root: document.body, mouseTail: false, UNSAFE_replayCanvas: true };
      window.replayer = new window.Replayer(recorded, config);
    },
    events.map((event) => event.payload),
  );
  const begun = events[0]?.timestamp ?? 0;
  return {
    warnings,
    async seek(timestamp) {
      await page.evaluate((at) => window.replayer.pause(at), timestamp - begun);
    },
    frame() {
      const frame = page.mainFrame().childFrames()[0];
      if (!frame) throw new Error("the player has no frame");
      return frame;
    },
  };
}

/**
 * Runs in the page and in the player's frame: a line for each node, in order, but for what recording changes on
 * purpose (scripts go, addresses become absolute, masked values).
 */
export const structure = (root: Element): string[] => {
  const lines: string[] = [];
  const skipped = /^(script|noscript|style|meta|link)$/;
  const left =
    /^(value|src|srcset|srcdoc|href|action|sandbox|rr_.*|on.*|data-gosight-.*|muted|autocomplete)$/;
  const visit = (node: Node, depth: number): void => {
    const say = (text: string) => lines.push(" ".repeat(depth) + text);
    if (node.nodeType === 3) {
      // Neighbouring texts may be one text.
      if (node.nodeValue?.trim()) say(`"${node.nodeValue}"`);
      return;
    }
    if (node.nodeType !== 1) return;
    const element = node as HTMLInputElement;
    if (skipped.test(element.localName)) return;
    const attributes = [...element.attributes]
      .filter(({ name }) => !left.test(name))
      // The player says in classes where its pointer is.
      .map(({ name, value }) => `${name}=${value.replace(/ ?:hover/, "")}`)
      .filter((attribute) => attribute !== "class=")
      .sort();
    const state = [
      element.type === "checkbox" || element.type === "radio" ? `checked ${element.checked}` : "",
      element.scrollTop ? `scrolled ${Math.round(element.scrollTop)}` : "",
    ].filter(Boolean);
    // What is blocked (the pages mark it by a class too, which stays) has a size, and no inside.
    if (element.matches(".blocked")) {
      say(`<${element.localName}> ${element.offsetWidth}x${element.offsetHeight}`);
      return;
    }
    say(`<${[element.localName, ...attributes, ...state].join(" ")}>`);
    const inside = [element.shadowRoot, (node as HTMLIFrameElement).contentDocument?.body];
    for (const part of inside) {
      if (part) say("#inside");
      for (const child of part?.childNodes ?? []) visit(child, depth + 2);
    }
    for (const child of element.childNodes) visit(child, depth + 1);
  };
  visit(root, 0);
  return lines;
};
