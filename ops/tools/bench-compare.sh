#!/usr/bin/env bash
# usage: bench-compare.sh BASE COUNT: the micro-benchmarks of the hot stages, here and at revision BASE, by turns and
# COUNT times, so that what else the machine does falls on both; then benchstat's verdict. `cpu-ns/event` and
# `allocs/op` mean something on a busy machine, `sec/op` does not.
set -euo pipefail
base=$1 count=$2
here=$PWD
there=$(mktemp -d)
trap 'git worktree remove --force "$there/base"; rm -rf "$there"' EXIT
git worktree add --quiet --detach "$there/base" "$base"
# What is embedded is built, not committed.
cp -r sdk/web/dist/. "$there/base/sdk/web/dist/"
cp -r aggregator/ui/dist/. "$there/base/aggregator/ui/dist/"

stages=(./agent ./agent/enrich ./agent/ingest ./agent/queue ./agent/redact ./aggregator/process ./aggregator/receive
	./internal/detect ./ops/relay ./proto/wire)
measure() {
	# A stage that one of the two does not have yet has no benchmarks there.
	go test -run '^$' -bench "${BENCH:-.}" -skip 'Store' -benchtime "${BENCHTIME:-0.5s}" -benchmem "${stages[@]}" 2>&1 | grep -v '^?' || true
}
for turn in $(seq "$count"); do
	echo "turn $turn of $count" >&2
	(cd "$there/base" && measure) >>"$there/base.txt"
	(cd "$here" && measure) >>"$there/here.txt"
done
ops/tools/bin/benchstat "$base=$there/base.txt" "here=$there/here.txt"
