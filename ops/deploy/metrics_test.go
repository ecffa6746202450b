package deploy

import (
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metricsql"
	"github.com/prometheus/client_golang/prometheus"
	"gopkg.in/yaml.v3"

	"github.com/gosight/gosight/agent/enrich"
	"github.com/gosight/gosight/agent/forward"
	"github.com/gosight/gosight/agent/gate"
	"github.com/gosight/gosight/agent/ingest"
	"github.com/gosight/gosight/agent/queue"
	"github.com/gosight/gosight/aggregator/access"
	"github.com/gosight/gosight/aggregator/api"
	"github.com/gosight/gosight/aggregator/bus"
	"github.com/gosight/gosight/aggregator/erase"
	"github.com/gosight/gosight/aggregator/process"
	"github.com/gosight/gosight/aggregator/receive"
	"github.com/gosight/gosight/aggregator/store"
	"github.com/gosight/gosight/internal/detect"
	"github.com/gosight/gosight/internal/devcert"
	"github.com/gosight/gosight/internal/observe"
)

// exported writes down every metric that is registered, with its labels: /metrics shows a metric with labels only
// once something has happened.
type exported struct {
	prometheus.Registerer
	labels map[string][]string // by metric
}

var described = regexp.MustCompile(`^Desc\{fqName: "([^"]+)".*constLabels: \{(.*)\}, variableLabels: \{(.*)\}\}$`)

func (e *exported) Register(c prometheus.Collector) error {
	descs := make(chan *prometheus.Desc)
	go func() {
		c.Describe(descs)
		close(descs)
	}()
	for desc := range descs {
		found := described.FindStringSubmatch(desc.String())
		if found == nil {
			continue // of an unchecked collector
		}
		labels := strings.FieldsFunc(found[3], func(r rune) bool { return r == ',' })
		for _, pair := range regexp.MustCompile(`(\w+)="`).FindAllStringSubmatch(found[2], -1) {
			labels = append(labels, pair[1])
		}
		e.labels[found[1]] = append(e.labels[found[1]], labels...)
	}
	return e.Registerer.Register(c)
}

func (e *exported) MustRegister(collectors ...prometheus.Collector) {
	for _, c := range collectors {
		if err := e.Register(c); err != nil {
			panic(err)
		}
	}
}

// exports composes every part of both programs, and returns the labels of each metric.
func exports(t *testing.T) map[string][]string {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	all := map[string][]string{}
	program := func() *exported { return &exported{prometheus.NewRegistry(), all} }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}

	edge := program()
	queueConfig := queue.Default()
	queueConfig.Dir = t.TempDir()
	q, err := queue.Open(queueConfig, edge, log)
	must(err)
	t.Cleanup(func() { q.Close() })
	rules := detect.MustLive(detect.Default())
	enricher, err := enrich.New(enrich.Config{}, nil)
	must(err)
	forwardConfig := forward.Default()
	forwardConfig.RejectedDir = t.TempDir()
	_, err = forward.New(forwardConfig, q, "edge", edge, log)
	must(err)
	door, err := gate.New(gate.Parts{Config: gate.Default(), Now: time.Now, Registerer: edge, Log: log})
	must(err)
	ingest.NewPipeline(ingest.Parts{Gate: door, Enricher: enricher, Queue: q, Now: time.Now,
		Rules: rules, Registerer: edge, Log: log})

	centre := program()
	receiveConfig := receive.Default()
	receiveConfig.Addr, receiveConfig.AllowAnonymousLoopback = "127.0.0.1:0", true
	receiveConfig.CertFile, receiveConfig.KeyFile, _, err = devcert.Ensure(t.TempDir())
	must(err)
	producer, err := bus.NewProducer(bus.Default(), centre, log)
	must(err)
	st, err := store.New(store.Default(), centre, log)
	must(err)
	t.Cleanup(func() { st.Close() })
	keeper, err := access.New(access.Default(), st, centre, log)
	must(err)
	receiver, err := receive.New(receiveConfig, producer, keeper, centre, log)
	must(err)
	ended, end := context.WithCancel(t.Context())
	end()
	must(receiver.Run(ended)) // gives the port back
	_, err = erase.New(erase.Default(), keeper, st, producer, centre, log)
	must(err)
	_, err = process.New(process.Default(), rules, keeper, bus.Default(), st, centre, log)
	must(err)
	_, err = api.New(api.Default(), st, keeper, centre, log)
	must(err)

	families, err := observe.NewRegistry().Gather()
	must(err)
	for _, family := range families {
		all[family.GetName()] = nil
	}
	all["up"] = nil
	return all
}

