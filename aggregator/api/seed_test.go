package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/gosight/gosight/aggregator/store"
)

// fixture is a visit recorded by rrweb in Chromium (aggregator/ui/scripts/record.mjs), times from zero.
type fixture struct {
	Marks []struct {
		What, Selector string
		TS             int64
		X, Y           float64
		PageY          float64 `json:"page_y"`
	}
	Events []json.RawMessage
}

func loadFixture(t testing.TB) fixture {
	t.Helper()
	text, err := os.ReadFile("../ui/testdata/replay.json")
	if err != nil {
		t.Fatal(err)
	}
	var f fixture
	if err := json.Unmarshal(text, &f); err != nil {
		t.Fatal(err)
	}
	return f
}

// truth is what the seeded rows must add up to.
type truth struct {
	sessions map[string]*store.Session
	byKind   map[string]uint64
	byPage   map[string]uint64 // "kind url"
	clicksOn map[string]uint64 // by url
	order    []string          // by last activity, latest first
}

type seeder struct {
	t       testing.TB
	rng     *rand.Rand
	fixture fixture
	events  *store.EventRows
	replay  *store.ReplayRows
	signals *store.SignalRows
	truth   truth
}

const shop = "https://shop.example"

var (
	seedPages     = []string{"/", "/plants", "/plants/monstera", "/plants/olive-tree", "/pots", "/care/watering"}
	seedCountries = []string{"VN", "VN", "DE", "US", "FR", "JP", "BR"}
	seedCities    = map[string]string{"VN": "Hanoi", "DE": "Leipzig", "US": "Portland", "FR": "Lyon", "JP": "Kyoto", "BR": "Recife"}
	seedUsers     = []string{"", "", "linh@example.com", "mara@example.com", "tomas@example.com", "u-20817", "u-31415"}
	seedClients   = [][3]string{
		{"Chrome", "Windows", "desktop"}, {"Chrome", "Android", "mobile"}, {"Safari", "iOS", "mobile"},
		{"Firefox", "Linux", "desktop"}, {"Edge", "Windows", "desktop"}, {"Safari", "macOS", "desktop"},
	}
	seedSignals = []struct{ kind, path, selector, text string }{
		{"rage_click", "/checkout", "#pay", "Place order"},
		{"unresponsive_click", "/checkout", "#apply-code", "Apply code"},
		{"dead_click", "/plants", ".card:nth-child(3) > .pic", ""},
		{"dead_click", "/plants/monstera", "figure.zoom > img", ""},
		{"error_click", "/checkout", "#pay", "Place order"},
		{"thrashed_cursor", "/checkout", "", ""},
		{"quick_back", "/care/watering", "", ""},
		{"excessive_scroll", "/plants", "", ""},
	}
)

func newSeeder(t testing.TB) *seeder {
	return &seeder{
		t: t, rng: rand.New(rand.NewPCG(7, 7)), fixture: loadFixture(t),
		events: store.NewEventRows(), replay: store.NewReplayRows(), signals: store.NewSignalRows(),
		truth: truth{sessions: map[string]*store.Session{}, byKind: map[string]uint64{}, byPage: map[string]uint64{},
			clicksOn: map[string]uint64{}},
	}
}

// seed writes n visits that ended before end, one about every gap; every third has a replay. All rows go in
// twice: nothing an analyst sees may change by that.
func (s *seeder) seed(ctx context.Context, st *store.Store, n int, end time.Time, gap time.Duration) {
	s.t.Helper()
	for i := range n {
		s.visit(fmt.Sprintf("visit-%05d", i), end.Add(-time.Duration(i)*gap), i%3 == 0)
	}
	for range 2 {
		if err := st.InsertEvents(ctx, s.events); err != nil {
			s.t.Fatal(err)
		}
		if err := st.InsertReplay(ctx, s.replay); err != nil {
			s.t.Fatal(err)
		}
		if err := st.InsertSignals(ctx, s.signals); err != nil {
			s.t.Fatal(err)
		}
	}
}

