package api

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/gosight/gosight/aggregator/store"
)

// span is the period of all seeded visits, as query parameters.
func span(end time.Time) string {
	return fmt.Sprintf("from=%d&to=%d", end.Add(-48*time.Hour).UnixMilli(), end.Add(time.Minute).UnixMilli())
}

func testJourneys(t *testing.T, server *httptest.Server, truth truth, end time.Time) {
	// Recorded visits go from the first page to the checkout, where they end.
	type links struct{ Links []store.PathLink }
	from := fetch[links](t, server, "/paths?steps=2&page="+shop+"/&"+span(end), 200)
	var onward, ended uint64
	for _, l := range from.Links {
		switch {
		case l.Step == 1 && l.From == shop+"/" && l.To == shop+"/checkout":
			onward = l.Sessions
		case l.Step == 2 && l.From == shop+"/checkout" && l.To == "":
			ended = l.Sessions
		case l.From == "":
			t.Errorf("a way that begins nowhere: %+v", l)
		}
	}
	var recorded uint64
	for _, s := range truth.sessions {
		if s.HasReplay {
			recorded++
		}
	}
	if onward < recorded || ended < recorded || onward > uint64(len(truth.sessions)) {
		t.Errorf("%d visits went on to the checkout and %d ended there, at least the %d recorded ones did", onward, ended, recorded)
	}
	to := fetch[links](t, server, "/paths?steps=1&direction=to&page="+shop+"/checkout&"+span(end), 200)
	var came uint64
	for _, l := range to.Links {
		if l.To != shop+"/checkout" || l.Step != 1 {
			t.Errorf("not a way to the checkout: %+v", l)
		}
		if l.From == shop+"/" {
			came = l.Sessions
		}
	}
	if came < recorded {
		t.Errorf("%d visits came to the checkout from the first page, want at least %d", came, recorded)
	}

	cohorts := fetch[struct{ Cohorts []store.Cohort }](t, server, "/retention?"+span(end), 200).Cohorts
	users := map[string]bool{}
	for _, s := range truth.sessions {
		if s.UserID != "" {
			users[s.UserID] = true
		}
	}
	var first uint64
	for _, c := range cohorts {
		first += c.Users
		if len(c.Weeks) == 0 || c.Weeks[0] != c.Users || time.UnixMilli(c.Week).UTC().Weekday() != time.Monday {
			t.Errorf("cohort %+v", c)
		}
	}
	if int(first) != len(users) {
		t.Errorf("%d users in the cohorts, want %d", first, len(users))
	}

	text := file(t, server, "/export/sessions?country=VN&format=csv", "text/csv")
	rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	vietnamese := 0
	for _, s := range truth.sessions {
		if s.Country == "VN" {
			vietnamese++
		}
	}
	if len(rows) != 1+vietnamese {
		t.Fatalf("%d lines of CSV, want %d", len(rows), 1+vietnamese)
	}
	column := map[string]int{}
	for i, name := range rows[0] {
		column[name] = i
	}
	for _, row := range rows[1:] {
		want, signals := truth.sessions[row[column["session_id"]]], uint64(0)
		for _, n := range want.Signals {
			signals += n
		}
		if row[column["events"]] != fmt.Sprint(want.Events) || row[column["clicks"]] != fmt.Sprint(want.Clicks) ||
			row[column["signals"]] != fmt.Sprint(signals) || row[column["entry_url"]] != want.EntryURL {
			t.Errorf("row %v, want %+v", row, want)
		}
	}
	var total uint64
	for _, n := range truth.byKind {
		total += n
	}
	lines := strings.Split(strings.TrimSpace(string(file(t, server, "/export/signals?format=ndjson&"+span(end), "application/x-ndjson"))), "\n")
	if len(lines) != int(total) || !json.Valid([]byte(lines[0])) {
		t.Errorf("%d lines of signals, want %d; the first is %s", len(lines), total, lines[0])
	}
	if parquet := file(t, server, "/sessions/visit-00000/export?format=parquet", "application/vnd.apache.parquet"); !bytes.HasPrefix(parquet, []byte("PAR1")) {
		t.Errorf("%q is no Parquet file", parquet[:min(len(parquet), 8)])
	}
	if empty := file(t, server, "/export/sessions?country=XX&format=ndjson", "application/x-ndjson"); len(empty) != 0 {
		t.Errorf("nobody is %q", empty)
	}
	fetch[struct{}](t, server, "/export/sessions?prop=a=1", 422)
}

func file(t *testing.T, server *httptest.Server, path, contentType string) []byte {
	t.Helper()
	response, err := http.Get(server.URL + base + path)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != 200 {
		t.Fatalf("%s: %s %s %v", path, response.Status, body, err)
	}
	if got := response.Header.Get("Content-Type"); !strings.HasPrefix(got, contentType) {
		t.Errorf("%s is %q, want %q", path, got, contentType)
	}
	return body
}

