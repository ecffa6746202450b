// rrweb by itself, for comparison: what it emits stands in window.events.
import type { IncomingMessage, ServerResponse } from "node:http";
import { build } from "esbuild";

export async function bareRecorder(): Promise<(request: IncomingMessage, response: ServerResponse) => void> {
  const out = await build({
    stdin: {
      contents: `import { record } from "@rrweb/record"; window.events = []; record({ emit: (e) => events.push(e) });`,
      resolveDir: import.meta.dirname,
    },
    bundle: true,
    minify: true,
    write: false,
  });
  const text = out.outputFiles[0]?.text ?? "";
  return (_, response) => response.writeHead(200, { "Content-Type": "text/javascript" }).end(text);
}