// visit adds one visit whose last event is at end.
func (s *seeder) visit(id string, end time.Time, recorded bool) {
	rng := s.rng
	client, country := seedClients[rng.IntN(len(seedClients))], seedCountries[rng.IntN(len(seedCountries))]
	user := seedUsers[rng.IntN(len(seedUsers))]
	length := int64(8_000 + rng.IntN(600_000))
	if recorded {
		length = s.offset(len(s.fixture.Events) - 1)
	}
	start := end.UnixMilli() - length
	sum := &store.Session{
		SessionID: id, UserID: user, StartedAt: start, EndedAt: end.UnixMilli(), Country: country, City: seedCities[country],
		Browser: client[0], OS: client[1], Device: client[2], HasReplay: recorded, Signals: map[string]uint64{},
	}
	s.truth.sessions[id] = sum
	s.truth.order = append(s.truth.order, id)
	seq := 0
	add := func(ts int64, kind, url, page string, fill func(*store.EventRow), payload any) string {
		text, err := json.Marshal(payload)
		if err != nil {
			s.t.Fatal(err)
		}
		seq++
		row := &store.EventRow{
			Project: "default", SessionID: id, EventID: id + "." + strconv.FormatInt(int64(seq), 36), UserID: user, EventType: kind,
			TS: ts, ReceivedAt: ts + 40, URL: url, PageID: page, AgentID: "edge-1", Region: "eu-central",
			Country: country, City: seedCities[country], Browser: client[0], OS: client[1], Device: client[2],
			Payload:  string(text),
			Metadata: []store.Pair{{Key: "browser", Value: client[0]}, {Key: "url", Value: url}},
		}
		if kind == "click" {
			row.ViewportWidth, row.ViewportHeight = 1280, 800
		}
		if fill != nil {
			fill(row)
		}
		s.events.Append(row)
		sum.Events++
		switch kind {
		case "click":
			sum.Clicks++
			s.truth.clicksOn[url]++
		case "error":
			sum.Errors++
		}
		return row.EventID
	}
	signal := func(ts int64, kind, url, page, selector, text string, x, y float64, count uint32, ms uint32) {
		for revision, by := range []string{store.Edge, store.Centre} {
			s.signals.Append(&store.SignalRow{
				Project: "default", SessionID: id, SignalID: fmt.Sprintf("%s-%s-%d", id, kind, ts), UserID: user, Kind: kind,
				TS: ts, ReceivedAt: ts + 60, URL: url, PageID: page, Selector: selector, Text: text, X: x, Y: y,
				Count: count, DurationMS: ms, DetectedBy: by, Final: true, Revision: uint32(revision),
			})
		}
		sum.Signals[kind]++
		s.truth.byKind[kind]++
		s.truth.byPage[kind+" "+url]++
	}
	if recorded {
		s.recorded(start, sum, add, signal)
	} else {
		s.browsed(start, length, sum, add, signal)
	}
}

// live adds a step of a visit that happens now: "begin" with the picture, "rage" with a signal.
func (s *seeder) live(ctx context.Context, st *store.Store, id, step string) {
	now := time.Now().UnixMilli()
	url, page := shop+"/", id+"-p1"
	row := func(event, kind string, ts int64, payload string) {
		s.events.Append(&store.EventRow{Project: "default", SessionID: id, EventID: id + event, EventType: kind, TS: ts,
			ReceivedAt: now, URL: url, PageID: page, Country: "VN", City: "Hanoi", Browser: "Chrome", OS: "Linux",
			Device: "desktop", Payload: payload})
	}
	frame := func(from, to int) {
		for i, raw := range s.fixture.Events[from:to] {
			event := map[string]any{}
			if err := json.Unmarshal(raw, &event); err != nil {
				s.t.Error(err)
				return
			}
			offset := int64(event["timestamp"].(float64)) - s.offset(from)
			event["timestamp"] = now + offset
			data, err := json.Marshal(event)
			if err != nil {
				s.t.Error(err)
				return
			}
			kind, name := "mutation", fmt.Sprintf("-r%05d", from+i)
			if from+i < 2 {
				kind = "full_snapshot"
			}
			row(name, kind, now+offset, "")
			s.replay.Append(&store.ReplayRow{Project: "default", SessionID: id, EventID: id + name, PageID: page, Kind: kind,
				Parts: 1, TS: now + offset, ReceivedAt: now, Data: string(data)})
		}
	}
	switch step {
	case "begin":
		row("-load", "page_load", now, `{"url":"https://shop.example/","title":"Fern & Field"}`)
		frame(0, 20)
	case "rage":
		row("-click", "click", now, `{"x":100,"y":100,"selector":"#pay","text":"Place order"}`)
		frame(20, 60)
		s.signals.Append(&store.SignalRow{Project: "default", SessionID: id, SignalID: id + "-rage", Kind: "rage_click",
			TS: now, ReceivedAt: now, URL: url, PageID: page, Selector: "#pay", Text: "Place order", Count: 6,
			DurationMS: 900, DetectedBy: store.Edge})
	}
	for _, err := range []error{st.InsertEvents(ctx, s.events), st.InsertReplay(ctx, s.replay), st.InsertSignals(ctx, s.signals)} {
		if err != nil {
			s.t.Error(err)
		}
	}
}

