# Sourced before tests that need a browser: leaves its path in GOSIGHT_CHROMIUM, and fetches one where there is none.
# Where none can be had, the tests that need it are skipped, loudly.
find_browser() {
  local name
  for name in chromium chromium-browser google-chrome; do
    command -v "$name" && return
  done
  node -e 'const p = require("playwright-core").chromium.executablePath(); if (require("fs").existsSync(p)) console.log(p)' 2>/dev/null
}
GOSIGHT_CHROMIUM="${GOSIGHT_CHROMIUM:-$(find_browser || true)}"
if [ -z "$GOSIGHT_CHROMIUM" ] && [ "$(id -u)" = 0 ] && [ -e /etc/debian_version ]; then
  echo "installing Debian's chromium for the browser tests" >&2
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium; } >/dev/null 2>&1 || true
  GOSIGHT_CHROMIUM="$(find_browser || true)"
fi
if [ -z "$GOSIGHT_CHROMIUM" ]; then
  echo "fetching Playwright's chromium for the browser tests" >&2
  npx --no-install playwright-core install chromium >/dev/null 2>&1 || true
  GOSIGHT_CHROMIUM="$(find_browser || true)"
fi
if [ -z "$GOSIGHT_CHROMIUM" ]; then
  echo "************************************************************************" >&2
  echo "NO BROWSER: every test that needs Chromium is SKIPPED. Install chromium." >&2
  echo "************************************************************************" >&2
fi
export GOSIGHT_CHROMIUM
