import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  redirect,
} from "@tanstack/react-router";
import type { Viewport } from "./api/queries";
import { Failed, NotFound, Shell } from "./components/Shell";
import { parseRange, parseSearch, parseSessionSearch, type Range, stringifySearch } from "./model/filters";
import { SessionsPage } from "./pages/Sessions";
import { type SettingsSection, settingsSections } from "./settings/sections";

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

export interface HeatmapSearch {
  range?: Range;
  page?: string;
  kind?: string;
  viewport?: Viewport;
}

const viewports: Viewport[] = ["desktop", "tablet", "mobile"];

const heatmaps = createRoute({
  getParentRoute: () => root,
  path: "/heatmaps",
  validateSearch: (raw: Record<string, unknown>): HeatmapSearch => {
    const { page, kind } = parseSessionSearch(raw);
    const viewport = viewports.find((v) => v === raw.viewport);
    const range = parseRange(raw.range);
    return {
      ...(range && range !== "all" ? { range } : {}),
      ...(page ? { page } : {}),
      ...(kind?.[0] ? { kind: kind[0] } : {}),
      ...(viewport ? { viewport } : {}),
    };
  },
  component: lazyRouteComponent(() => import("./pages/Heatmaps"), "HeatmapsPage"),
});

export interface FunnelSearch {
  range?: Range;
  step?: string[];
  window?: number;
}

const funnels = createRoute({
  getParentRoute: () => root,
  path: "/funnels",
  validateSearch: (raw: Record<string, unknown>): FunnelSearch => {
    const steps = (Array.isArray(raw.step) ? raw.step : [raw.step])
      .filter((s): s is string => typeof s === "string" && /^(page|click|event):/.test(s))
      .slice(0, 8);
    const range = parseRange(raw.range);
    return {
      ...(range && range !== "all" ? { range } : {}),
      ...(steps.length > 0 ? { step: steps } : {}),
      ...(Number(raw.window) > 0 ? { window: Number(raw.window) } : {}),
    };
  },
  component: lazyRouteComponent(() => import("./pages/Funnels"), "FunnelsPage"),
});

export interface PathsSearch {
  range?: Range;
  page?: string;
  direction?: "to";
}

const paths = createRoute({
  getParentRoute: () => root,
  path: "/paths",
  validateSearch: (raw: Record<string, unknown>): PathsSearch => {
    const { page } = parseSessionSearch(raw);
    const range = parseRange(raw.range);
    return {
      ...(range && range !== "all" ? { range } : {}),
      ...(page ? { page } : {}),
      ...(raw.direction === "to" ? { direction: "to" } : {}),
    };
  },
  component: lazyRouteComponent(() => import("./pages/Paths"), "PathsPage"),
});

const retention = createRoute({
  getParentRoute: () => root,
  path: "/retention",
  component: lazyRouteComponent(() => import("./pages/Retention"), "RetentionPage"),
});

const pipeline = createRoute({
  getParentRoute: () => root,
  path: "/pipeline",
  component: lazyRouteComponent(() => import("./pages/Pipeline"), "PipelinePage"),
});

export interface SettingsSearch {
  /** project where it is not said. */
  section?: SettingsSection;
  /** What the audit log is about. */
  subject?: string;
}

const settings = createRoute({
  getParentRoute: () => root,
  path: "/settings",
  validateSearch: (raw: Record<string, unknown>): SettingsSearch => {
    const section = settingsSections.find((s) => s === raw.section);
    return {
      ...(section && section !== "project" ? { section } : {}),
      ...(typeof raw.subject === "string" && section === "audit"
        ? { subject: raw.subject.slice(0, 256) }
        : {}),
    };
  },
  component: lazyRouteComponent(() => import("./pages/Settings"), "SettingsPage"),
});

const docs = createRoute({
  getParentRoute: () => root,
  path: "/docs",
  component: lazyRouteComponent(() => import("./pages/Docs"), "DocsPage"),
});

export const router = createRouter({
  routeTree: root.addChildren([
    home,
    sessions,
    session,
    insights,
    heatmaps,
    funnels,
    paths,
    retention,
    pipeline,
    settings,
    docs,
  ]),
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
