#!/usr/bin/env bash
# Known weaknesses of what we depend on: Go's vulnerability database for what our programs call, npm's for what is in
# production. A database that cannot be asked is said at the end, and is no pass.
# Ends with 1 where something was found, with 2 where something could not be asked.
set -uo pipefail
cd "$(dirname "$0")/../.."
found=() unasked=()
# ask NAME REMEDY CODE-OF-FOUND ERROR-PATTERN COMMAND…
ask() {
  local name=$1 remedy=$2 code=$3 pattern=$4 said status
  shift 4
  said=$("$@" 2>&1)
  status=$?
  echo "== $name"
  echo "$said"
  if ((status == 0)); then return; fi
  if ((status != code)) || grep -qE "$pattern" <<<"$said"; then
    unasked+=("$name ($remedy)")
  else
    found+=("$name")
  fi
}
for module in . proto sdk/go; do
  ask "govulncheck, module $module" "https://vuln.go.dev must be reachable; GOVULNDB names a mirror" 3 '^govulncheck: fetching' \
    ops/tools/bin/govulncheck -db "${GOVULNDB:-https://vuln.go.dev}" -C "$module" ./...
done
ask "npm audit --omit=dev" "npm's registry must answer audits; npm_config_registry names one that does" 1 'audit endpoint returned an error|EAI_AGAIN|ENOTFOUND|ECONNREFUSED' \
  npm audit --omit=dev

echo "== audit"
for name in "${found[@]}"; do echo "WEAKNESSES FOUND: $name"; done
for name in "${unasked[@]}"; do echo "COULD NOT BE ASKED: $name"; done
((${#found[@]})) && exit 1
((${#unasked[@]})) && exit 2
echo "nothing known"
