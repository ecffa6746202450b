package store_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gosight/gosight/aggregator/store"
	"github.com/gosight/gosight/ops/engines/enginetest"
	"github.com/prometheus/client_golang/prometheus"
)

func clusterConfig() store.Config {
	cfg := store.Default()
	cfg.Cluster = "gosight"
	return cfg
}

// openCluster opens a store on a cluster of one shard, which is as much as one engine can be.
func openCluster(t *testing.T) *store.Store {
	t.Helper()
	cfg := clusterConfig()
	cfg.URL = enginetest.TestClickHouseCluster(t, cfg.Cluster)
	s, err := store.New(cfg, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	s.OnShardsOnly()
	for range 2 { // the second finds all there
		if err := s.Migrate(context.Background()); err != nil {
			t.Fatal(err)
		}
		if err := s.ApplyRetention(context.Background(), store.ProjectDays{}); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// The guarantees hold in both forms, each on a store of its own: what is inserted and asked is the same, Distributed or not.
var guarantees = []struct {
	name string
	hold func(*testing.T, *store.Store)
}{
	{"the schema is exact under repeats", schemaIsExactUnderRepeats},
	{"the centre stands over the edge, retracted vanishes", centreStandsOverEdgeAndRetractedVanishes},
	{"parts of a replay join in order", replayPartsJoinInOrder},
	{"every question has an answer", questionsAreAnswered},
	{"session days say what the ledger says", sessionDaysSayWhatTheLedgerSays},
	{"sessions are found by any filter", sessionsAreFoundByAnyFilter},
	{"a forgotten project is still the reader's", aForgottenProjectIsStillTheReaders},
	{"retention is each project's, and frees the disk", retentionIsEachProjects},
	{"the audit log is paged without gaps", auditLogIsPagedWithoutGaps},
	{"an erased user is nowhere", anErasedUserIsNowhere},
}

func TestOnOneServer(t *testing.T) {
	for _, g := range guarantees {
		t.Run(g.name, func(t *testing.T) { g.hold(t, open(t, enginetest.TestClickHouse(t))) })
	}
}

func TestOnACluster(t *testing.T) {
	for _, g := range guarantees {
		t.Run(g.name, func(t *testing.T) { g.hold(t, openCluster(t)) })
	}
	s := openCluster(t)
	schemaIsExactUnderRepeats(t, s)
	for query, want := range map[string]uint64{
		"SELECT count() FROM system.tables WHERE database = 'gosight' AND name = 'events' AND engine = 'Distributed'": 1,
		"SELECT toUInt64(count() > 0) FROM events_local":                                                              1,
		"SELECT toUInt64(count() > 0) FROM sessions_local":                                                            1,
		// Nothing waits on the server that took an insert.
		"SELECT toUInt64(sum(data_files)) FROM system.distribution_queue":                                          0,
		"SELECT count() FROM system.tables WHERE name = 'events_local' AND engine_full LIKE '%toIntervalDay(90)%'": 1,
	} {
		if got := number(t, s, query); got != want {
			t.Errorf("%s = %d, want %d", query, got, want)
		}
	}
}

// What is run on a cluster of many shards and replicas cannot be run here: its text is looked at instead.
// UPDATE=1 writes it anew, to be read and committed.
func TestClusterDDL(t *testing.T) {
	const golden = "testdata/cluster.golden.sql"
	got, err := store.ClusterDDL(clusterConfig())
	if err != nil {
		t.Fatal(err)
	}
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the cluster's schema is not %s: run UPDATE=1 go test ./aggregator/store -run ClusterDDL and read the difference", golden)
	}
}

func TestLaterMigrationsHaveAClusterForm(t *testing.T) {
	for statement, want := range map[string][]string{
		"ALTER TABLE events ADD COLUMN IF NOT EXISTS referrer String": {
			"ALTER TABLE events_local ON CLUSTER gosight ADD COLUMN IF NOT EXISTS referrer String",
			"ALTER TABLE events ON CLUSTER gosight ADD COLUMN IF NOT EXISTS referrer String"},
		"ALTER TABLE events ADD INDEX IF NOT EXISTS i x TYPE minmax": {
			"ALTER TABLE events_local ON CLUSTER gosight ADD INDEX IF NOT EXISTS i x TYPE minmax"},
		"ALTER TABLE known_values ADD COLUMN n UInt8": {"ALTER TABLE known_values ON CLUSTER gosight ADD COLUMN n UInt8"},
		"ALTER TABLE sessions_from_events MODIFY QUERY SELECT 1 FROM events GROUP BY project": {
			"ALTER TABLE sessions_from_events ON CLUSTER gosight MODIFY QUERY SELECT 1 FROM events_local AS events GROUP BY project"},
		"DROP TABLE IF EXISTS events": {
			"DROP TABLE IF EXISTS events ON CLUSTER gosight SYNC", "DROP TABLE IF EXISTS events_local ON CLUSTER gosight SYNC"},
		"OPTIMIZE TABLE events": nil,
	} {
		got, err := store.ClusterForm(clusterConfig(), statement)
		if strings.Join(got, "\n") != strings.Join(want, "\n") || (err == nil) != (want != nil) {
			t.Errorf("%s becomes\n%q, %v; want\n%q", statement, got, err, want)
		}
	}
}

// questionsAreAnswered asks what joins tables: each has to be allowed, and to find the visit.
func questionsAreAnswered(t *testing.T, s *store.Store) {
	now := time.Now().UnixMilli()
	events, signals := store.NewEventRows(), store.NewSignalRows()
	for i := range 10 {
		row := clickRow("s", fmt.Sprintf("e%d", i), now+int64(i)*1000)
		row.Project = "asked"
		events.Append(&row)
	}
	signals.Append(&store.SignalRow{Project: "asked", SessionID: "s", SignalID: "a", Kind: "rage_click", TS: now,
		FirstEventID: "e0", URL: "https://shop.example/cart?step=2", Selector: "#buy", Count: 6, DetectedBy: store.Centre, Final: true})
	for range 2 {
		if err := errors.Join(s.InsertEvents(t.Context(), events), s.InsertSignals(t.Context(), signals)); err != nil {
			t.Fatal(err)
		}
	}
	r, ctx := s.Reader("asked"), t.Context()
	from, to, page := now-3_600_000, now+3_600_000, "https://shop.example/cart"
	visits, _, err := r.Sessions(ctx, store.SessionFilter{From: from, To: to, Page: "cart", Kinds: []string{"rage_click"}, Limit: 10})
	if err != nil || len(visits) != 1 || visits[0].Events != 10 {
		t.Errorf("visits: %+v, %v", visits, err)
	}
	for question, ask := range map[string]func() (any, error){
		"facets":    func() (any, error) { return r.Facets(ctx, from, to) },
		"top pages": func() (any, error) { return r.TopPages(ctx, from, to) },
		"insights": func() (any, error) {
			return r.Insights(ctx, store.InsightFilter{From: from, To: to, BucketMS: 60_000})
		},
		"heatmap": func() (any, error) {
			return r.Heatmap(ctx, store.HeatFilter{From: from, To: to, Page: page, Kind: "rage_click"})
		},
		"funnel": func() (any, error) {
			return r.Funnel(ctx, store.FunnelFilter{From: from, To: to, WindowMS: 60_000, Steps: []store.FunnelStep{{Kind: "page", Match: page}}})
		},
		"paths":     func() (any, error) { return r.Paths(ctx, store.PathFilter{From: from, To: to, Page: page, Steps: 3}) },
		"retention": func() (any, error) { return r.Retention(ctx, from, to) },
		"alert": func() (any, error) {
			return r.MatchAlert(ctx, store.AlertFilter{Kind: "rage_click", From: from, To: to}, 1)
		},
		"visit":   func() (any, error) { return r.Session(ctx, "s") },
		"signals": func() (any, error) { return r.Signals(ctx, "s") },
		"notes":   func() (any, error) { return r.Annotations(ctx, from, to) },
		"export": func() (any, error) {
			return nil, r.ExportSessions(ctx, store.SessionFilter{From: from, To: to, Kinds: []string{"rage_click"}}, "csv", io.Discard)
		},
	} {
		if answer, err := ask(); err != nil {
			t.Errorf("%s: %v", question, err)
		} else {
			t.Logf("%s: %.200s", question, fmt.Sprintf("%+v", answer))
		}
	}
}
