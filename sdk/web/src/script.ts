// dist/gosight.js: starts by itself, from the attributes of its own script tag.
import type { ChunkHost, Chunks } from "./chunks.ts";
import type { GoSight } from "./client.ts";
import type { Options } from "./options.ts";
import { start } from "./start.ts";

/** A classic script needs no CORS from the agent, and takes the page's nonce along. */
function loader<K extends keyof Chunks>(name: K, tag: HTMLScriptElement): Chunks[K] {
  return (() =>
    new Promise((resolve, reject) => {
      const host = window as ChunkHost;
      host.__gosightChunk = { ...host.__gosightChunk, [name]: resolve };
      const script = document.createElement("script");
      script.src = new URL(`${name}.js`, tag.src).href;
      script.nonce = tag.nonce;
      script.onload = script.onerror = () => {
        script.remove();
        reject(new Error(name));
      };
      document.head.append(script);
    })) as Chunks[K];
}

function share(text: string | undefined): number {
  const value = Number(text ?? 1);
  return value >= 0 && value <= 1 ? value : 1;
}

const tag = document.currentScript as HTMLScriptElement | null;
const host = window as { gosight?: GoSight };

if (tag?.src && !host.gosight) {
  const { dataset, src } = tag;
  const options: Options = {
    key: dataset.key,
    endpoint: dataset.endpoint?.split(/[\s,]+/) ?? new URL(src).origin,
    replay: dataset.replay !== "off",
    maskAllText: dataset.maskText === "all",
    consent: dataset.consent === "required" ? "required" : "implied",
    sampling: { sessions: share(dataset.sample), replay: share(dataset.replaySample) },
    cookieDomain: dataset.cookieDomain,
    traceOrigins: dataset.traceOrigins?.split(/[\s,]+/),
  };
  host.gosight = start(options, {
    evidence: loader("evidence", tag),
    nearest: loader("nearest", tag),
    recorder: loader("recorder", tag),
    vitals: loader("vitals", tag),
  });
}
