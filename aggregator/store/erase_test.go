package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gosight/gosight/aggregator/store"
	"github.com/gosight/gosight/internal/registry"
)

// holding are the tables that have a text in any of their columns.
func holding(t *testing.T, s *store.Store, text string) (tables []string) {
	t.Helper()
	rows, err := s.Conn().Query(t.Context(), `SELECT name FROM system.tables
		WHERE database = 'gosight' AND engine LIKE '%MergeTree' ORDER BY name`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var table string
		if err := rows.Scan(&table); err != nil {
			t.Fatal(err)
		}
		if number(t, s, "SELECT count() FROM "+table+" WHERE position(toString(tuple(*)), '"+text+"') > 0") > 0 {
			tables = append(tables, strings.TrimSuffix(table, "_local"))
		}
	}
	return tables
}

// anErasedUserIsNowhere: not where users are named, not where only their sessions are, not among the values that only
// they had; and nobody else is touched.
func anErasedUserIsNowhere(t *testing.T, s *store.Store) {
	now, ctx := time.Now().UnixMilli(), t.Context()
	events, signals, replay := store.NewEventRows(), store.NewSignalRows(), store.NewReplayRows()
	visit := func(project, user, session, page string) {
		for i := range 5 {
			row := clickRow(session, fmt.Sprintf("%s-%d", session, i), now+int64(i)*1000)
			row.Project, row.URL = project, page
			if i > 1 { // who it is was not known before
				row.UserID = user
			}
			events.Append(&row)
		}
		replay.Append(&store.ReplayRow{Project: project, SessionID: session, EventID: session + "-r", Kind: "mutation",
			Parts: 1, TS: now, ReceivedAt: now, Data: `{"type":3}`})
	}
	visit("default", "zoe", "session-a", "https://shop.example/of/zoe?tab=1")
	visit("default", "zoe", "session-b", "https://shop.example/cart")
	visit("default", "ann", "session-c", "https://shop.example/cart")
	visit("default", "ann", "session-d", "https://shop.example/of/ann")
	visit("other", "zoe-there", "session-a", "https://other.example/")
	// What is left where events are kept for fewer days than signals.
	signals.Append(&store.SignalRow{Project: "default", SessionID: "session-e", SignalID: "x", Kind: "rage_click", TS: now,
		UserID: "zoe", FirstEventID: "e0", DetectedBy: store.Centre, Final: true})
	err := errors.Join(s.InsertEvents(ctx, events), s.InsertReplay(ctx, replay), s.InsertSignals(ctx, signals),
		s.Audit(ctx, store.AuditEntry{At: now, Project: "default", Actor: "boss", Action: "replay.read", Subject: "session-a"}))
	if err != nil {
		t.Fatal(err)
	}

	if got := strings.Join(holding(t, s, "session-a"), " "); got != "audit events page_views replay session_days sessions" {
		t.Fatalf("before, session-a is in %s", got)
	}
	sessions, err := s.SessionsOf(ctx, "default", "zoe")
	if err != nil || !slices.Equal(sessions, []string{"session-a", "session-b", "session-e"}) {
		t.Fatalf("zoe's sessions: %v, %v", sessions, err)
	}
	const others = "SELECT count() FROM (SELECT session_id FROM events FINAL UNION ALL SELECT session_id FROM replay FINAL)"
	before := number(t, s, others+" WHERE session_id IN ('session-c', 'session-d')")
	var told bytes.Buffer
	if err := s.ExportSessionsWhole(ctx, "default", sessions, &told); err != nil || !strings.Contains(told.String(), "zoe?tab=1") {
		t.Errorf("the export says %.500s, %v", told.String(), err)
	}
	removed, err := s.Erase(ctx, "default", sessions)
	if err != nil {
		t.Fatal(err)
	}
	t.Log("removed", removed)
	for table, want := range map[string]uint64{"events": 10, "replay": 2, "signals": 1, "known_values": 1} {
		if removed[table] != want {
			t.Errorf("%d rows were removed from %s, want %d", removed[table], table, want)
		}
	}
	for text, want := range map[string][]string{
		"session-b": nil, "session-e": nil, "of/zoe": nil,
		"session-a":     {"events", "page_views", "replay", "session_days", "sessions"}, // the other project's
		"zoe-there":     {"events", "session_days", "sessions"},
		"of/ann":        {"events", "known_values", "page_views", "sessions"},
		"example/cart":  {"events", "known_values", "page_views", "sessions"},
		"boss":          {"audit"},
		"other.example": {"events", "known_values", "page_views", "sessions"},
		"session-d-3":   {"events"},
	} {
		if got := holding(t, s, text); !slices.Equal(got, want) {
			t.Errorf("%s is in %v, want %v", text, got, want)
		}
	}
	if left := number(t, s, "SELECT count() FROM events WHERE project = 'default' AND (user_id = 'zoe' OR session_id = 'session-a')"); left != 0 {
		t.Errorf("%d of zoe's events are left", left)
	}
	if after := number(t, s, others+" WHERE session_id IN ('session-c', 'session-d')"); after != before {
		t.Errorf("others have %d rows, and had %d", after, before)
	}
	// The log still says that a replay was read, and whoever knows the session finds it.
	mark := string(registry.SessionTombstone("default", "session-a"))
	if n := number(t, s, "SELECT count() FROM audit WHERE action = 'replay.read' AND subject = '"+mark+"'"); n != 1 {
		t.Errorf("%d readings under the tombstone, want 1", n)
	}
	if log, err := s.Reader("default").AuditLog(ctx, now+1000, "session-a", 10); err != nil || len(log) != 1 {
		t.Errorf("the log of session-a is %v, %v", log, err)
	}
	if again, err := s.Erase(ctx, "default", sessions); err != nil || len(again) > 0 {
		t.Errorf("once more: %v, %v", again, err)
	}
}

// What is sent to a cluster of many servers cannot be run here, its text can be looked at.
func TestErasingReachesEveryShard(t *testing.T) {
	for table, want := range map[string]string{
		"events":       "ALTER TABLE events_local ON CLUSTER gosight DELETE WHERE 1",
		"known_values": "ALTER TABLE known_values DELETE WHERE 1",
	} {
		if got, err := store.ClusterMutation(clusterConfig(), table, "DELETE WHERE 1"); err != nil || got != want {
			t.Errorf("%s: %q, %v; want %q", table, got, err, want)
		}
	}
}
