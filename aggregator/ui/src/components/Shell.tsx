import { Link, Outlet, useRouterState } from "@tanstack/react-router";
import { useEffect } from "react";
import { useI18n } from "../i18n";
import { Icon, type IconName } from "./Icon";
import { SignIn, useSignedOut } from "./SignIn";
import { Empty, ErrorState } from "./States";

const tabs = [
  { to: "/sessions", text: "nav.sessions", icon: "sessions" },
  { to: "/insights", text: "nav.insights", icon: "insights" },
  { to: "/heatmaps", text: "nav.heatmaps", icon: "heatmap" },
  { to: "/funnels", text: "nav.funnels", icon: "funnel" },
  { to: "/paths", text: "nav.paths", icon: "paths" },
  { to: "/retention", text: "nav.retention", icon: "retention" },
  { to: "/pipeline", text: "nav.pipeline", icon: "pipeline" },
  { to: "/docs", text: "nav.api", icon: "docs" },
] as const satisfies { to: string; text: string; icon: IconName }[];

/** Beside the tabs: analysts do without it. */
const settings = { to: "/settings", text: "nav.settings", icon: "settings" } as const;

export function Logo({ size = 24 }: { size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="8" fill="currentColor" />
      <path
        d="M5.500 16S9.500 8.500 16 8.500 26.500 16 26.500 16 22.500 23.500 16 23.500 5.500 16 5.500 16Z"
        fill="none"
        stroke="var(--surface)"
        strokeWidth="2.300"
      />
      <path d="M14 12.400v7.200l5.800-3.600z" fill="var(--surface)" />
    </svg>
  );
}

function switchTheme() {
  const root = document.documentElement;
  const dark = root.dataset.theme
    ? root.dataset.theme === "dark"
    : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  localStorage.setItem("gosight.theme", root.dataset.theme);
  window.dispatchEvent(new Event("gosight:theme"));
}

const sameProject = ({ project }: { project?: string }) => (project ? { project } : {});

/** The frame around every page. */
export function Shell() {
  const { t, locale, setLocale } = useI18n();
  const out = useSignedOut();
  const pathname = useRouterState({ select: (state) => state.location.pathname });
  useEffect(() => {
    const tab = [...tabs, settings].find(({ to }) => pathname.startsWith(to));
    document.title = tab ? `${t(tab.text)} · GoSight` : "GoSight";
  }, [pathname, t]);
  return (
    <div className="shell">
      <a className="skip button" href="#content">
        {t("nav.skip")}
      </a>
      <header className="top">
        <Link to="/sessions" className="brand">
          <Logo /> GoSight
        </Link>
        <nav className="tabs" aria-label={t("nav.main")}>
          {tabs.map(({ to, text, icon }) => (
            <Link key={to} to={to} search={sameProject}>
              <Icon name={icon} /> {t(text)}
            </Link>
          ))}
        </nav>
        <div className="side">
          <button
            type="button"
            className="button plain"
            lang={locale === "en" ? "vi" : "en"}
            onClick={() => setLocale(locale === "en" ? "vi" : "en")}
          >
            {t("lang.switch")}
          </button>
          <Link
            to={settings.to}
            search={sameProject}
            className="button plain icon"
            aria-label={t(settings.text)}
            title={t(settings.text)}
          >
            <Icon name={settings.icon} />
          </Link>
          <button
            type="button"
            className="button plain icon"
            aria-label={t("theme.toggle")}
            onClick={switchTheme}
          >
            <Icon name="moon" />
          </button>
        </div>
      </header>
      {out ? (
        <SignIn />
      ) : (
        <main id="content" tabIndex={-1} style={{ outline: "none" }}>
          <Outlet />
        </main>
      )}
    </div>
  );
}

export function NotFound() {
  const { t } = useI18n();
  return (
    <Empty title={t("notfound.title")}>
      <Link to="/sessions" className="button">
        {t("session.back")}
      </Link>
    </Empty>
  );
}

export function Failed({ error, reset }: { error: unknown; reset: () => void }) {
  return <ErrorState error={error instanceof Error ? error : new Error(String(error))} retry={reset} />;
}
