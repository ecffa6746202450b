# GoSight: `make run` starts everything with a demo shop, `make test` runs every test that needs no outside service.
# Needs Go, Node.js (20.19 or newer, with npm) and make; everything else is fetched into this folder.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
GO_MODULES := . proto sdk/go
# grpcnotrace: without gRPC's debug pages, and the templates that they bring.
GO_BUILD := CGO_ENABLED=0 go build -trimpath -tags grpcnotrace -ldflags "-s -w -X main.version=$(VERSION)"
SOURCES := $(shell git ls-files -co --exclude-standard -- '*.go' '*.sql' go.mod go.sum 2>/dev/null)
SDK_SOURCES := $(shell git ls-files -co --exclude-standard -- sdk/web proto/gen/ts 2>/dev/null)
UI_SOURCES := $(shell git ls-files -co --exclude-standard -- aggregator/ui 2>/dev/null)
DEMO_SOURCES := $(shell git ls-files -co --exclude-standard -- ops/demo 2>/dev/null)

NPM := node_modules/.package-lock.json
SDK := sdk/web/dist/gosight.js
UI := aggregator/ui/dist/index.html
BINARIES := bin/gosight bin/gosight-agent bin/gosight-aggregator

.PHONY: help run test build lint generate bench bench-10k bench-test bench-compare bench-sdk chaos drain floods test-fleet corpus e2e screenshots fuzz signals size clean tools
help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

run: bin/gosight ## start everything in the foreground, with the demo shop; Ctrl-C stops it
	@exec bin/gosight up --demo

build: $(BINARIES) ## build the three programs into bin/

$(NPM): package.json package-lock.json
	npm ci --no-audit --no-fund
	@touch $@

$(SDK): $(NPM) $(SDK_SOURCES)
	npm run --silent build -w sdk/web
	@touch $@

$(UI): $(NPM) $(UI_SOURCES)
	npm run --silent build -w aggregator/ui
	@touch $@

bin/gosight: $(SDK) $(UI) $(SOURCES) $(DEMO_SOURCES)
	$(GO_BUILD) -o $@ ./ops/cmd/gosight

bin/gosight-agent: $(SDK) $(SOURCES)
	$(GO_BUILD) -o $@ ./agent/cmd/gosight-agent

bin/gosight-aggregator: $(UI) $(SOURCES)
	$(GO_BUILD) -o $@ ./aggregator/cmd/gosight-aggregator

test: test-go test-ts e2e bench-test ## run every test that needs no outside service

.PHONY: test-go test-ts
test-go: $(SDK) $(UI)
	for module in $(GO_MODULES); do (cd $$module && go test -race -timeout 10m $$(go list ./... | grep -vE '/ops/(e2e|fleet)$$')); done

test-ts: $(SDK) $(UI)
	. ops/e2e/browser.sh && for workspace in sdk/web sdk/nestjs aggregator/ui; do npm test --silent -w $$workspace; done
	npm run --silent size -w sdk/web

e2e: $(BINARIES) ## end to end: real programs, a real browser, the real engines
	go test -count=1 -timeout 20m -v ./ops/e2e/
	. ops/e2e/browser.sh && npm test --silent -w ops/e2e -- visit.test.ts settings.test.ts canaries.test.ts corpus.test.ts latency.test.ts

KAFKA := ops/engines/apachekafka

$(KAFKA)/jars: $(KAFKA)/pom.xml
	mvn -B -q -f $(KAFKA)/pom.xml dependency:copy-dependencies
	@touch $@

.PHONY: test-kafka
test-kafka: $(SDK) $(UI) ## the bus and the whole system on Apache Kafka, three brokers; needs Java 17 and Maven
	@if ! command -v mvn >/dev/null || ! java -version 2>&1 | grep -qE 'version "(1[7-9]|[2-9][0-9])'; then \
	  echo 'SKIPPED: make test-kafka needs Java 17 or newer and Maven (Debian: apt-get install openjdk-17-jre-headless maven)'; \
	else \
	  $(MAKE) $(KAFKA)/jars; \
	  GOSIGHT_KAFKA_JARS=$(CURDIR)/$(KAFKA)/jars go test -p 1 -count=1 -v -timeout 10m -run ApacheKafka ./ops/kafka ./ops/chaos; \
	fi

