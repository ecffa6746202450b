// A router in the manner of Next's: links fetch their page ahead, a click renders it in a transition, then the
// address is pushed with the router's state, and replaced once more when scrolling has settled.
import { start } from "@gosight/web";
import {
  createContext,
  type MouseEvent,
  type ReactNode,
  useContext,
  useEffect,
  useLayoutEffect,
  useState,
  useTransition,
} from "react";
import { createRoot } from "react-dom/client";

interface Route {
  href: string;
  text: string;
}

const pages = new Map<string, Promise<string>>();

function prefetch(href: string): Promise<string> {
  const known = pages.get(href);
  if (known) return known;
  const page = fetch(href).then((answer) => answer.text());
  pages.set(href, page);
  return page;
}

const Router = createContext<{ push(href: string): void; pending: boolean }>({ push() {}, pending: false });

function Link({ href, children }: { href: string; children: ReactNode }) {
  const { push } = useContext(Router);
  useEffect(() => void prefetch(href), [href]);
  const go = (event: MouseEvent) => {
    if (event.metaKey || event.ctrlKey) return;
    event.preventDefault();
    push(href);
  };
  return (
    <a href={href} onClick={go}>
      {children}
    </a>
  );
}

/** As a client component in the root layout would: recording begins when the page is hydrated, once. */
function GoSight() {
  useEffect(() => {
    const gosight = start({ key: "demo", endpoint: "http://127.0.0.1:7711" });
    return () => gosight.stop();
  }, []);
  return null;
}

function App() {
  const [route, setRoute] = useState<Route>({ href: location.href, text: "Welcome" });
  const [pending, startTransition] = useTransition();
  const [open, setOpen] = useState(false);

  const show = (href: string) =>
    startTransition(async () => {
      const text = await prefetch(href);
      startTransition(() => setRoute({ href, text }));
    });

  useLayoutEffect(() => {
    if (new URL(route.href, location.href).href === location.href) return;
    history.pushState({ __NA: true, tree: route.href }, "", route.href);
    history.replaceState({ __NA: true, tree: route.href, scroll: scrollY }, "", location.href);
  }, [route]);

  useEffect(() => {
    const back = () => setRoute({ href: location.href, text: "Welcome" });
    addEventListener("popstate", back);
    return () => removeEventListener("popstate", back);
  }, []);

  return (
    <Router value={{ push: show, pending }}>
      <GoSight />
      <nav>
        <Link href="offers.txt">Offers</Link>
      </nav>
      <button type="button" id="add" aria-expanded={open} onClick={() => setOpen(!open)}>
        Details
      </button>
      {open && <p>All of them.</p>}
      <main aria-busy={pending}>{route.text}</main>
    </Router>
  );
}

createRoot(document.getElementById("root") as HTMLElement).render(<App />);
