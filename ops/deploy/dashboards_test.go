package deploy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/prometheus/client_golang/prometheus"
	"gopkg.in/yaml.v3"

	"github.com/gosight/gosight/aggregator/store"
	"github.com/gosight/gosight/ops/engines/enginetest"
	"github.com/gosight/gosight/ops/grafana"
)

func TestDashboardFilesAreWhatTheCodeSays(t *testing.T) {
	for _, d := range grafana.Dashboards() {
		want, err := d.JSON()
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(Root + "ops/grafana/dashboards/" + d.Name + ".json")
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s.json is not up to date: run go generate ./ops/grafana (%v)", d.Name, err)
		}
	}
}

// Grafana's own model of a dashboard takes them: every field is one that it knows, of the right type.
func TestDashboardsFitGrafanasModel(t *testing.T) {
	plugins.RegisterDefaultPlugins()
	for _, d := range grafana.Dashboards() {
		text, err := d.JSON()
		if err != nil {
			t.Fatal(err)
		}
		//lint:ignore SA1019 files that are provisioned are of this model; the newer one is the API's
		var strict dashboard.Dashboard
		// Without a fault it is an error all the same, and an empty one.
		if err := strict.UnmarshalJSONStrict(text); err != nil && err.Error() != "" {
			t.Errorf("%s: %v", d.Name, err)
		}
		var b board
		if err := json.Unmarshal(text, &b); err != nil {
			t.Fatal(err)
		}
		taken := map[[2]int]string{}
		for _, p := range b.Panels {
			if p.Type != "row" && p.Description == "" {
				t.Errorf("%s: %s does not say what it shows", d.Name, p.Title)
			}
			if p.GridPos.X+p.GridPos.W > 24 {
				t.Errorf("%s: %s does not fit the screen", d.Name, p.Title)
			}
			for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
				for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
					if other, ok := taken[[2]int{x, y}]; ok {
						t.Fatalf("%s: %s covers %s", d.Name, p.Title, other)
					}
					taken[[2]int{x, y}] = p.Title
				}
			}
		}
	}
}

// grafanaEnd expands what Grafana and its ClickHouse data source expand, as grafana-clickhouse-datasource documents it.
type grafanaEnd struct {
	url       string
	from, to  time.Time
	interval  time.Duration
	variables map[string][]string
}

var (
	macro       = regexp.MustCompile(`\$__(\w+)(?:\(([^()]*)\))?`)
	placeholder = regexp.MustCompile(`\$\{(\w+):sqlstring\}`)
)

func (g grafanaEnd) expand(t *testing.T, sql string) string {
	t.Helper()
	moment := func(at time.Time) string { return fmt.Sprintf("toDateTime(%d)", at.Unix()) }
	sql = macro.ReplaceAllStringFunc(sql, func(match string) string {
		part := macro.FindStringSubmatch(match)
		switch column := part[2]; part[1] {
		case "timeFilter":
			return fmt.Sprintf("%s >= %s AND %s <= %s", column, moment(g.from), column, moment(g.to))
		case "fromTime":
			return moment(g.from)
		case "toTime":
			return moment(g.to)
		case "timeInterval":
			return fmt.Sprintf("toStartOfInterval(toDateTime(%s), INTERVAL %d second)", column, int(g.interval.Seconds()))
		case "interval_s":
			return fmt.Sprint(int(g.interval.Seconds()))
		}
		t.Errorf("%s: no such macro is expanded here", match)
		return match
	})
	sql = placeholder.ReplaceAllStringFunc(sql, func(match string) string {
		values, ok := g.variables[placeholder.FindStringSubmatch(match)[1]]
		if !ok {
			t.Errorf("%s: no such variable", match)
		}
		var quoted []string
		for _, value := range values {
			quoted = append(quoted, "'"+strings.ReplaceAll(value, "'", "''")+"'")
		}
		return strings.Join(quoted, ",")
	})
	if strings.Contains(sql, "$") {
		t.Errorf("a $ is left in\n%s", sql)
	}
	return sql
}

// ask runs a query as Grafana would, and returns its columns and rows.
func (g grafanaEnd) ask(t *testing.T, sql string) (columns []string, rows []map[string]any) {
	t.Helper()
	settings := url.Values{"output_format_json_quote_64bit_integers": {"0"}, "readonly": {"2"}, "max_execution_time": {"30"}}
	response, err := http.Post(g.url+"/?"+settings.Encode(), "text/plain", strings.NewReader(g.expand(t, sql)+"\nFORMAT JSON"))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	var answer struct {
		Meta []struct{ Name, Type string }
		Data []map[string]any
	}
	if response.StatusCode != http.StatusOK || json.Unmarshal(text, &answer) != nil {
		t.Errorf("%s\n%s", text, g.expand(t, sql))
		return nil, nil
	}
	for _, column := range answer.Meta {
		columns = append(columns, column.Name+" "+column.Type)
	}
	return columns, answer.Data
}