test-fleet: $(BINARIES) ## two regions in network namespaces: the nearest agent, failures, partitions, bad lines (root only)
	. ops/e2e/browser.sh && GOSIGHT_BIN=$(CURDIR)/bin go test -count=1 -timeout 10m -v ./ops/fleet/

corpus: $(BINARIES) ## the browser corpus: 109 small pages, and the signals that each must and must not give
	. ops/e2e/browser.sh && npm test --silent -w ops/e2e -- corpus.test.ts

lint: $(NPM) tools $(SDK) $(UI) ## formatting, vet, staticcheck, buf, biome, types, generated code up to date
	@test -z "$$(gofmt -l $$(git ls-files -co --exclude-standard '*.go') | tee /dev/stderr)" || { echo 'gofmt: run gofmt -w on the files above'; exit 1; }
	for module in $(GO_MODULES); do (cd $$module && go mod tidy -diff && go vet ./... && $(CURDIR)/ops/tools/bin/staticcheck ./...); done
	node_modules/.bin/buf lint
	if git rev-parse -q --verify origin/main >/dev/null; then node_modules/.bin/buf breaking --against '.git#ref=origin/main'; fi
	node_modules/.bin/biome check .
	for workspace in sdk/web sdk/nestjs aggregator/ui ops/e2e ops/demo; do npm run --silent --if-present types -w $$workspace; done

tools:
	@mkdir -p ops/tools/bin && cd ops/tools && go build -o bin/ google.golang.org/protobuf/cmd/protoc-gen-go google.golang.org/grpc/cmd/protoc-gen-go-grpc github.com/planetscale/vtprotobuf/cmd/protoc-gen-go-vtproto connectrpc.com/connect/cmd/protoc-gen-connect-go honnef.co/go/tools/cmd/staticcheck golang.org/x/perf/cmd/benchstat

generate: $(NPM) tools ## make generated code anew from proto/ and the API
	node_modules/.bin/buf generate
	npm run --silent --if-present generate -w aggregator/ui

screenshots: $(BINARIES) ## make the README's pictures anew, as a test sees them
	. ops/e2e/browser.sh && GOSIGHT_SCREENSHOTS=1 npm test --silent -w ops/e2e -- visit.test.ts settings.test.ts
	. ops/e2e/browser.sh && GOSIGHT_SCREENSHOTS=1 npm test --silent -w aggregator/ui -- e2e/ui.test.ts -t screenshots

.PHONY: seed
seed: bin/gosight ## load generated history into the running system, straight into ClickHouse (N=events, SESSIONS=…, CLICKHOUSE=URL)
	@bin/gosight seed --events=$(or $(N),1000000) $(if $(SESSIONS),--sessions=$(SESSIONS)) $(if $(CLICKHOUSE),--clickhouse-url=$(CLICKHOUSE))

bench: $(BINARIES) ## the short form of every scenario, and one table
	go run ./benchmarks --short all

bench-10k: $(BINARIES) ## the proof: 10,000 events/s for 5 minutes, what was acked is counted
	go run ./benchmarks 10k

# The proof in 30 seconds, for machines that are busy or slow: latency is printed, what was lost or doubled fails.
bench-test: $(BINARIES)
	go run ./benchmarks --short --exact --out '' 10k

bench-compare: tools ## micro-benchmarks of the hot stages against BASE (main unless named), by benchstat
	ops/tools/bench-compare.sh "$(or $(BASE),main)" "$(or $(COUNT),6)"

bench-sdk: $(SDK) ## what the web SDK uploads and costs the page on a scripted visit
	. ops/e2e/browser.sh && npm run --silent bench -w sdk/web

bench-sdk-long: $(SDK) ## the same with medians of three, and a visit of ten minutes
	. ops/e2e/browser.sh && RUNS=3 VISIT_MS=600000 npm run --silent bench -w sdk/web