// change sends a body by a method, and expects a status.
func change(t *testing.T, server *httptest.Server, method, path, body, origin string, status int) {
	t.Helper()
	request, err := http.NewRequest(method, server.URL+base+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	if origin != "" {
		request.Header.Set("Origin", origin)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != status {
		text, _ := io.ReadAll(response.Body)
		t.Errorf("%s %s: %d, want %d: %s", method, path, response.StatusCode, status, text)
	}
}

func testSaved(t *testing.T, server *httptest.Server, end time.Time) {
	type list struct{ Segments []store.Segment }
	change(t, server, "PUT", "/segments/stuck", `{"name":"Stuck at the till","filter":"kind=rage_click&page=/checkout"}`, "", 204)
	change(t, server, "PUT", "/segments/stuck", `{"name":"Stuck","filter":"kind=rage_click"}`, "", 204)
	change(t, server, "PUT", "/segments/other", `{"name":"Others","filter":""}`, "", 204)
	change(t, server, "PUT", "/segments/evil", `{"name":"x","filter":""}`, "https://elsewhere.example", 403)
	change(t, server, "PUT", "/segments/bad", `{"name":"","filter":""}`, "", 422)
	change(t, server, "DELETE", "/segments/other", "", "", 204)
	got := fetch[list](t, server, "/segments", 200).Segments
	if len(got) != 1 || got[0].ID != "stuck" || got[0].Name != "Stuck" || got[0].Filter != "kind=rage_click" {
		t.Errorf("segments %+v", got)
	}
	if others := fetch[list](t, server, "/segments?project=other", 200).Segments; len(others) != 0 {
		t.Errorf("another project sees %+v", others)
	}
	at := end.Add(-time.Hour).UnixMilli()
	change(t, server, "PUT", "/annotations/sale", fmt.Sprintf(`{"at":%d,"title":"Sale begins"}`, at), "", 204)
	notes := fetch[struct{ Annotations []store.Annotation }](t, server, "/annotations?"+span(end), 200).Annotations
	if len(notes) != 1 || notes[0].At != at || notes[0].Kind != "note" || notes[0].Title != "Sale begins" {
		t.Errorf("annotations %+v", notes)
	}
	change(t, server, "DELETE", "/annotations/sale", "", "", 204)
	if notes := fetch[struct{ Annotations []store.Annotation }](t, server, "/annotations?"+span(end), 200).Annotations; len(notes) != 0 {
		t.Errorf("annotations after deletion %+v", notes)
	}
}

func testFleet(t *testing.T, server *httptest.Server) {
	got := fetch[struct {
		At      int64
		Agents  []store.AgentFlow
		Members []Member
		Tables  []store.TableSize
	}](t, server, "/fleet", 200)
	if len(got.Agents) != 1 || got.Agents[0].AgentID != "edge-1" || got.Agents[0].Region != "eu-central" || got.Agents[0].LastSeenAt == 0 {
		t.Errorf("agents %+v", got.Agents)
	}
	sizes := map[string]uint64{}
	for _, table := range got.Tables {
		sizes[table.Table] = table.Bytes
	}
	if sizes["events"] == 0 || sizes["replay"] == 0 {
		t.Errorf("tables %+v", got.Tables)
	}
}

// Two looks at a program's metrics give its rates, its queue and what it refused for which reason; a program that is
// away says so, and one that was started again has no negative rate.
func TestFleetLearnsFromMetrics(t *testing.T) {
	reg := prometheus.NewRegistry()
	accepted := prometheus.NewCounter(prometheus.CounterOpts{Name: "gosight_ingest_accepted_events_total"})
	refused := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "gosight_queue_refused_values_total"}, []string{"lane", "reason"})
	depth := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "gosight_queue_depth_bytes"}, []string{"lane"})
	disk := prometheus.NewGauge(prometheus.GaugeOpts{Name: "gosight_queue_disk_bytes"})
	reg.MustRegister(accepted, refused, depth, disk)
	program := httptest.NewServer(promhttp.HandlerFor(reg, promhttp.HandlerOpts{}))
	f := newMembers([]string{program.URL, program.URL})
	f.add(program.URL)
	if len(f.all) != 1 {
		t.Fatalf("%d members, want the one", len(f.all))
	}
	m := f.all[0]
	read := func(at time.Time) {
		t.Helper()
		families, err := f.read(t.Context(), m.Address)
		if err != nil {
			t.Fatal(err)
		}
		m.learn(families, at)
	}
	began := time.UnixMilli(1_790_000_000_000)
	accepted.Add(1000)
	read(began)
	accepted.Add(500)
	refused.WithLabelValues("replay", "full").Add(7)
	depth.WithLabelValues("events").Set(10)
	depth.WithLabelValues("replay").Set(32)
	read(began.Add(5 * time.Second))
	_, members := f.state()
	got := members[0]
	if !got.Up || got.Role != "agent" || got.Figures.AcceptedEvents != 100 || got.Figures.QueueBytes != 42 ||
		len(got.History) != 1 || len(got.Refusals) != 1 || got.Refusals[0] != (Refusal{Where: "queue_refused_values", Reason: "full, replay", Count: 7}) {
		t.Errorf("member %+v", got)
	}
	m.last["accepted"] = 1e9
	read(began.Add(10 * time.Second))
	if rate := m.Figures.AcceptedEvents; rate != 0 {
		t.Errorf("after a restart %v events a second", rate)
	}
	program.Close()
	f.look(t.Context(), m)
	if _, members := f.state(); members[0].Up || members[0].Problem == "" {
		t.Errorf("a program that is away: %+v", members[0])
	}
}
