import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  redirect,
} from "@tanstack/react-router";
import { Failed, NotFound, Shell } from "./components/Shell";
import { parseRange, parseSearch, parseSessionSearch, type Range, stringifySearch } from "./model/filters";
import { SessionsPage } from "./pages/Sessions";

const root = createRootRoute({
  component: Shell,
  notFoundComponent: NotFound,
  errorComponent: Failed,
  validateSearch: (raw: Record<string, unknown>): { project?: string } =>
    typeof raw.project === "string" && raw.project !== "default" ? { project: raw.project } : {},
});

const home = createRoute({
  getParentRoute: () => root,
  path: "/",
  beforeLoad: () => {
    throw redirect({ to: "/sessions", replace: true });
  },
});

const sessions = createRoute({
  getParentRoute: () => root,
  path: "/sessions",
  validateSearch: parseSessionSearch,
  component: SessionsPage,
});

const session = createRoute({
  getParentRoute: () => root,
  path: "/sessions/$id",
  // t is the moment to open at: milliseconds since the visit began.
  validateSearch: (raw: Record<string, unknown>): { t?: number; at?: number } => {
    const t = Number(raw.t);
    const at = Number(raw.at);
    return {
      ...(raw.t !== undefined && Number.isFinite(t) && t >= 0 ? { t: Math.floor(t) } : {}),
      ...(raw.at !== undefined && Number.isFinite(at) && at > 0 ? { at: Math.floor(at) } : {}),
    };
  },
  component: lazyRouteComponent(() => import("./pages/Session"), "SessionPage"),
});

export interface InsightsSearch {
  range?: Range;
  kind?: string[];
  page?: string;
  bucket?: number;
}

const insights = createRoute({
  getParentRoute: () => root,
  path: "/insights",
  validateSearch: (raw: Record<string, unknown>): InsightsSearch => {
    const { kind, page } = parseSessionSearch(raw);
    const bucket = Number(raw.bucket);
    const range = parseRange(raw.range);
    return {
      ...(range && range !== "all" ? { range } : {}),
      ...(kind ? { kind } : {}),
      ...(page ? { page } : {}),
      ...([60_000, 300_000, 3_600_000, 21_600_000, 86_400_000].includes(bucket) ? { bucket } : {}),
    };
  },
  component: lazyRouteComponent(() => import("./pages/Insights"), "InsightsPage"),
});

const docs = createRoute({
  getParentRoute: () => root,
  path: "/docs",
  component: lazyRouteComponent(() => import("./pages/Docs"), "DocsPage"),
});

export const router = createRouter({
  routeTree: root.addChildren([home, sessions, session, insights, docs]),
  parseSearch,
  stringifySearch,
  defaultPreload: "intent",
  scrollRestoration: true,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
