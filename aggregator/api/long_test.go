package api

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/gosight/gosight/aggregator/store"
)

// A visit of two hours and 50 MB, with a snapshot every ten minutes: wherever a viewer begins, the first chunk begins
// with the snapshot before that moment, is bounded, and everything after it follows once and in order.
func TestLongReplay(t *testing.T) {
	st := openStore(t)
	const (
		length, every, gap = 2 * 3600_000, 600_000, 400 // ms
		size               = 2700
	)
	rng := rand.New(rand.NewPCG(3, 4))
	began := time.Now().Add(-3 * time.Hour).UnixMilli()
	rows, total := store.NewReplayRows(), 0
	filler := func(n int) string {
		text := make([]byte, n)
		for i := range text {
			text[i] = "abcdefghijklmnopqrstuvwxyz0123456789 <>=/"[rng.IntN(41)]
		}
		return string(text)
	}
	for at, i := 0, 0; at < length; at, i = at+gap, i+1 {
		add := func(kind string, rrweb int, data string, ts int64) {
			text := fmt.Sprintf(`{"type":%d,"data":%q,"timestamp":%d}`, rrweb, data, ts)
			total += len(text)
			rows.Append(&store.ReplayRow{Project: "default", SessionID: "long", EventID: fmt.Sprintf("p1.%x-%d", i, rrweb),
				PageID: "p1", Kind: kind, Parts: 1, TS: ts, ReceivedAt: ts, Data: text})
		}
		ts := began + int64(at)
		if at%every == 0 {
			add("full_snapshot", 4, "meta", ts)
			add("full_snapshot", 2, filler(60_000), ts)
		}
		add("mutation", 3, filler(size), ts+1)
	}
	if err := st.InsertReplay(t.Context(), rows); err != nil {
		t.Fatal(err)
	}
	server := serve(t, st, nil)
	type chunk struct {
		IDs    []string
		Events []struct {
			Type      int
			Timestamp int64
			Data      json.RawMessage
		}
		NextCursor string `json:"next_cursor"`
	}
	start := time.Now()
	first := fetch[chunk](t, server, "/sessions/long/replay", 200)
	t.Logf("%d MB: starts in %s", total>>20, time.Since(start).Round(time.Millisecond))
	if first.Events[0].Type != 4 || first.Events[1].Type != 2 || first.NextCursor == "" {
		t.Errorf("the start begins with types %d, %d", first.Events[0].Type, first.Events[1].Type)
	}
	for _, moment := range []int{every / 2, every, length / 2, length - 1} {
		start := time.Now()
		c := fetch[chunk](t, server, fmt.Sprintf("/sessions/long/replay?from=%d", began+int64(moment)), 200)
		t.Logf("a seek to %s took %s", time.Duration(moment)*time.Millisecond, time.Since(start).Round(time.Millisecond))
		want, bytes := began+int64(moment/every*every), 0
		for _, event := range c.Events {
			bytes += len(event.Data)
		}
		if c.Events[0].Type != 4 || c.Events[0].Timestamp != want || c.Events[1].Type != 2 {
			t.Errorf("a seek to %d begins with type %d at %d, want the snapshot at %d", moment, c.Events[0].Type,
				c.Events[0].Timestamp-began, want-began)
		}
		if bytes > 5<<20 {
			t.Errorf("a seek brought %d bytes", bytes)
		}
	}
	seen, cursor := map[string]bool{}, ""
	for at := int64(0); ; {
		c := fetch[chunk](t, server, fmt.Sprintf("/sessions/long/replay?from=%d&cursor=%s", began+length/2, cursor), 200)
		for i, event := range c.Events {
			if event.Timestamp < at || seen[c.IDs[i]] {
				t.Fatalf("event %s at %d again, or before what came before", c.IDs[i], event.Timestamp-began)
			}
			at, seen[c.IDs[i]] = event.Timestamp, true
		}
		if cursor = c.NextCursor; cursor == "" {
			break
		}
	}
	if want := length/2/gap + 2*length/2/every; len(seen) != want {
		t.Errorf("%d events from the middle on, want %d", len(seen), want)
	}
}
