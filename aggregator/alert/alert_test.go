package alert_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/gosight/gosight/aggregator/alert"
	"github.com/gosight/gosight/aggregator/store"
	"github.com/gosight/gosight/ops/engines/enginetest"
)

func openStore(t *testing.T) *store.Store {
	t.Helper()
	cfg := store.Default()
	cfg.URL = enginetest.TestClickHouse(t)
	s, err := store.Open(t.Context(), cfg, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func rulesFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

type delivery struct {
	message   alert.Message
	body      []byte
	signature string
}

// receiver takes alerts after it has refused the first few with 503.
func receiver(t *testing.T, failures int) (url string, taken chan delivery) {
	t.Helper()
	taken = make(chan delivery, 100)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if failures > 0 { // posts of one rule come one after the other
			failures--
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		d := delivery{signature: r.Header.Get(alert.SignatureHeader)}
		var err error
		if d.body, err = io.ReadAll(r.Body); err != nil {
			t.Error(err)
		}
		if err := json.Unmarshal(d.body, &d.message); err != nil {
			t.Errorf("%v in %s", err, d.body)
		}
		taken <- d
	}))
	t.Cleanup(server.Close)
	return server.URL, taken
}

// watch runs a watcher, as after a start of the program, and returns its metrics and what stops it.
func watch(t *testing.T, st *store.Store, rules string) (*prometheus.Registry, func()) {
	t.Helper()
	cfg := alert.Default()
	cfg.Rules, cfg.Every, cfg.PublicURL = rules, 20*time.Millisecond, "https://gosight.example/"
	reg := prometheus.NewRegistry()
	w, err := alert.New(cfg, st, reg, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	stop := func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		done <- nil
	}
	t.Cleanup(stop)
	return reg, stop
}

func insert(t *testing.T, st *store.Store, n int, change func(i int, row *store.SignalRow)) {
	t.Helper()
	rows := store.NewSignalRows()
	now := time.Now().UnixMilli()
	for i := range n {
		row := store.SignalRow{Project: "default", SessionID: fmt.Sprintf("s%d", i%3), SignalID: fmt.Sprintf("a%d", i),
			Kind: "rage_click", TS: now - 10_000 + int64(i), ReceivedAt: now, URL: "https://shop.example/checkout?step=2",
			Selector: "#pay", DetectedBy: store.Centre, Revision: 1}
		if change != nil {
			change(i, &row)
		}
		rows.Append(&row)
	}
	if err := st.InsertSignals(t.Context(), rows); err != nil {
		t.Fatal(err)
	}
}