// checkPromQL says what in an expression the programs do not export.
func checkPromQL(t *testing.T, where, promql string, exported map[string][]string) {
	t.Helper()
	parsed, err := metricsql.Parse(strings.ReplaceAll(promql, "$__rate_interval", "1m"))
	if err != nil {
		t.Errorf("%s: %v\n%s", where, err, promql)
		return
	}
	labels := []string{"instance", "job", "le"}
	var grouped []string
	metricsql.VisitAll(parsed, func(e metricsql.Expr) {
		switch e := e.(type) {
		case *metricsql.AggrFuncExpr:
			grouped = append(grouped, e.Modifier.Args...)
		case *metricsql.MetricExpr:
			for _, filters := range e.LabelFilterss {
				metric := filters[0].Value
				known, ok := exported[metric]
				if base := regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(metric, ""); !ok {
					known, ok = exported[base]
				}
				if !ok {
					t.Errorf("%s: no program exports %s", where, metric)
				}
				labels = append(labels, known...)
				for _, filter := range filters[1:] {
					if !slices.Contains(labels, filter.Label) {
						t.Errorf("%s: %s has no label %s", where, metric, filter.Label)
					}
				}
			}
		}
	})
	for _, label := range grouped {
		if !slices.Contains(labels, label) {
			t.Errorf("%s: by (%s): no metric in it has that label\n%s", where, label, promql)
		}
	}
}

func TestPrometheusIsAskedForWhatTheProgramsExport(t *testing.T) {
	exported := exports(t)
	asked := map[string]bool{}
	note := func(promql string) {
		for _, metric := range regexp.MustCompile(`gosight_\w+`).FindAllString(promql, -1) {
			asked[strings.TrimSuffix(metric, "_bucket")] = true
		}
	}
	var alerts struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr string
				Labels      struct{ Severity string }
				Annotations struct{ Summary, Description string }
			}
		}
	}
	text, err := os.ReadFile(Root + "ops/prometheus/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &alerts); err != nil {
		t.Fatal(err)
	}
	for _, group := range alerts.Groups {
		for _, rule := range group.Rules {
			checkPromQL(t, rule.Alert, rule.Expr, exported)
			note(rule.Expr)
			if rule.Labels.Severity == "" || rule.Annotations.Summary == "" || rule.Annotations.Description == "" {
				t.Errorf("%s does not say how bad it is and what to do", rule.Alert)
			}
		}
	}
	files, err := filepath.Glob(Root + "ops/grafana/dashboards/*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		for _, q := range readDashboard(t, file).queries() {
			if q.promql != "" {
				checkPromQL(t, filepath.Base(file)+": "+q.title, q.promql, exported)
				note(q.promql)
			}
		}
	}
	if len(asked) < 30 {
		t.Errorf("only %d metrics are looked at: %v", len(asked), slices.Sorted(maps.Keys(asked)))
	}
	// Invariant: nothing is lost silently. Each counter of what was refused, lost or set aside is on a dashboard.
	for metric := range exported {
		if regexp.MustCompile(`refused|rejected|lost|dead_letters|expired|errors|damaged`).MatchString(metric) && !asked[metric] {
			t.Errorf("%s is on no dashboard and in no alert", metric)
		}
	}
}

// board is what tests look at in a dashboard.
type board struct {
	UID, Title string
	Panels     []struct {
		ID          int
		Title, Type string
		Description string
		GridPos     struct{ X, Y, W, H int }
		Targets     []target
		FieldConfig struct {
			Overrides []struct{ Properties []struct{ Value any } }
		}
	}
	Templating struct {
		List []struct {
			Name, Type string
			Query      any
		}
	}
	Annotations struct {
		List []struct {
			Name   string
			Target target
		}
	}
}

type target struct {
	RawSQL string `json:"rawSql"`
	Expr   string
	Format int
}

type query struct {
	title, sql, promql string
	timeSeries         bool
}

func readDashboard(t *testing.T, file string) board {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var b board
	if err := json.Unmarshal(text, &b); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return b
}

// queries are those of panels, variables and annotations.
func (b board) queries() []query {
	var all []query
	for _, p := range b.Panels {
		for _, target := range p.Targets {
			all = append(all, query{title: p.Title, sql: target.RawSQL, promql: target.Expr,
				timeSeries: target.RawSQL != "" && target.Format == 0})
		}
	}
	for _, v := range b.Templating.List {
		if q, ok := v.Query.(map[string]any); ok {
			all = append(all, query{title: "$" + v.Name, sql: q["rawSql"].(string)})
		}
	}
	for _, a := range b.Annotations.List {
		if a.Target.RawSQL != "" {
			all = append(all, query{title: "annotation " + a.Name, sql: a.Target.RawSQL})
		}
	}
	return all
}
