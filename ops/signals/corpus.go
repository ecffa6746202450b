package main

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/gosight/gosight/internal/detect"
)

// visit is a stretch of one session whose signals are known from how it was made.
type visit struct {
	family string
	name   string
	want   map[string]int // signals by kind; kinds that it has nothing to do with are 0
	events []detect.Event
}

// family makes visits of one sort; want is what each of them should give.
type family struct {
	name  string
	about string
	want  string // a kind, or "" where nothing should be found
	make  func(s *script)
}

// script writes a visit's events: a clock, and dice with a fixed seed.
type script struct {
	*rand.Rand
	now    int64
	page   string
	events []detect.Event
	want   map[string]int
	x, y   float64 // of the cursor
	slow   float64 // how many times rarer than it should the page samples the cursor
}

const start = 1_800_000_000_000

func newScript(seed uint64) *script {
	r := rand.New(rand.NewPCG(seed, 0x676f7369676874))
	slow := 1.0
	if r.IntN(10) == 0 {
		slow = 2
	}
	return &script{Rand: r, slow: slow, now: start + r.Int64N(1000), page: "https://shop.example/", want: map[string]int{},
		x: 200 + 800*r.Float64(), y: 150 + 500*r.Float64()}
}

func (s *script) add(eventType, payload string) string { return s.addAt(s.now, eventType, payload) }

func (s *script) addAt(ts int64, eventType, payload string) string {
	id := fmt.Sprintf("e%03d", len(s.events))
	s.events = append(s.events, detect.Event{ID: id, Type: eventType, TS: ts, URL: s.page, PageID: "p1", Payload: payload})
	return id
}

func (s *script) wait(from, to int) { s.now += int64(s.between(from, to)) }

func (s *script) between(from, to int) int { return from + s.IntN(to-from+1) }

func (s *script) chance(p float64) bool { return s.Float64() < p }

func (s *script) normal(mean, deviation float64) float64 { return mean + deviation*s.NormFloat64() }

// uniform is a number between two.
func (s *script) uniform(from, to float64) float64 { return from + (to-from)*s.Float64() }

func pick[T any](s *script, of ...T) T { return of[s.IntN(len(of))] }

// corpus makes n visits of each family. The same seed gives the same corpus.
func corpus(families []family, n int, seed uint64) []visit {
	var visits []visit
	for f, fam := range families {
		for i := range n {
			s := newScript(seed + uint64(f)<<32 + uint64(i))
			if fam.want != "" {
				s.want[fam.want] = 1
			}
			fam.make(s)
			slices.SortStableFunc(s.events, func(a, b detect.Event) int { return cmp.Compare(a.TS, b.TS) })
			visits = append(visits, visit{fam.name, fmt.Sprint(fam.name, " ", i), s.want, s.events})
		}
	}
	return visits
}

// halves splits a corpus: rules are tuned on the first half of each family, and judged on the other.
func halves(visits []visit) (tune, held []visit) {
	seen := map[string]int{}
	for _, v := range visits {
		if seen[v.family]++; seen[v.family]%2 == 1 {
			tune = append(tune, v)
		} else {
			held = append(held, v)
		}
	}
	return tune, held
}

// defaults are the rules as they are shipped.
var defaults = detect.Default()

// found runs the product's engine over a visit and counts what stands at the end.
func found(cfg detect.Config, v visit) map[string]int {
	engine := detect.New(detect.MustLive(cfg))
	last := map[string]detect.Signal{}
	note := func(signals []detect.Signal) {
		for _, sig := range signals {
			last[sig.SignalId] = sig
		}
	}
	var now int64
	for i := range v.events {
		now = v.events[i].TS
		note(engine.Advance(now))
		note(engine.Observe("corpus", v.name, v.events[i:i+1], now))
	}
	note(engine.Advance(now + cfg.IdleMS)) // the visit is concluded
	counts := map[string]int{}
	for _, sig := range last {
		if !sig.Retracted {
			counts[sig.Kind]++
		}
	}
	return counts
}

// score counts right, wrong and missed signals of a kind.
type score struct{ right, wrong, missed int }

func (s *score) count(want, got int) {
	s.right += min(want, got)
	s.wrong += max(0, got-want)
	s.missed += max(0, want-got)
}

func (s score) precision() float64 {
	if s.right+s.wrong == 0 {
		return 1
	}
	return float64(s.right) / float64(s.right+s.wrong)
}

func (s score) recall() float64 {
	if s.right+s.missed == 0 {
		return 1
	}
	return float64(s.right) / float64(s.right+s.missed)
}

func (s score) f1() float64 {
	p, r := s.precision(), s.recall()
	if p+r == 0 {
		return 0
	}
	return 2 * p * r / (p + r)
}

// points writes a pointer payload.
func points(ps [][3]int) string {
	var b strings.Builder
	b.WriteString(`{"points":[`)
	for i, p := range ps {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "[%d,%d,%d]", p[0], p[1], p[2])
	}
	b.WriteString("]}")
	return b.String()
}
