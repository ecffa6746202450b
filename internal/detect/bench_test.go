package detect

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"
)

// mix makes a visit's events as the web SDK sends them: a pointer event each second or so that the cursor
// moves, scrolls, now and then a click with its outcome, typing, requests, and the mutations of replay; and now and
// then 5 to 40 seconds of reading.
func mix(r *rand.Rand, session int, from, seconds int64) []Event {
	var events []Event
	add := func(typ string, ts int64, payload string) string {
		id := fmt.Sprintf("01jd%08x%08x", session, len(events))
		events = append(events, Event{ID: id, Type: typ, TS: ts, Payload: payload,
			URL: "https://shop.example/products/running-shoes?page=2", PageID: "01jdpage0000000001"})
		return id
	}
	x, y := 400, 300
	rest := int64(0)
	for ts := from; ts < from+seconds*1000; ts += 1000 {
		if rest--; rest > 0 { // reading
			continue
		} else if r.IntN(10) == 0 {
			rest = 5 + r.Int64N(35)
		}
		if r.IntN(10) < 6 {
			points := ""
			dx, dy := r.IntN(31)-15, r.IntN(21)-10
			for i := range 12 {
				x, y = x+dx+r.IntN(5)-2, y+dy+r.IntN(5)-2
				points += fmt.Sprintf(",[%d,%d,%d]", i*50, x, y)
			}
			add("pointer", ts, `{"points":[`+points[1:]+`]}`)
		}
		if r.IntN(10) < 3 {
			add("scroll", ts+200, fmt.Sprintf(`{"depth":%d,"y":%d,"page_height":5400}`, r.IntN(100), r.IntN(4000)))
		}
		if r.IntN(20) < 3 {
			id := add("click", ts+400, fmt.Sprintf(`{"x":%d,"y":%d,"vw":1280,"vh":800,"page_x":%d,"page_y":%d,"selector":`+
				`"main > div.grid > article:nth-child(3) > button.buy","tag":"button","role":"button","text":"Add to basket",`+
				`"button":0,"interactive":true}`, x, y, x, y+800))
			add("click_outcome", ts+520, fmt.Sprintf(`{"click_id":%q,"kind":"mutation","after_ms":120}`, id))
		}
		if r.IntN(10) < 2 {
			add("input", ts+600, `{"selector":"#q","tag":"input","type":"search","length":7}`)
		}
		if r.IntN(10) < 3 {
			add("network", ts+700, `{"method":"GET","url":"https://shop.example/api/stock","status":200,"duration_ms":84}`)
		}
		for range 3 {
			add("mutation", ts+r.Int64N(900), `{"type":3,"data":{"source":0,"texts":[{"id":41,"value":"4 left"}],"attributes":[],`+
				`"removes":[],"adds":[]},"timestamp":1800000000000}`)
		}
	}
	return events
}

// arrivalOf is what a session sent at once.
type arrivalOf struct {
	session string
	events  []Event
}

// interleave mixes the events of many sessions by time, each of which is one of some visits. (Where these are few, the
// memory that is marked while a benchmark runs is mostly the engine's own.)
func interleave(sessions, visits int, seconds int64) []arrivalOf {
	r := rand.New(rand.NewPCG(1, 2))
	made := make([][]Event, visits)
	for i := range made {
		made[i] = mix(r, i, 1_800_000_000_000, seconds)
	}
	left := make([][]Event, sessions)
	for i := range left {
		left[i] = made[i%visits]
	}
	var all []arrivalOf
	for ts := int64(1_800_000_000_000); ts < 1_800_000_000_000+seconds*1000; ts += 1000 {
		for i := range left {
			n := 0
			for n < len(left[i]) && left[i][n].TS < ts+1000 {
				n++
			}
			if n > 0 {
				all = append(all, arrivalOf{fmt.Sprintf("01jdsession%08d", i), left[i][:n]})
				left[i] = left[i][n:]
			}
		}
	}
	return all
}

// BenchmarkObserve is the cost of an event of the mix, with 1,000 sessions at a time, each of which sends what it has
// once a second, and Advance four times a second.
func BenchmarkObserve(b *testing.B) { benchmark(b, interleave(1000, 64, 60)) }

// BenchmarkSingly is the same where each event comes by itself.
func BenchmarkSingly(b *testing.B) {
	var single []arrivalOf
	for _, a := range interleave(1000, 64, 60) {
		for i := range a.events {
			single = append(single, arrivalOf{a.session, a.events[i : i+1]})
		}
	}
	benchmark(b, single)
}

