import { start } from "@gosight/web";
import { type MouseEvent, type ReactNode, useState, useSyncExternalStore } from "react";
import { createRoot } from "react-dom/client";

// Before the first render: then every listener that React adds is seen.
const gosight = start({ key: "demo", endpoint: "http://127.0.0.1:7711" });

function subscribe(changed: () => void) {
  addEventListener("popstate", changed);
  return () => removeEventListener("popstate", changed);
}

function Link({ to, children }: { to: string; children: ReactNode }) {
  const go = (event: MouseEvent) => {
    event.preventDefault();
    history.pushState(null, "", to);
    dispatchEvent(new PopStateEvent("popstate"));
  };
  return (
    <a href={to} onClick={go}>
      {children}
    </a>
  );
}

function Basket() {
  const [items, setItems] = useState(0);
  const add = () => {
    setItems(items + 1);
    gosight.track("added", { items: items + 1 });
  };
  return (
    <p>
      <button type="button" id="add" onClick={add}>
        Add to basket
      </button>{" "}
      <output>{items}</output>
    </p>
  );
}

function App() {
  const page = useSyncExternalStore(subscribe, () => location.hash || location.search || "home");
  return (
    <main>
      <h1>React</h1>
      <Link to="?page=offers">Offers</Link>
      {page === "home" ? <Basket /> : <h2>Offers</h2>}
    </main>
  );
}

createRoot(document.getElementById("root") as HTMLElement).render(<App />);
