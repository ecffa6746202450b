package api

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/gosight/gosight/aggregator/store"
)

// A long visit: what it shows each second, and where its replay can be entered.
const (
	longVisit      = 2 * time.Hour
	longCheckpoint = 5 * time.Minute
	longBytes      = 50 << 20 // of replay JSON
)

// long adds a visit of longVisit with longBytes of replay that ended an hour ago: the fixture's first page, on which
// an element #tick is put anew each second, with the second in its text. Every checkpoint the page is taken anew.
func (s *seeder) long(ctx context.Context, st *store.Store, id string) error {
	start := time.Now().Add(-time.Hour - longVisit).UnixMilli()
	url, page := shop+"/", id+"-p1"
	seconds := int(longVisit / time.Second)
	filler := strings.Repeat("a line of a page that grows, and no two alike ", longBytes/seconds/46)
	count := 0
	add := func(ts int64, kind string, event any) error {
		data, err := json.Marshal(event)
		if err != nil {
			return err
		}
		name := fmt.Sprintf("%s-r%06d", id, count)
		count++
		s.events.Append(&store.EventRow{Project: "default", SessionID: id, EventID: name, EventType: kind, TS: ts,
			ReceivedAt: ts, URL: url, PageID: page})
		s.replay.Append(&store.ReplayRow{Project: "default", SessionID: id, EventID: name, PageID: page, Kind: kind,
			Parts: 1, TS: ts, ReceivedAt: ts, Data: string(data)})
		return nil
	}
	snapshot := func(ts int64) error {
		for _, raw := range s.fixture.Events[:2] {
			event := map[string]any{}
			if err := json.Unmarshal(raw, &event); err != nil {
				return err
			}
			event["timestamp"] = ts
			if err := add(ts, "full_snapshot", event); err != nil {
				return err
			}
		}
		return nil
	}
	const grid = 37 // the fixture's section#grid
	type object = map[string]any
	for second := range seconds {
		ts := start + int64(second)*1000
		removes := []object{{"parentId": grid, "id": 10_000 + 2*(second-1)}}
		if second%int(longCheckpoint/time.Second) == 0 {
			if err := snapshot(ts); err != nil {
				return err
			}
			removes = []object{}
		}
		node, text := 10_000+2*second, 10_001+2*second
		err := add(ts+1, "mutation", object{"type": 3, "timestamp": ts + 1, "data": object{
			"source": 0, "texts": []object{}, "attributes": []object{}, "removes": removes,
			"adds": []object{
				{"parentId": grid, "nextId": nil, "node": object{"type": 2, "tagName": "article", "id": node,
					"attributes": object{"id": "tick"}, "childNodes": []object{}}},
				{"parentId": node, "nextId": nil, "node": object{"type": 3, "id": text,
					"textContent": fmt.Sprintf("second %d. %s", second, filler)}},
			}}})
		if err != nil {
			return err
		}
	}
	if err := st.InsertEvents(ctx, s.events); err != nil {
		return err
	}
	return st.InsertReplay(ctx, s.replay)
}