func TestDashboardsShowTheTruth(t *testing.T) {
	st, engine := openStore(t)
	end := time.Now().Truncate(time.Hour)
	begin := end.Add(-24 * time.Hour)
	visits := generate(300, begin.UnixMilli()+1000, end.Add(-15*time.Minute).UnixMilli())
	insert(t, st, "default", visits)
	insert(t, st, "it's other", generate(40, begin.UnixMilli()+1000, end.Add(-15*time.Minute).UnixMilli()))
	insert(t, st, "default", before(visits[:50], 48*time.Hour)) // outside of the period

	g := grafanaEnd{url: engine, from: begin, to: end, interval: 10 * time.Minute, variables: map[string][]string{
		"project": {"default"}, "kind": {"rage_click", "dead_click", "thrashed_cursor"}, "page": {""}, "user": {""},
		"key": {"release"}, "a": {"1.4.0"}, "b": {"1.5.0"},
	}}
	figures := map[string]figure{}
	for _, name := range []string{"experience", "sessions", "releases", "pipeline"} {
		for _, q := range readDashboard(t, Root+"ops/grafana/dashboards/"+name+".json").queries() {
			if q.sql == "" {
				continue
			}
			where := name + ": " + q.title
			columns, rows := g.ask(t, q.sql)
			if len(rows) == 0 {
				t.Errorf("%s shows nothing", where)
			}
			if q.timeSeries && (len(columns) < 2 || !strings.HasPrefix(columns[0], "time DateTime")) {
				t.Errorf("%s is no time series: %v", where, columns)
			}
			figures[where] = figure{t, where, rows}
		}
	}
	checkExperience(figures, visits)
	checkSessions(figures, visits)
	checkReleases(figures, visits)
	figures["experience: $project"].keyed("project", "project",
		map[string]float64{"default": math.NaN(), "it's other": math.NaN()})

	// The filters filter, and quoting holds.
	experience := readDashboard(t, Root+"ops/grafana/dashboards/experience.json").queries()
	only := func(title string) figure {
		for _, q := range experience {
			if q.title == title {
				_, rows := g.ask(t, q.sql)
				return figure{t, title + ", filtered", rows}
			}
		}
		t.Fatal(title)
		return figure{}
	}
	g.variables["page"], g.variables["kind"] = []string{"/checkout"}, []string{"rage_click"}
	only("Signals").is(total(visits, func(v visit) (n float64) {
		for _, s := range v.signals {
			if s.kind == "rage_click" && strings.Contains(s.url, "/checkout") {
				n++
			}
		}
		return n
	}))
	g.variables["page"] = []string{"it's not a page"}
	only("Signals").is(0)
}

func openStore(t *testing.T) (*store.Store, string) {
	t.Helper()
	cfg := store.Default()
	cfg.URL = enginetest.TestClickHouse(t)
	st, err := store.Open(t.Context(), cfg, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	return st, cfg.URL
}

// before is the visits by so much earlier, under other ids.
func before(visits []visit, by time.Duration) []visit {
	var earlier []visit
	for _, v := range visits {
		v.id = "earlier-" + v.id
		v.events, v.signals = slices.Clone(v.events), slices.Clone(v.signals)
		for i := range v.events {
			v.events[i].ts -= by.Milliseconds()
		}
		for i := range v.signals {
			v.signals[i].id, v.signals[i].ts = "earlier-"+v.signals[i].id, v.signals[i].ts-by.Milliseconds()
		}
		earlier = append(earlier, v)
	}
	return earlier
}

// Alert rules in Grafana ask ClickHouse too.
func TestGrafanaAlertRules(t *testing.T) {
	var file struct {
		Groups []struct {
			Rules []struct {
				UID, Title, Condition string
				Annotations           map[string]string
				Data                  []struct {
					RefID             string                 `yaml:"refId"`
					DatasourceUID     string                 `yaml:"datasourceUid"`
					RelativeTimeRange struct{ From, To int } `yaml:"relativeTimeRange"`
					Model             struct {
						RawSQL     string `yaml:"rawSql"`
						Expression string
						Type       string
					}
				}
			}
		}
	}
	text, err := os.ReadFile(Root + "ops/grafana/provisioning/alerting/gosight.yml")
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	st, engine := openStore(t)
	now := time.Now()
	insert(t, st, "default", generate(30, now.Add(-40*time.Minute).UnixMilli(), now.Add(-20*time.Minute).UnixMilli()))
	for _, rule := range file.Groups[0].Rules {
		refs := map[string]bool{}
		for _, query := range rule.Data {
			if query.DatasourceUID != "__expr__" {
				g := grafanaEnd{url: engine, from: now.Add(-time.Duration(query.RelativeTimeRange.From) * time.Second), to: now}
				if _, rows := g.ask(t, query.Model.RawSQL); len(rows) == 0 {
					t.Errorf("%s: no figure to judge", rule.Title)
				}
			} else if !refs[query.Model.Expression] {
				t.Errorf("%s: %s judges %q, which is no query before it", rule.Title, query.RefID, query.Model.Expression)
			}
			refs[query.RefID] = true
		}
		if !refs[rule.Condition] || rule.UID == "" || rule.Annotations["summary"] == "" {
			t.Errorf("%s is not complete", rule.Title)
		}
	}
}

// Dashboards and alert rules know the data sources by uid; the variables of provisioning are set in compose.
func TestProvisionedDataSourcesAreTheOnesThatAreUsed(t *testing.T) {
	text, err := os.ReadFile(Root + "ops/grafana/provisioning/datasources/gosight.yml")
	if err != nil {
		t.Fatal(err)
	}
	service := readCompose(t).Services["grafana"]
	for _, name := range regexp.MustCompile(`\$([A-Z_]+)`).FindAllStringSubmatch(string(text), -1) {
		if service.Environment[name[1]] == "" && name[1] != "VARIABLES" {
			t.Errorf("the service grafana has no %s", name[1])
		}
	}
	files, _ := filepath.Glob(Root + "ops/grafana/dashboards/*.json")
	files = append(files, Root+"ops/grafana/provisioning/alerting/gosight.yml")
	for _, file := range files {
		used, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, uid := range regexp.MustCompile(`gosight-(clickhouse|prometheus)\b`).FindAllString(string(used), -1) {
			if !strings.Contains(string(text), "uid: "+uid+"\n") {
				t.Errorf("%s uses %s, which is not provisioned", file, uid)
			}
		}
	}
}