// clicking makes clicks of a session as large as the published contract's reference click, somewhere on a page.
func clicking(r *rand.Rand, session, n int, ts, least, most int64) (events []Event) {
	for i := range n {
		ts += least + r.Int64N(most-least+1)
		x, y := r.IntN(1280), r.IntN(720)
		events = append(events, Event{
			ID: fmt.Sprintf("0192f3a4-5b6c-7d8e-9f00-%012d", session*1000+i), Type: "click", TS: ts,
			URL: "https://shop.example/products/17", PageID: "01jdpage0000000001",
			Payload: fmt.Sprintf(`{"x":%d,"y":%d,"vw":1280,"vh":720,"page_x":%d,"page_y":%d,"selector":"main>div.products>`+
				`article:nth-child(%d)>button","tag":"button","text":"Add %x to basket","interactive":true}`, x, y, x, y+r.IntN(4000),
				r.IntN(48), r.Int64N(1<<28)),
		})
	}
	return events
}

// BenchmarkClicks is the cost of a click: of 1,000 sessions 20 each, one to four seconds apart.
func BenchmarkClicks(b *testing.B) {
	r := rand.New(rand.NewPCG(3, 4))
	var all []arrivalOf
	for session := range 1000 {
		events := clicking(r, session, 20, 1_800_000_000_000+r.Int64N(2000), 1000, 4000)
		for i := range events {
			all = append(all, arrivalOf{fmt.Sprintf("0192f3a4-5b6c-7d8e-9f00-%012d", session), events[i : i+1]})
		}
	}
	slices.SortFunc(all, func(a, b arrivalOf) int { return cmp.Compare(a.events[0].TS, b.events[0].TS) })
	benchmark(b, all)
}

// BenchmarkReference is the cost of a click of the stream that the throughput benchmark sends (benchmarks/visit): 500
// of a session at once, five a second by their own time.
func BenchmarkReference(b *testing.B) {
	r := rand.New(rand.NewPCG(5, 6))
	var all []arrivalOf
	for session := range 400 {
		events := clicking(r, session, 500, 1_800_000_000_000+int64(session)*5, 200, 200)
		all = append(all, arrivalOf{fmt.Sprintf("0192f3a4-5b6c-7d8e-9f00-%012d", session), events})
	}
	benchmark(b, all)
}

// benchmark lets an engine see the arrivals over and over, b.N events in all.
func benchmark(b *testing.B, arrivals []arrivalOf) {
	b.ReportAllocs()
	runtime.GC()
	b.ResetTimer()
	var e *Engine
	started := cpuTime()
	var now int64
	i := 0
	for left := b.N; left > 0; i++ {
		a := &arrivals[i%len(arrivals)]
		if i%len(arrivals) == 0 {
			e, now = engineWith(Default()), 0
		}
		if last := a.events[len(a.events)-1].TS; last-now >= 250 {
			now = last
			e.Advance(now)
		}
		e.Observe("shop", a.session, a.events, max(a.events[len(a.events)-1].TS, now))
		left -= len(a.events)
	}
	b.ReportMetric(float64(cpuTime()-started)/float64(b.N), "cpu-ns/event")
}

// cpuTime is what the process has used so far, its garbage collection included: unlike the time on the wall it
// does not grow where others use the machine.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkIrrelevant is the cost of an event that no detector looks at.
func BenchmarkIrrelevant(b *testing.B) {
	e := engineWith(Default())
	ev := Event{ID: "m", Type: "mutation", TS: 1, Payload: `{}`}
	for b.Loop() {
		e.Observe("shop", "s", []Event{ev}, 1)
	}
}

// TestMemoryPerSession prints what a session costs: on the mix, where nobody ever rests, and after 15 s of rest.
func TestMemoryPerSession(t *testing.T) {
	const sessions = 2000
	measure := func(events []arrivalOf, rest int64) int {
		e := engineWith(Default())
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		var now int64
		for i := range events {
			if ts := events[i].events[0].TS; ts >= now+250 {
				now = ts
				e.Advance(now)
			}
			e.Observe("shop", events[i].session, events[i].events, now)
		}
		e.Advance(now + rest)
		runtime.GC()
		runtime.ReadMemStats(&after)
		runtime.KeepAlive(events)
		return int(after.HeapAlloc-before.HeapAlloc) / e.Stats().Sessions
	}
	events := interleave(sessions, sessions, 60)
	typical := measure(events, 0)
	t.Logf("bytes a session: %d on the mix, %d in its first 12 s, %d after 15 s of rest", typical, measure(interleave(sessions, sessions, 12), 0), measure(events, 15_000))
	if typical > 2048 {
		t.Errorf("a session takes %d bytes, more than 2048", typical)
	}
}
