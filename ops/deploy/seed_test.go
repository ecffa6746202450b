package deploy

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/gosight/gosight/aggregator/store"
)

// visit is what the generator knows of a visit: the truth that dashboards' figures are held against.
type visit struct {
	id, user, country, device, browser, os, release string

	begin, end int64 // Unix ms
	pages      []string
	events     []event
	signals    []signal
	recorded   bool
}

type event struct {
	kind, url, page, name, text, payload string
	ts                                   int64
	value                                float64
}

type signal struct {
	id, kind, url, selector string
	ts                      int64
}

const shop = "https://shop.example"

// generate makes n visits of a project that began between from and to, 10 minutes long at most, so that all of a
// visit is within the period when to lies that long before its end.
func generate(n int, from, to int64) []visit {
	rng := rand.New(rand.NewPCG(5, 7))
	pick := func(of ...string) string { return of[rng.IntN(len(of))] }
	visits := make([]visit, n)
	for i := range visits {
		v := visit{
			id: fmt.Sprintf("visit-%04d", i), user: pick("", "", "linh", "mara", "tomas"), country: pick("VN", "VN", "DE", "US", ""),
			device: pick("desktop", "mobile"), browser: pick("Chrome", "Firefox", "Safari"), os: pick("Linux", "iOS"),
			release: pick("1.4.0", "1.5.0", "1.5.0"), begin: from + rng.Int64N(to-from), recorded: rng.IntN(3) == 0,
		}
		at := v.begin
		for p := range 1 + rng.IntN(4) {
			page, url := fmt.Sprintf("%s-p%d", v.id, p), shop+pick("/", "/plants", "/checkout")+pick("", "?q=fern")
			v.pages = append(v.pages, page)
			add := func(kind, name, text, payload string, value float64) {
				v.events = append(v.events, event{kind: kind, url: url, page: page, name: name, text: text, payload: payload,
					ts: at, value: value})
				at += 1 + rng.Int64N(9_000)
			}
			add("page_load", "", "Fern & Field", "{}", 200)
			rating, lcp := "good", float64(900+rng.IntN(3000))
			if lcp > 2500 {
				rating = "poor"
			}
			add("web_vital", "LCP", "", `{"name":"LCP","rating":"`+rating+`"}`, lcp)
			for range 1 + rng.IntN(3) {
				add("scroll", "", "", "{}", float64(10+rng.IntN(90)))
			}
			for range 1 + rng.IntN(6) {
				add("click", "", "Add to cart", "{}", 0)
			}
			if rng.IntN(6) == 0 {
				add("error", "", pick("TypeError: order.id is undefined", "NetworkError"), "{}", 0)
			}
			if rng.IntN(3) == 0 {
				s := signal{id: fmt.Sprintf("%s-s%d", v.id, p), kind: pick("rage_click", "dead_click", "thrashed_cursor"), url: url, ts: at}
				if s.kind != "thrashed_cursor" {
					s.selector = pick("#pay", ".card > .pic")
				}
				if v.release == "1.5.0" && rng.IntN(4) == 0 {
					s.kind, s.selector = "dead_click", "#new-in-1.5"
				}
				v.signals = append(v.signals, s)
			}
		}
		if v.recorded {
			first := event{kind: "full_snapshot", url: v.events[0].url, page: v.pages[0], ts: v.begin}
			v.events = append(v.events, first)
		}
		for _, e := range v.events {
			v.end = max(v.end, e.ts)
		}
		visits[i] = v
	}
	return visits
}

// insert writes the visits through the store's own rows, all of them twice: no figure may change by that.
func insert(t *testing.T, st *store.Store, project string, visits []visit) {
	t.Helper()
	ctx := context.Background()
	events, signals := store.NewEventRows(), store.NewSignalRows()
	for _, v := range visits {
		for i, e := range v.events {
			events.Append(&store.EventRow{
				Project: project, SessionID: v.id, EventID: fmt.Sprintf("%s-%03d", v.id, i), UserID: v.user, EventType: e.kind,
				TS: e.ts, ReceivedAt: e.ts + 40, URL: e.url, PageID: e.page, Country: v.country, Device: v.device,
				Browser: v.browser, OS: v.os, Name: e.name, Text: e.text, Value: e.value, Payload: e.payload,
				Metadata: []store.Pair{{Key: "release", Value: v.release}},
			})
		}
		for _, s := range v.signals {
			row := store.SignalRow{Project: project, SessionID: v.id, SignalID: s.id, UserID: v.user, Kind: s.kind, TS: s.ts,
				ReceivedAt: s.ts + 60, URL: s.url, Selector: s.selector, Count: 6, DetectedBy: store.Edge, Revision: 1}
			signals.Append(&row)
			row.DetectedBy, row.Final = store.Centre, true
			signals.Append(&row)
		}
	}
	// One that the second pass took back.
	signals.Append(&store.SignalRow{Project: project, SessionID: visits[0].id, SignalID: "gone", Kind: "rage_click",
		TS: visits[0].begin, URL: shop + "/", Selector: "#gone", DetectedBy: store.Edge})
	signals.Append(&store.SignalRow{Project: project, SessionID: visits[0].id, SignalID: "gone", Kind: "rage_click",
		TS: visits[0].begin, URL: shop + "/", Selector: "#gone", DetectedBy: store.Centre, Retracted: true})
	for range 2 {
		if err := st.InsertEvents(ctx, events); err != nil {
			t.Fatal(err)
		}
		if err := st.InsertSignals(ctx, signals); err != nil {
			t.Fatal(err)
		}
	}
}
