import { useEffect, useRef, useState } from "react";

type Handlers = Record<string, (data: never) => void>;

/**
 * Listens to a stream of server-sent events while url is set. The browser connects again by itself; onOpen runs
 * each time, since what happened in between has to be loaded.
 */
export function useStream<H extends Handlers>(url: string | null, handlers: H, onOpen?: () => void): boolean {
  const latest = useRef({ handlers, onOpen });
  latest.current = { handlers, onOpen };
  const [connected, setConnected] = useState(true);
  const names = Object.keys(handlers).join(",");
  useEffect(() => {
    if (!url) return;
    const source = new EventSource(url);
    source.onopen = () => {
      setConnected(true);
      latest.current.onOpen?.();
    };
    source.onerror = () => setConnected(false);
    for (const name of names.split(",")) {
      source.addEventListener(name, (message: MessageEvent<string>) => {
        const handle = latest.current.handlers[name] as ((data: unknown) => void) | undefined;
        handle?.(JSON.parse(message.data));
      });
    }
    return () => source.close();
  }, [url, names]);
  return connected;
}