// whole adds a visit of one page that is these rrweb events, as they are; the first two are its meta and snapshot.
func (s *seeder) whole(ctx context.Context, st *store.Store, id string, events []json.RawMessage) error {
	for i, raw := range events {
		var event struct{ Timestamp int64 }
		if err := json.Unmarshal(raw, &event); err != nil {
			return err
		}
		kind, name := "mutation", fmt.Sprintf("%s-r%05d", id, i)
		if i < 2 {
			kind = "full_snapshot"
		}
		s.events.Append(&store.EventRow{Project: "default", SessionID: id, EventID: name, EventType: kind, TS: event.Timestamp,
			ReceivedAt: event.Timestamp, URL: shop + "/", PageID: id + "-p1"})
		s.replay.Append(&store.ReplayRow{Project: "default", SessionID: id, EventID: name, PageID: id + "-p1", Kind: kind,
			Parts: 1, TS: event.Timestamp, ReceivedAt: event.Timestamp, Data: string(raw)})
	}
	return errors.Join(st.InsertEvents(ctx, s.events), st.InsertReplay(ctx, s.replay))
}

// offset is the time of the fixture's i-th event.
func (s *seeder) offset(i int) int64 {
	var event struct{ Timestamp int64 }
	if err := json.Unmarshal(s.fixture.Events[i], &event); err != nil {
		s.t.Error(err)
	}
	return event.Timestamp
}

type (
	addEvent  func(ts int64, kind, url, page string, fill func(*store.EventRow), payload any) string
	addSignal func(ts int64, kind, url, page, selector, text string, x, y float64, count, ms uint32)
)

func failed(r *store.EventRow) { r.Text = "TypeError: order.id is undefined" }

