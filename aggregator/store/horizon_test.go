package store_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/gosight/gosight/aggregator/store"
	"github.com/gosight/gosight/ops/engines/enginetest"
)

// A repeat that comes months later, into another partition, when every part of the first has been merged, with
// another time of arrival and another clock: no number moves, with FINAL and in every view and query.
func TestARepeatMonthsLaterChangesNothing(t *testing.T) {
	s := open(t, enginetest.TestClickHouse(t))
	const visits, each = 5, 20
	began := time.Now().Add(-150 * 24 * time.Hour).UnixMilli()
	insert := func(late time.Duration) {
		t.Helper()
		events, replay, signals := store.NewEventRows(), store.NewReplayRows(), store.NewSignalRows()
		received := began + late.Milliseconds()
		for visit := range visits {
			session := fmt.Sprintf("s%d", visit)
			for n := range each {
				row := clickRow(session, fmt.Sprintf("e%d", n), began+int64(n)*1000)
				row.ReceivedAt = received
				events.Append(&row)
			}
			replay.Append(&store.ReplayRow{Project: "default", SessionID: session, EventID: "r", Kind: "full_snapshot", Parts: 1,
				TS: began, ReceivedAt: received, Data: "{}"})
			signals.Append(&store.SignalRow{Project: "default", SessionID: session, SignalID: session, Kind: "rage_click", TS: began,
				ReceivedAt: received, DetectedBy: store.Centre, Revision: 1, Count: 8, Final: true, FirstEventID: "e0"})
		}
		for _, err := range []error{s.InsertEvents(t.Context(), events), s.InsertReplay(t.Context(), replay),
			s.InsertSignals(t.Context(), signals)} {
			if err != nil {
				t.Fatal(err)
			}
		}
		for _, table := range []string{"events", "replay", "signals", "sessions"} {
			if err := s.Conn().Exec(t.Context(), "OPTIMIZE TABLE "+table+" FINAL"); err != nil {
				t.Fatal(err)
			}
		}
	}
	shown := func() (numbers []uint64) {
		t.Helper()
		for _, query := range []string{
			"SELECT count() FROM events FINAL",
			"SELECT count() FROM replay FINAL",
			"SELECT count() FROM signals FINAL",
			"SELECT count() FROM sessions FINAL",
			"SELECT sum(events) FROM sessions FINAL",
			"SELECT sum(clicks) FROM sessions FINAL",
		} {
			numbers = append(numbers, number(t, s, query))
		}
		ctx, reader := t.Context(), s.Reader("default")
		from, to := began-1, began+time.Hour.Milliseconds()
		insights, err := reader.Insights(ctx, store.InsightFilter{From: from, To: to, BucketMS: 60_000})
		if err != nil {
			t.Fatal(err)
		}
		sessions, _, err := reader.Sessions(ctx, store.SessionFilter{From: from, To: to, Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		events, _, err := reader.Events(ctx, "s0", nil, "", 1000)
		if err != nil {
			t.Fatal(err)
		}
		return append(numbers, insights.Visits, insights.Affected, insights.Series[0].Total, uint64(len(sessions)), uint64(len(events)))
	}
	insert(0)
	before := shown()
	if before[0] != visits*each || before[6] != visits || before[8] != visits || before[10] != each {
		t.Fatalf("once, it is %v", before)
	}
	for _, late := range []time.Duration{35 * 24 * time.Hour, 100 * 24 * time.Hour} {
		insert(late)
	}
	if got := number(t, s, "SELECT uniqExact(partition_id) FROM system.parts WHERE database = 'gosight' AND table = 'events' AND active"); got < 3 {
		t.Fatalf("the repeats lie in %d partitions: this shows nothing", got)
	}
	for i, got := range shown() {
		if got != before[i] {
			t.Errorf("number %d was %d, and is %d with repeats", i, before[i], got)
		}
	}
}
