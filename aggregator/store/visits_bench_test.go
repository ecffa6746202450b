package store

import (
	"context"
	"fmt"
	"log/slog"
	"testing"

	"github.com/gosight/gosight/ops/engines/enginetest"
	"github.com/prometheus/client_golang/prometheus"
)

// BenchmarkVisits is what the rows of session_days, known_values and page_views cost for each event: made in Go while a
// block fills, and made by the engine from the block, as a materialized view would for session_days alone.
func BenchmarkVisits(b *testing.B) {
	const events, each = 50_000, 20
	made := make([]EventRow, events)
	for i := range made {
		session := fmt.Sprintf("mwtotn6u%016d", i/each)
		made[i] = EventRow{Project: "default", SessionID: session, EventID: fmt.Sprintf("e%d", i), UserID: "user-" + session[20:],
			EventType: []string{"click", "pointer", "scroll", "pointer"}[i%4], TS: 1_790_000_000_000 + int64(i)*100, ReceivedAt: 1_790_000_000_000,
			URL: fmt.Sprintf("https://shop.example/products/%d?ref=mail", i/each%400), Country: "VN", Browser: "Chrome", Device: "desktop",
			Metadata: []Pair{{Key: "release", Value: "1.4.0"}}, Payload: `{"x":10,"y":20}`}
	}
	b.Run("go", func(b *testing.B) {
		rows := newVisitRows()
		for b.Loop() {
			for i := range made {
				rows.add(&made[i])
			}
			rows.seal()
			for _, block := range rows.blocks() {
				if _, err := block.encode(); err != nil {
					b.Fatal(err)
				}
			}
			rows.reset()
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/events, "ns/event")
	})
	b.Run("engine", func(b *testing.B) {
		cfg := Default()
		cfg.URL = enginetest.TestClickHouse(b)
		s, err := Open(context.Background(), cfg, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
		if err != nil {
			b.Fatal(err)
		}
		defer s.Close()
		rows := NewEventRows()
		for i := range made {
			rows.Append(&made[i])
		}
		if err := s.InsertEvents(context.Background(), rows); err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			err := s.conn.Exec(context.Background(), `INSERT INTO FUNCTION null('n UInt64') SELECT cityHash64(day, started, ended, received, country, browser, device, user, failed, touched) FROM (
				SELECT project, toDate(ts) AS day, session_id, min(ts) AS started, max(ts) AS ended, max(received_at) AS received, max(country) AS country,
					max(browser) AS browser, max(device) AS device,
					max(if(user_id = '', (toDateTime64(0, 3, 'UTC'), ''), (ts, user_id))) AS user, max(event_type = 'error') AS failed,
					groupUniqArrayArray(10000)(arrayConcat(if(url = '', [], [cityHash64(concat('page:', cutQueryStringAndFragment(url)))]),
						if(event_type = 'custom', [cityHash64(concat('event:', name))], []),
						if(event_type = 'error', [cityHash64(concat('error:', text))], []))) AS touched
				FROM events GROUP BY project, day, session_id)`)
			if err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/events, "ns/event")
	})
}