e2e-sdk-long: $(SDK) ## the web SDK's tests with an agent that is away for a minute; the packed @gosight/nestjs in empty projects (asks npm's registry)
	. ops/e2e/browser.sh && AWAY_MS=60000 npm test --silent -w sdk/web -- e2e/tabs
	npm run --silent test:pack -w sdk/nestjs

# By npx, since typedoc wants a TypeScript of its own, that the workspaces' compiler must not give way to.
TYPEDOC := npx --yes typedoc@0.28.20 --entryPoints src/index.ts --tsconfig tsconfig.json --validation.notExported false --treatWarningsAsErrors

.PHONY: bench-sdk-long e2e-sdk-long sdk-docs
sdk-docs: $(NPM) ## the SDKs' API documentation, into bin/sdk-docs (asks npm's registry)
	for sdk in web nestjs; do (cd sdk/$$sdk && $(TYPEDOC) --out $(CURDIR)/bin/sdk-docs/$$sdk); done
	cd sdk/go && go doc -all . > $(CURDIR)/bin/sdk-docs/go.txt

size: $(SDK) ## the web SDK's weight against its budget
	npm run --silent size -w sdk/web

chaos: $(SDK) $(UI) ## everything killed, cut off and damaged for 10 minutes: what was acked is stored, once
	go test ./ops/chaos -count=1 -run Chaos -v -timeout 60m -args -for 10m

drain: $(SDK) $(UI) ## the aggregators away for 10 minutes at 2,000 events/s, and back
	go test ./ops/chaos -count=1 -run Drain -v -timeout 60m -args -away 10m

floods: $(SDK) $(UI) ## hostile clients of every kind, 10,000 idle ones among them, beside honest ones
	go test ./ops/chaos -count=1 -run Floods -v -timeout 20m

fuzz: ## every fuzz target for 60 s (FUZZTIME=…)
	for module in $(GO_MODULES); do (cd $$module && for package in $$(go list ./...); do \
	  for target in $$(go test -list '^Fuzz' $$package | grep ^Fuzz || true); do \
	    echo "$$package $$target"; go test -run '^$$' -fuzz "^$$target$$" -fuzztime $(or $(FUZZTIME),60s) $$package; done; done); done

.PHONY: traces
traces: $(BINARIES) ## record the corpus' pointer traces anew, in a browser (ops/signals/traces)
	. ops/e2e/browser.sh && GOSIGHT_TRACES=1 npm test --silent -w ops/e2e -- traces.test.ts

signals: ## precision and recall of the detectors on the labelled corpus
	go run ./ops/signals

ops/tools/bin/helm: ops/tools/go.mod
	cd ops/tools && go build -o bin/helm helm.sh/helm/v3/cmd/helm

.PHONY: audit sbom
audit: $(NPM) ## known weaknesses of what we depend on (asks the vulnerability databases of Go and npm, and says where it could not)
	@mkdir -p ops/tools/bin && cd ops/tools && go build -o bin/govulncheck golang.org/x/vuln/cmd/govulncheck
	@ops/tools/audit.sh

# Of the binaries themselves: what was linked is what is listed.
sbom: $(NPM) $(BINARIES) ## what is in the programs and the UI, as CycloneDX, into bin/ (asks npm's registry for the tool)
	@cd ops/tools && go build -o bin/cyclonedx-gomod github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod
	for program in $(BINARIES); do ops/tools/bin/cyclonedx-gomod bin -json -std -version "$(VERSION)" -output $$program.cdx.json $$program; done
	npx --yes @cyclonedx/cyclonedx-npm@6.0.1 --omit dev --output-file bin/npm.cdx.json
	@for file in bin/*.cdx.json; do echo "$$file: $$(node -p 'JSON.parse(require("fs").readFileSync(process.argv[1], "utf8")).components.length' $$file) components"; done

.PHONY: helm
helm: ops/tools/bin/helm ## lint the chart and compare what it renders (UPDATE=1 writes the golden files anew)
	UPDATE=$(UPDATE) go test -count=1 -run 'Chart|Sidecar' ./ops/deploy

clean: ## remove what was built (the data directory stays)
	rm -rf bin ops/tools/bin sdk/web/dist/*.js aggregator/ui/dist/assets aggregator/ui/dist/index.html