// result waits until evaluations have come to a result at least n times.
func result(t *testing.T, reg *prometheus.Registry, name, label string, n float64) {
	t.Helper()
	deadline := time.Now().Add(60 * time.Second)
	for {
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, family := range families {
			for _, m := range family.GetMetric() {
				if family.GetName() == name && m.GetLabel()[0].GetValue() == label && m.GetCounter().GetValue() >= n {
					return
				}
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s{%s} did not reach %g", name, label, n)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

const evaluations, posts = "gosight_alert_evaluations_total", "gosight_alert_posts_total"

func TestAlertIsPostedOnceThroughFailuresAndRestarts(t *testing.T) {
	st := openStore(t)
	url, taken := receiver(t, 2)
	t.Setenv("TEST_ALERT_SECRET", "a secret of the tests")
	rules := rulesFile(t, `rules:
  - {name: checkout, kind: rage_click, page: /checkout, selector: "#pay", count: 4, window: 10m, cooldown: 1h,
     webhook: "`+url+`", secret_env: TEST_ALERT_SECRET}
`)
	reg, stop := watch(t, st, rules)

	// Three that count, and others that do not: another page, element, kind, project; retracted; too old.
	insert(t, st, 3, nil)
	for _, change := range []func(row *store.SignalRow){
		func(row *store.SignalRow) { row.URL = "https://shop.example/cart/checkout" },
		func(row *store.SignalRow) { row.Selector = "#payment" },
		func(row *store.SignalRow) { row.Kind = "dead_click" },
		func(row *store.SignalRow) { row.Project = "other" },
		func(row *store.SignalRow) { row.Retracted = true },
		func(row *store.SignalRow) { row.TS -= 11 * 60_000 },
	} {
		insert(t, st, 5, func(i int, row *store.SignalRow) {
			row.SignalID = fmt.Sprintf("other%d-%p", i, change)
			change(row)
		})
	}
	result(t, reg, evaluations, "quiet", 3+testutil.ToFloat64(counter(t, reg, "quiet")))
	if len(taken) != 0 {
		t.Fatalf("posted %s with three signals of four", (<-taken).body)
	}

	insert(t, st, 4, nil)
	var got delivery
	select {
	case got = <-taken:
	case <-time.After(60 * time.Second):
		t.Fatal("nothing was posted")
	}
	m := got.message
	if m.Rule != "checkout" || m.Project != "default" || m.Signals != 4 || m.Sessions != 3 || len(m.Examples) != 3 {
		t.Errorf("posted %s", got.body)
	}
	if link := m.Examples[0].Link; !strings.HasPrefix(link, "https://gosight.example/sessions/s") {
		t.Errorf("link %q", link)
	}
	mac := hmac.New(sha256.New, []byte("a secret of the tests"))
	mac.Write(got.body)
	if want := "sha256=" + hex.EncodeToString(mac.Sum(nil)); got.signature != want {
		t.Errorf("signature %q, want %q", got.signature, want)
	}
	result(t, reg, posts, "busy", 2)

	// More signals, more evaluations, another start: the rule keeps quiet.
	insert(t, st, 9, nil)
	result(t, reg, evaluations, "cooling", 3)
	stop()
	again, _ := watch(t, st, rules)
	result(t, again, evaluations, "cooling", 3)
	if len(taken) != 0 {
		t.Errorf("posted again: %s", (<-taken).body)
	}
}

func counter(t *testing.T, reg *prometheus.Registry, label string) prometheus.Counter {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: "copy"})
	for _, family := range families {
		for _, m := range family.GetMetric() {
			if family.GetName() == evaluations && m.GetLabel()[0].GetValue() == label {
				c.Add(m.GetCounter().GetValue())
			}
		}
	}
	return c
}

func TestRefusedAlertStaysDue(t *testing.T) {
	st := openStore(t)
	asked := make(chan struct{}, 100)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNotFound)
		select {
		case asked <- struct{}{}:
		default:
		}
	}))
	t.Cleanup(server.Close)
	insert(t, st, 2, nil)
	reg, _ := watch(t, st, rulesFile(t, `rules: [{name: any, kind: rage_click, count: 1, window: 1h, webhook: "`+server.URL+`"}]`))
	result(t, reg, posts, "refused", 2) // one an evaluation: nothing was recorded as sent
	result(t, reg, evaluations, "failed", 2)
}

func TestRulesSayWhatIsWrong(t *testing.T) {
	for text, want := range map[string]string{
		``:                       "no rules",
		`rules: [{nam: x}]`:      "nam",
		`rules: [{kind: x}]`:     `rule 1: name is missing`,
		`rules: [{name: a}]`:     `rule "a": kind "": one of rage_click`,
		`rules: [{window: ten}]`: "ten",
		`rules: [{name: a, kind: rage_click, window: 1h}]`:                                                 "count must be above zero",
		`rules: [{name: a, kind: rage_click, count: 1, window: 1h, cooldown: 1m, webhook: "http://x"}]`:    "cooldown must be",
		`rules: [{name: a, kind: rage_click, count: 1, window: 48h, webhook: "http://x"}]`:                 "window must be",
		`rules: [{name: a, kind: rage_click, count: 1, window: 1h, webhook: "file:///etc"}]`:               "no http:// or https://",
		`rules: [{name: a, kind: rage_click, count: 1, window: 1h, webhook: "http://x", secret_env: NO_}]`: "NO_ is empty",
		`rules: [&a {name: a, kind: rage_click, count: 1, window: 1h, webhook: "http://x"}, *a]`:           "another rule of this name",
	} {
		if _, err := alert.Load(rulesFile(t, text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\ngives %v, want %q", text, err, want)
		}
	}
	rules, err := alert.Load(rulesFile(t, `rules: [{name: a, kind: dead_click, count: 1, window: 10m, webhook: "http://x"}]`))
	if err != nil || rules[0].Project != "default" || rules[0].Cooldown != 10*time.Minute {
		t.Errorf("%+v %v", rules, err)
	}
}