// recorded adds the fixture's visit: its clicks, what became of them, and its replay.
func (s *seeder) recorded(start int64, sum *store.Session, add addEvent, signal addSignal) {
	url, page := shop+"/", sum.SessionID+"-p1"
	sum.EntryURL = url
	add(start, "page_load", url, page, nil, map[string]any{"url": url, "title": "Fern & Field", "load_ms": 412})
	add(start+300, "web_vital", url, page, nil, map[string]any{"name": "LCP", "value": 1180, "rating": "good"})
	add(start+1400, "scroll", url, page, func(r *store.EventRow) { r.Value = 62 }, map[string]any{"depth": 62, "y": 260, "page_height": 1100})
	for _, m := range s.fixture.Marks {
		ts := start + m.TS
		switch m.What {
		case "click":
			add(ts, "click", url, page, func(r *store.EventRow) {
				r.Selector, r.X, r.Y, r.PageX, r.PageY = m.Selector, float32(m.X), float32(m.Y), float32(m.X), float32(m.PageY)
			}, map[string]any{"x": m.X, "y": m.Y, "vw": 1280, "vh": 800, "selector": m.Selector, "tag": "button"})
		case "navigate":
			add(ts, "navigate", url, page, nil, map[string]any{"from": url, "to": shop + "/checkout", "kind": "push"})
			url, page = shop+"/checkout", sum.SessionID+"-p2"
		case "rage_click":
			signal(ts, "rage_click", url, page, m.Selector, "Place order", m.X, m.Y, 7, 2190)
		case "dead_click":
			signal(ts, "dead_click", url, page, m.Selector, "", m.X, m.Y, 1, 0)
		case "thrashed_cursor":
			signal(ts, "thrashed_cursor", url, page, "", "", 540, 500, 1, 1400)
		case "error":
			add(ts-500, "network", url, page, nil, map[string]any{"method": "POST", "url": "/api/order", "status": 502, "duration_ms": 2210})
			add(ts-480, "console", url, page, nil, map[string]any{"level": "error", "message": "order: gateway did not answer"})
			add(ts, "error", url, page, failed, map[string]any{"message": "TypeError: order.id is undefined",
				"source": shop + "/app.js", "line": 218, "column": 14, "stack": "at submit (app.js:218:14)"})
		}
	}
	for i, raw := range s.fixture.Events {
		event := map[string]any{}
		if err := json.Unmarshal(raw, &event); err != nil {
			s.t.Fatal(err)
		}
		offset := int64(event["timestamp"].(float64))
		event["timestamp"] = start + offset
		data, err := json.Marshal(event)
		if err != nil {
			s.t.Fatal(err)
		}
		kind := "mutation"
		if i < 2 {
			kind = "full_snapshot"
		}
		id := add(start+offset, kind, url, page, func(r *store.EventRow) { r.Payload = "" }, struct{}{})
		// The snapshot goes in as two parts, as the edge cuts what is large.
		parts := [][]byte{data}
		if i == 1 {
			parts = [][]byte{data[:len(data)/2], data[len(data)/2:]}
		}
		for part, bytes := range parts {
			s.replay.Append(&store.ReplayRow{Project: "default", SessionID: sum.SessionID, EventID: id, PageID: page, Kind: kind,
				Part: uint16(part), Parts: uint16(len(parts)), TS: start + offset, ReceivedAt: start + offset, Data: string(bytes)})
		}
	}
	add(sum.EndedAt, "page_exit", url, page, nil, map[string]any{"url": url, "dwell_ms": 9600, "depth": 80})
	sum.LastURL, sum.Pages = url, 2
}

// browsed adds a visit of random pages, without a replay.
func (s *seeder) browsed(start, length int64, sum *store.Session, add addEvent, signal addSignal) {
	rng, pages := s.rng, 1+s.rng.IntN(5)
	for p := range pages {
		at, step := start+length*int64(p)/int64(pages), length/int64(pages)
		url, page := shop+seedPages[rng.IntN(len(seedPages))], fmt.Sprintf("%s-p%d", sum.SessionID, p)
		var find *struct{ kind, path, selector, text string }
		if rng.IntN(4) == 0 {
			find = &seedSignals[rng.IntN(len(seedSignals))]
			url = shop + find.path
		}
		if p == 0 {
			sum.EntryURL = url
		}
		sum.LastURL, sum.Pages = url, sum.Pages+1
		add(at, "page_load", url, page, nil, map[string]any{"url": url, "title": "Fern & Field", "load_ms": 200 + rng.IntN(900)})
		for range 2 + rng.IntN(9) {
			x, y := float64(rng.IntN(1280)), float64(rng.IntN(800))
			add(at+1+rng.Int64N(step-2), "click", url, page, func(r *store.EventRow) {
				r.Selector, r.X, r.Y, r.PageX, r.PageY = "button.add", float32(x), float32(y), float32(x), float32(y)+300
			}, map[string]any{"x": x, "y": y, "vw": 1280, "vh": 800, "selector": "button.add", "tag": "button", "text": "Add to cart"})
		}
		depth := 20 + rng.IntN(80)
		add(at+step/3, "scroll", url, page, func(r *store.EventRow) { r.Value = float64(depth) },
			map[string]any{"depth": depth, "y": 900, "page_height": 3100})
		if find != nil {
			signal(at+step/2, find.kind, url, page, find.selector, find.text, 640, 380, uint32(1+rng.IntN(9)), 900)
		}
		if find != nil && find.kind == "error_click" {
			add(at+step/2+3, "error", url, page, failed, map[string]any{"message": "TypeError: order.id is undefined", "line": 218})
		}
	}
	add(sum.EndedAt, "page_exit", sum.LastURL, fmt.Sprintf("%s-p%d", sum.SessionID, pages-1), nil,
		map[string]any{"url": sum.LastURL, "dwell_ms": length / int64(pages), "depth": 70})
}
