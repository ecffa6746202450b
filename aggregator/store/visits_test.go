package store_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/gosight/gosight/aggregator/store"
)

const visitDay = 24 * 3600 * 1000

// insertVisits inserts visits of some days, in blocks that cut them anywhere, out of order and with repeats, and
// returns their events once each.
func insertVisits(t *testing.T, s *store.Store, now int64) []store.EventRow {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 9))
	var events []store.EventRow
	for v := range 60 {
		at := now - int64(v)*visitDay/4
		for i := range 1 + rng.IntN(12) {
			at += rng.Int64N(visitDay / 8) // some go on past midnight
			e := clickRow(fmt.Sprintf("visit-%02d", v), fmt.Sprintf("e%d", i), min(at, now))
			e.URL = fmt.Sprintf("https://shop.example/p/%d?ref=mail#top", rng.IntN(20))
			e.Country = []string{"VN", "DE"}[v%2]
			switch rng.IntN(4) {
			case 0:
				e.EventType, e.Name = "custom", "basket"
				e.Props = []store.Pair{{Key: "items", Value: fmt.Sprint(rng.IntN(3))}, {Key: "gift", Value: "true"}}
			case 1:
				e.EventType, e.Text = "error", fmt.Sprintf("TypeError: line %d", rng.IntN(5))
			case 2:
				e.UserID = fmt.Sprintf("user-%d", v%7)
			}
			events = append(events, e)
		}
	}
	rows := store.NewEventRows()
	order := append(rng.Perm(len(events)), rng.Perm(len(events))...) // everything twice
	for len(order) > 0 {
		rows.Reset()
		n := min(len(order), 1+rng.IntN(60))
		for _, i := range order[:n] {
			rows.Append(&events[i])
		}
		order = order[n:]
		for range 1 + rng.IntN(2) { // an insert whose answer was lost is made again
			if err := s.InsertEvents(t.Context(), rows); err != nil {
				t.Fatal(err)
			}
		}
	}
	return events
}

// What Go makes of the events beside the ledger is what the migration makes of the ledger itself.
func sessionDaysSayWhatTheLedgerSays(t *testing.T, s *store.Store) {
	insertVisits(t, s, time.Now().UnixMilli())
	// Properties are in the payload only, so they are left out.
	different := number(t, s, `SELECT count() FROM (
		SELECT session_id, day, started_at, ended_at, failed, toString(country), last_user.user_id,
			arraySort(arrayFilter(h -> h NOT IN (SELECT cityHash64(concat('prop:basket.', p)) FROM values('p String',
				'items', 'gift', 'items=0', 'items=1', 'items=2', 'gift=true')), touched)) AS touched FROM session_days FINAL
		EXCEPT
		SELECT session_id, toDate(ts) AS day, min(ts), max(ts), toUInt8(max(event_type = 'error')), toString(max(country)),
			argMax(user_id, if(user_id = '', 0, toUnixTimestamp64Milli(ts))),
			arraySort(groupUniqArrayArray(arrayConcat([cityHash64(concat('page:', cutQueryStringAndFragment(url)))],
				if(event_type = 'custom', [cityHash64(concat('event:', name))], []),
				if(event_type = 'error', [cityHash64(concat('error:', text))], []))))
		FROM events FINAL GROUP BY session_id, day)`)
	if different != 0 {
		t.Errorf("%d days of visits differ from the ledger", different)
	}
	days := number(t, s, "SELECT uniqExact(session_id, toDate(ts)) FROM events FINAL")
	if got := number(t, s, "SELECT count() FROM session_days FINAL"); got != days {
		t.Errorf("%d days of visits, the ledger has %d", got, days)
	}
	if got := number(t, s, "SELECT count() FROM known_values FINAL WHERE kind = 'prop' AND value IN ('basket.items', 'basket.gift')"); got != 2 {
		t.Errorf("%d properties are known, want 2", got)
	}
}

func sessionsAreFoundByAnyFilter(t *testing.T, s *store.Store) {
	now := time.Now().UnixMilli()
	events := insertVisits(t, s, now)
	byVisit := map[string][]store.EventRow{}
	for _, e := range events {
		byVisit[e.SessionID] = append(byVisit[e.SessionID], e)
	}
	some := func(match func(store.EventRow) bool) func([]store.EventRow) bool {
		return func(visit []store.EventRow) bool { return slices.ContainsFunc(visit, match) }
	}
	span := func(visit []store.EventRow) (begin, end int64) {
		begin = visit[0].TS
		for _, e := range visit {
			begin, end = min(begin, e.TS), max(end, e.TS)
		}
		return begin, end
	}
	page := some(func(e store.EventRow) bool { return len(e.URL) > 24 && e.URL[:24] == "https://shop.example/p/1" })
	items := some(func(e store.EventRow) bool { return len(e.Props) > 0 && e.Props[0].Value == "2" })
	failure := some(func(e store.EventRow) bool { return e.Text == "TypeError: line 3" })
	for name, c := range map[string]struct {
		filter store.SessionFilter
		want   func([]store.EventRow) bool
	}{
		"all":     {store.SessionFilter{}, func([]store.EventRow) bool { return true }},
		"page":    {store.SessionFilter{Page: "/P/1"}, page},
		"event":   {store.SessionFilter{Event: "basket"}, some(func(e store.EventRow) bool { return e.EventType == "custom" })},
		"prop":    {store.SessionFilter{Event: "basket", Props: map[string]string{"items": "2"}}, items},
		"error":   {store.SessionFilter{Error: "line 3"}, failure},
		"errors":  {store.SessionFilter{WithErrors: true}, some(func(e store.EventRow) bool { return e.EventType == "error" })},
		"country": {store.SessionFilter{Country: []string{"DE"}}, some(func(e store.EventRow) bool { return e.Country == "DE" })},
		"combined": {store.SessionFilter{Page: "/p/1", Error: "line 3", Event: "basket", Props: map[string]string{"items": "2", "gift": "true"}},
			func(v []store.EventRow) bool { return page(v) && items(v) && failure(v) }},
		"period": {store.SessionFilter{From: now - 6*visitDay, To: now - 3*visitDay}, func(v []store.EventRow) bool {
			begin, end := span(v)
			return begin <= now-3*visitDay && end >= now-6*visitDay
		}},
		"long": {store.SessionFilter{MinDurationMS: visitDay / 2}, func(v []store.EventRow) bool {
			begin, end := span(v)
			return end-begin >= visitDay/2
		}},
		"nothing": {store.SessionFilter{Event: "basket", Props: map[string]string{"items": "7"}}, func([]store.EventRow) bool { return false }},
	} {
		var want []string
		for id, visit := range byVisit {
			if c.want(visit) {
				want = append(want, id)
			}
		}
		slices.SortFunc(want, func(a, b string) int {
			_, endA := span(byVisit[a])
			_, endB := span(byVisit[b])
			if endA != endB {
				return int(endB - endA)
			}
			return -slices.Compare([]byte(a), []byte(b))
		})
		var got []string
		c.filter.Limit = 7 // so that pages are turned, over days and within one
		for {
			sessions, next, err := s.Reader("default").Sessions(t.Context(), c.filter)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			for _, session := range sessions {
				got = append(got, session.SessionID)
			}
			if c.filter.Cursor = next; next == "" {
				break
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %v\nwant %v", name, got, want)
		}
	}
}
