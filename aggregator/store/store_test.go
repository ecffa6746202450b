package store_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/gosight/gosight/aggregator/store"
	"github.com/gosight/gosight/ops/engines/enginetest"
	"github.com/prometheus/client_golang/prometheus"
)

func open(t testing.TB, url string) *store.Store {
	t.Helper()
	cfg := store.Default()
	cfg.URL = url
	cfg.InsertTimeout = 5 * time.Minute // hundreds of partitions at once, on a machine that does other things
	s, err := store.Open(context.Background(), cfg, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// number runs a query that gives one UInt64.
func number(t testing.TB, s *store.Store, query string, args ...any) (n uint64) {
	t.Helper()
	if err := s.Conn().QueryRow(t.Context(), query, args...).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

func clickRow(session, id string, ts int64) store.EventRow {
	return store.EventRow{
		Project: "default", SessionID: session, EventID: id, EventType: "click", TS: ts, ReceivedAt: ts + 50,
		URL: "https://shop.example/cart?step=2", PageID: "p1", AgentID: "edge-1", Region: "eu", Country: "VN",
		City: "Hanoi", Browser: "Chrome", OS: "Linux", Device: "desktop", X: 10.5, Y: 20, ViewportWidth: 1280,
		Selector: "#buy", Text: "Buy", Metadata: []store.Pair{{Key: "tz", Value: "Asia/Ho_Chi_Minh"}},
		Payload: `{"x":10.5}`,
	}
}

func schemaIsExactUnderRepeats(t *testing.T, s *store.Store) {
	now := time.Now().UnixMilli()
	lastMonth := now - 40*24*3600*1000

	// The same 100 events four times: as they were; again; received a month earlier, so in another partition;
	// and with a clock that was shifted on the retry.
	for _, shift := range []struct{ ts, received int64 }{{0, now}, {0, now}, {0, lastMonth}, {3, now + 500}} {
		rows := store.NewEventRows()
		for i := range 100 {
			row := clickRow(fmt.Sprintf("s%d", i%5), fmt.Sprintf("e%d", i), now+int64(i)*1000+shift.ts)
			row.ReceivedAt = shift.received
			if i%2 == 1 {
				row.EventType = "scroll"
			}
			if i >= 50 {
				row.UserID = "linh"
			}
			rows.Append(&row)
		}
		if err := s.InsertEvents(t.Context(), rows); err != nil {
			t.Fatal(err)
		}
	}
	for query, want := range map[string]uint64{
		"SELECT count() FROM gosight.events FINAL":                                                                  100,
		"SELECT count() FROM gosight.events FINAL WHERE event_type = 'click'":                                       50,
		"SELECT count() FROM gosight.sessions FINAL":                                                                5,
		"SELECT sum(events) FROM gosight.sessions FINAL":                                                            100,
		"SELECT sum(clicks) FROM gosight.sessions FINAL":                                                            50,
		"SELECT sum(pages) FROM gosight.sessions FINAL":                                                             5,
		"SELECT count() FROM gosight.sessions FINAL WHERE user_id = 'linh' AND city='Hanoi'":                        5,
		"SELECT count() FROM gosight.sessions FINAL WHERE has(url_hashes, cityHash64('https://shop.example/cart'))": 5,
		"SELECT toUInt64(toUnixTimestamp64Milli(started_at)) FROM gosight.sessions FINAL WHERE session_id='s0'":     uint64(now),
	} {
		if got := number(t, s, query); got != want {
			t.Errorf("%s = %d, want %d", query, got, want)
		}
	}
	var tz, payload string
	if err := s.Conn().QueryRow(t.Context(), "SELECT metadata['tz'], payload FROM gosight.events FINAL WHERE event_id='e4'").
		Scan(&tz, &payload); err != nil || tz != "Asia/Ho_Chi_Minh" || payload != `{"x":10.5}` {
		t.Errorf("event reads back as %q %q %v", tz, payload, err)
	}
}

func centreStandsOverEdgeAndRetractedVanishes(t *testing.T, s *store.Store) {
	insert := func(rows ...store.SignalRow) {
		t.Helper()
		block := store.NewSignalRows()
		for _, row := range rows {
			row.Project, row.SessionID, row.Kind = "default", "s", "rage_click"
			block.Append(&row)
		}
		if err := s.InsertSignals(t.Context(), block); err != nil {
			t.Fatal(err)
		}
	}
	insert(store.SignalRow{SignalID: "a", DetectedBy: store.Centre, Revision: 1, Count: 9})
	insert(store.SignalRow{SignalID: "a", DetectedBy: store.Edge, Revision: 7, Count: 6})
	insert(store.SignalRow{SignalID: "b", DetectedBy: store.Edge, Revision: 1, Count: 6},
		store.SignalRow{SignalID: "b", DetectedBy: store.Edge, Revision: 2, Count: 8, Final: true})
	insert(store.SignalRow{SignalID: "c", DetectedBy: store.Edge, Revision: 1})
	insert(store.SignalRow{SignalID: "c", DetectedBy: store.Centre, Revision: 1, Retracted: true})
	insert(store.SignalRow{SignalID: "c", DetectedBy: store.Edge, Revision: 1}) // again, after a crash

	if got := number(t, s, "SELECT count() FROM signals FINAL"); got != 2 {
		t.Errorf("%d signals, want 2", got)
	}
	if got := number(t, s, "SELECT toUInt64(count) FROM signals FINAL WHERE signal_id='a' AND detected_by='centre'"); got != 9 {
		t.Errorf("a counts %d, want the centre's 9", got)
	}
	if got := number(t, s, "SELECT toUInt64(count) FROM signals FINAL WHERE signal_id='b' AND final"); got != 8 {
		t.Errorf("b counts %d, want the later revision's 8", got)
	}
}

func replayPartsJoinInOrder(t *testing.T, s *store.Store) {
	rows := store.NewReplayRows()
	for _, part := range []uint16{2, 0, 1, 1} {
		rows.Append(&store.ReplayRow{Project: "default", SessionID: "s", EventID: "e", Kind: "full_snapshot",
			Part: part, Parts: 3, TS: 1, ReceivedAt: time.Now().UnixMilli(), Data: fmt.Sprintf("<%d>", part)})
	}
	if err := s.InsertReplay(t.Context(), rows); err != nil {
		t.Fatal(err)
	}
	var whole string
	query := "SELECT arrayStringConcat(arrayMap(p -> p.2, arraySort(groupArray((part, data))))) FROM replay FINAL GROUP BY event_id"
	if err := s.Conn().QueryRow(t.Context(), query).Scan(&whole); err != nil || whole != "<0><1><2>" {
		t.Errorf("got %q, %v", whole, err)
	}
}

func TestOpenAgainAndChangeRetention(t *testing.T) {
	url := enginetest.TestClickHouse(t)
	open(t, url)
	cfg := store.Default()
	cfg.URL = url
	for _, days := range []int{90, 7, 0, 0} {
		cfg.EventDays = days
		s, err := store.Open(t.Context(), cfg, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		var ttl uint64
		if days > 0 {
			ttl = 1
		}
		query := fmt.Sprintf("SELECT count() FROM system.tables WHERE database='gosight' AND name='events' AND engine_full LIKE '%% TTL %%toIntervalDay(%d)%%'", days)
		if got := number(t, s, query); got != ttl {
			t.Errorf("with %d days: %d tables have that TTL, want %d", days, got, ttl)
		}
		s.Close()
	}
}

// Rows go when their project's days are over, and no others do.
func TestRetentionByProject(t *testing.T) {
	cfg := store.Default()
	cfg.URL = enginetest.TestClickHouse(t)
	cfg.EventDays, cfg.ProjectEventDays = 90, map[string]int{"short": 7, "kept": 0}
	var s *store.Store
	for range 2 { // the second time there is nothing to change
		var err error
		if s, err = store.Open(t.Context(), cfg, prometheus.NewRegistry(), slog.New(slog.DiscardHandler)); err != nil {
			t.Fatal(err)
		}
		defer s.Close()
	}
	insert := "INSERT INTO events (project, session_id, event_id, inserted_at, received_at) SELECT arrayJoin(['short', 'kept', 'other']), 's', 'e' || toString(number), " +
		"now64(3) - toIntervalDay(number), now64(3) FROM numbers(1, 100)"
	if err := s.Conn().Exec(t.Context(), insert); err != nil {
		t.Fatal(err)
	}
	if err := s.Conn().Exec(t.Context(), "OPTIMIZE TABLE events FINAL"); err != nil {
		t.Fatal(err)
	}
	for project, want := range map[string]uint64{"short": 6, "kept": 100, "other": 89} {
		if got := number(t, s, "SELECT count() FROM events FINAL WHERE project = '"+project+"'"); got != want {
			t.Errorf("%s has %d events, want %d", project, got, want)
		}
	}
	cfg.ProjectEventDays = map[string]int{"a'b": 1}
	if err := cfg.Validate(); err == nil {
		t.Error("a project with a quote is taken")
	}
}

// Times that no clock should show must not stop an insert, since the batch behind it would never come in.
func TestAnyRowIsTaken(t *testing.T) {
	s := open(t, enginetest.TestClickHouse(t))
	rows := store.NewEventRows()
	for i := range 300 {
		row := clickRow("s", fmt.Sprintf("e%d", i), 0)
		row.TS, row.ReceivedAt = int64(i)*40*24*3600*1000, int64(i)*40*24*3600*1000
		row.Payload, row.URL = "\xff\x00", "\xfe"
		rows.Append(&row)
	}
	for i, ts := range []int64{-1 << 63, 1<<63 - 1, -1} {
		row := clickRow("s", fmt.Sprintf("f%d", i), ts)
		row.ReceivedAt = ts
		rows.Append(&row)
	}
	if err := s.InsertEvents(t.Context(), rows); err != nil {
		t.Fatal(err)
	}
	// With a retention, rows received decades ago are past it.
	if got := number(t, s, "SELECT count() FROM system.columns WHERE database='gosight' AND table='events'"); got == 0 {
		t.Error("no table")
	}
}
