#!/bin/sh
# Makes .env, which docker-compose.yml reads, with random passwords and keys. One that is there is kept: ClickHouse
# and Grafana know its passwords. `ops/docker/env.sh urls` prints where everything is, with the tokens in it.
set -eu
cd "$(dirname "$0")/../.."

secret() { head -c 48 /dev/urandom | base64 | tr -d '/+=\n' | cut -c1-32; }

if [ ! -e .env ]; then
  umask 077
  cat > .env <<ENV
# Made by ops/docker/env.sh; keep it private.
GOSIGHT_PROJECT_KEY=gs_$(secret)
GOSIGHT_ADMIN_TOKEN=$(secret)
CLICKHOUSE_PASSWORD=$(secret)
CLICKHOUSE_GRAFANA_PASSWORD=$(secret)
GRAFANA_ADMIN_PASSWORD=$(secret)
# Address that published ports are bound to; 0.0.0.0 lets other machines in.
GOSIGHT_BIND=127.0.0.1
ENV
fi

if [ "${1:-}" = urls ]; then
  . ./.env
  cat <<URLS
Watch visits   http://localhost:7721/?token=$GOSIGHT_ADMIN_TOKEN
Demo shop      http://localhost:7730
Grafana        http://localhost:3000   admin, $GRAFANA_ADMIN_PASSWORD
Prometheus     http://localhost:9090
On your pages  <script async src="http://localhost:7711/sdk/gosight.js" data-key="$GOSIGHT_PROJECT_KEY"></script>
URLS
fi
