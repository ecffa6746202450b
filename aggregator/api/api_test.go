package api

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gosight/gosight/aggregator/access"
	"github.com/gosight/gosight/aggregator/store"
	"github.com/gosight/gosight/ops/engines/enginetest"
)

func openStore(t testing.TB) *store.Store {
	t.Helper()
	cfg := store.Default()
	cfg.URL = enginetest.TestClickHouse(t)
	cfg.EventDays, cfg.ReplayDays = 0, 0
	st, err := store.Open(context.Background(), cfg, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	return st
}

// keeperOf keeps the registry in the store, or in nothing where there is none.
func keeperOf(t testing.TB, st *store.Store) *access.Keeper {
	t.Helper()
	return keeperWith(t, st, "")
}

// keeperWith has a mounted file too, with this text.
func keeperWith(t testing.TB, st *store.Store, file string) *access.Keeper {
	t.Helper()
	cfg := access.Default()
	if file != "" {
		cfg.File = filepath.Join(t.TempDir(), "registry.yaml")
		if err := os.WriteFile(cfg.File, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	keeper, err := access.New(cfg, st, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return keeper
}

func serve(t testing.TB, st *store.Store, change func(*Config)) *httptest.Server {
	t.Helper()
	return serveWith(t, st, keeperOf(t, st), change)
}

func serveWith(t testing.TB, st *store.Store, keeper *access.Keeper, change func(*Config)) *httptest.Server {
	t.Helper()
	cfg := Default()
	cfg.AllowLoopback = true
	cfg.LivePoll = 100 * time.Millisecond
	if change != nil {
		change(&cfg)
	}
	s, err := New(cfg, st, keeper, prometheus.NewRegistry(), slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s.Handler())
	t.Cleanup(server.Close)
	t.Cleanup(s.close)
	return server
}

// fetch gets path as a T; it fails the test unless the status is as wanted.
func fetch[T any](t testing.TB, server *httptest.Server, path string, status int) T {
	t.Helper()
	res, err := http.Get(server.URL + base + path)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != status {
		t.Fatalf("GET %s: status %d, want %d: %s", path, res.StatusCode, status, body)
	}
	var out T
	if err := json.Unmarshal(body, &out); err != nil {
		t.Fatalf("GET %s: %v: %s", path, err, body)
	}
	return out
}

type sessionList struct {
	Sessions   []store.Session
	NextCursor string `json:"next_cursor"`
}

func TestAnswers(t *testing.T) {
	st := openStore(t)
	seeds := newSeeder(t)
	// An hour ago to the millisecond: nothing of it is live.
	end := time.Now().Add(-time.Hour).Truncate(time.Millisecond)
	seeds.seed(t.Context(), st, 120, end, 11*time.Minute)
	server := serve(t, st, nil)
	truth := seeds.truth

	t.Run("sessions are paged in order and exact", func(t *testing.T) {
		var got []store.Session
		cursor := ""
		for {
			page := fetch[sessionList](t, server, "/sessions?limit=50&cursor="+url.QueryEscape(cursor), 200)
			got = append(got, page.Sessions...)
			if cursor = page.NextCursor; cursor == "" {
				break
			}
		}
		if len(got) != len(truth.order) {
			t.Fatalf("%d sessions, want %d", len(got), len(truth.order))
		}
		for i, s := range got {
			want := *truth.sessions[truth.order[i]]
			if len(s.Activity) != 24 {
				t.Fatalf("activity has %d buckets", len(s.Activity))
			}
			s.Activity = nil
			if !reflect.DeepEqual(s, want) {
				t.Fatalf("session %d:\n got %+v\nwant %+v", i, s, want)
			}
		}
	})
	count := func(pred func(*store.Session) bool) (n int) {
		for _, s := range truth.sessions {
			if pred(s) {
				n++
			}
		}
		return n
	}
	filters := map[string]func(*store.Session) bool{
		"kind=rage_click":                     func(s *store.Session) bool { return s.Signals["rage_click"] > 0 },
		"kind=rage_click&kind=dead_click":     func(s *store.Session) bool { return s.Signals["rage_click"] > 0 && s.Signals["dead_click"] > 0 },
		"country=VN":                          func(s *store.Session) bool { return s.Country == "VN" },
		"country=VN&country=DE&device=mobile": func(s *store.Session) bool { return (s.Country == "VN" || s.Country == "DE") && s.Device == "mobile" },
		"browser=Safari":                      func(s *store.Session) bool { return s.Browser == "Safari" },
		"user=linh":                           func(s *store.Session) bool { return s.UserID == "linh@example.com" },
		"user=visit-0003":                     func(s *store.Session) bool { return s.SessionID[:10] == "visit-0003" },
		"min_duration_ms=60000":               func(s *store.Session) bool { return s.EndedAt-s.StartedAt >= 60000 },
		"max_duration_ms=60000":               func(s *store.Session) bool { return s.EndedAt-s.StartedAt <= 60000 },
		"errors=true":                         func(s *store.Session) bool { return s.Errors > 0 },
		"live=true":                           func(s *store.Session) bool { return false },
		"error=order.id":                      func(s *store.Session) bool { return s.Errors > 0 },
		"error=nothing+like+it":               func(s *store.Session) bool { return false },
		"page=/CHECKOUT&errors=true":          func(s *store.Session) bool { return s.Errors > 0 },
		fmt.Sprintf("from=%d", end.Add(-2*time.Hour).UnixMilli()): func(s *store.Session) bool {
			return s.EndedAt >= end.Add(-2*time.Hour).UnixMilli()
		},
		fmt.Sprintf("to=%d", end.Add(-2*time.Hour).UnixMilli()): func(s *store.Session) bool {
			return s.StartedAt <= end.Add(-2*time.Hour).UnixMilli()
		},
		"project=other": func(s *store.Session) bool { return false },
	}
	for query, pred := range filters {
		t.Run("sessions?"+query, func(t *testing.T) {
			page := fetch[sessionList](t, server, "/sessions?limit=200&"+query, 200)
			if got, want := len(page.Sessions), count(pred); got != want {
				t.Errorf("%d sessions, want %d", got, want)
			}
			for _, s := range page.Sessions {
				if !pred(truth.sessions[s.SessionID]) {
					t.Errorf("session %s does not match", s.SessionID)
				}
			}
		})
	}

	t.Run("session", func(t *testing.T) {
		got := fetch[struct {
			Session store.Session
			Signals []store.Signal
			Pages   []store.PageVisit
		}](t, server, "/sessions/visit-00000", 200)
		if got.Session.Events != truth.sessions["visit-00000"].Events || len(got.Signals) != 3 || len(got.Pages) != 2 {
			t.Fatalf("got %+v", got)
		}
		rage := got.Signals[1]
		if rage.Kind != "rage_click" || rage.Count != 7 || rage.DetectedBy != "centre" || rage.Selector != "#pay" {
			t.Errorf("signal %+v", rage)
		}
		if got.Pages[1].URL != shop+"/checkout" {
			t.Errorf("page %+v", got.Pages[1])
		}
	})
	t.Run("events", func(t *testing.T) {
		type list struct {
			Events     []store.Event
			NextCursor string `json:"next_cursor"`
		}
		var got []store.Event
		cursor := ""
		for {
			page := fetch[list](t, server, "/sessions/visit-00000/events?limit=7&cursor="+url.QueryEscape(cursor), 200)
			got = append(got, page.Events...)
			if cursor = page.NextCursor; cursor == "" {
				break
			}
		}
		want := int(truth.sessions["visit-00000"].Events) - len(seeds.fixture.Events)
		if len(got) != want {
			t.Fatalf("%d events, want %d", len(got), want)
		}
		for i := 1; i < len(got); i++ {
			if got[i].TS < got[i-1].TS {
				t.Fatal("events out of order")
			}
		}
		clicks := fetch[list](t, server, "/sessions/visit-00000/events?type=click", 200)
		if len(clicks.Events) != int(truth.sessions["visit-00000"].Clicks) {
			t.Errorf("%d clicks", len(clicks.Events))
		}
	})
	t.Run("replay", func(t *testing.T) { testReplay(t, server, seeds) })
	t.Run("facets", func(t *testing.T) {
		got := fetch[store.Facets](t, server, "/facets", 200)
		if got.Sessions != 120 || got.Live != 0 {
			t.Errorf("sessions %d live %d", got.Sessions, got.Live)
		}
		for _, v := range got.Countries {
			if want := count(func(s *store.Session) bool { return s.Country == v.Value }); int(v.Sessions) != want {
				t.Errorf("country %s: %d, want %d", v.Value, v.Sessions, want)
			}
		}
		if len(got.Errors) != 1 || int(got.Errors[0].Sessions) != count(func(s *store.Session) bool { return s.Errors > 0 }) {
			t.Errorf("errors %+v", got.Errors)
		}
		for _, v := range got.Kinds {
			if want := count(func(s *store.Session) bool { return s.Signals[v.Value] > 0 }); int(v.Sessions) != want {
				t.Errorf("kind %s: %d, want %d", v.Value, v.Sessions, want)
			}
		}
	})
	t.Run("maps", func(t *testing.T) { testMaps(t, server, seeds, end) })
	t.Run("paths, retention, exports", func(t *testing.T) { testJourneys(t, server, truth, end) })
	t.Run("saved", func(t *testing.T) { testSaved(t, server, end) })
	t.Run("fleet", func(t *testing.T) { testFleet(t, server) })
	t.Run("insights", func(t *testing.T) { testInsights(t, server, truth, end) })
}

func testReplay(t *testing.T, server *httptest.Server, seeds *seeder) {
	type chunk struct {
		Events []struct {
			Type      int
			Timestamp int64
			Data      json.RawMessage
		}
		NextCursor string `json:"next_cursor"`
		Incomplete int
	}
	var data []string
	read := func(query string) (types []int, times []int64) {
		data = nil
		cursor := ""
		for {
			c := fetch[chunk](t, server, "/sessions/visit-00000/replay?limit=20&cursor="+url.QueryEscape(cursor)+query, 200)
			for _, ev := range c.Events {
				types, times, data = append(types, ev.Type), append(times, ev.Timestamp), append(data, string(ev.Data))
			}
			if c.Incomplete != 0 {
				t.Errorf("%d incomplete", c.Incomplete)
			}
			if cursor = c.NextCursor; cursor == "" {
				return types, times
			}
		}
	}
	types, times := read("")
	if len(types) != len(seeds.fixture.Events) || types[0] != 4 || types[1] != 2 {
		t.Fatalf("%d events, beginning %v", len(types), types[:2])
	}
	for i, raw := range seeds.fixture.Events {
		var want struct{ Data map[string]any }
		if err := json.Unmarshal(raw, &want); err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(want.Data)
		if err != nil {
			t.Fatal(err)
		}
		if data[i] != string(text) {
			t.Fatalf("event %d is %.100s, want %.100s: not in the recorder's order", i, data[i], text)
		}
	}
	// A moment in the middle needs its snapshot: here that is the first.
	if again, _ := read(fmt.Sprintf("&from=%d", times[90])); len(again) != len(types) || again[0] != 4 {
		t.Errorf("from the middle: %d events", len(again))
	}
}

func testInsights(t *testing.T, server *httptest.Server, truth truth, end time.Time) {
	to := end.Add(time.Minute).UnixMilli()
	from := end.Add(-48 * time.Hour).UnixMilli()
	got := fetch[store.Insights](t, server, fmt.Sprintf("/insights?from=%d&to=%d&bucket_ms=3600000", from, to), 200)
	if len(got.Series) != len(truth.byKind) {
		t.Errorf("%d kinds, want %d", len(got.Series), len(truth.byKind))
	}
	for _, s := range got.Series {
		var sum uint64
		for _, p := range s.Points {
			sum += p.Count
			if p.T%3600000 != 0 {
				t.Errorf("bucket at %d", p.T)
			}
		}
		if s.Total != truth.byKind[s.Kind] || sum != s.Total || s.Previous != 0 {
			t.Errorf("%s: total %d, points %d, previous %d, want %d", s.Kind, s.Total, sum, s.Previous, truth.byKind[s.Kind])
		}
	}
	for _, p := range got.Pages {
		if want := truth.byPage[p.Kind+" "+p.URL]; p.Count != want {
			t.Errorf("%s on %s: %d, want %d", p.Kind, p.URL, p.Count, want)
		}
	}
	affected := 0
	for _, s := range truth.sessions {
		if len(s.Signals) > 0 {
			affected++
		}
	}
	if got.Visits != 120 || int(got.Affected) != affected {
		t.Errorf("visits %d affected %d, want 120 and %d", got.Visits, got.Affected, affected)
	}
	if e := got.Elements[0]; e.Selector != "#pay" || truth.sessions[e.Example.SessionID].Signals[e.Kind] == 0 {
		t.Errorf("worst element %+v", e)
	}
	later := fetch[store.Insights](t, server, fmt.Sprintf("/insights?from=%d&to=%d", to, to+(to-from)), 200)
	for _, s := range later.Series {
		if s.Total != 0 || s.Previous != truth.byKind[s.Kind] {
			t.Errorf("next period: %s total %d previous %d", s.Kind, s.Total, s.Previous)
		}
	}
}
