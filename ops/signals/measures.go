package main

import (
	"math"

	"github.com/gosight/gosight/internal/detect"
	"github.com/tidwall/gjson"
)

// sample is where the cursor was, and when.
type sample struct{ t, x, y float64 }

// samples unpacks a visit's pointer events.
func samples(v visit) (out []sample) {
	for _, ev := range v.events {
		if ev.Type != "pointer" {
			continue
		}
		for _, p := range gjson.Get(ev.Payload, "points").Array() {
			c := p.Array()
			out = append(out, sample{float64(ev.TS) + c[0].Num, c[1].Num, c[2].Num})
		}
	}
	return out
}

// fits counts the fits of a measure: stretches in which it holds over the last two seconds, two seconds apart.
func fits(path []sample, holds func(window []sample) bool) int {
	n, last, from := 0, math.Inf(-1), 0
	for i := range path {
		for path[from].t < path[i].t-2000 {
			from++
		}
		if holds(path[from : i+1]) {
			if path[i].t-last > 2000 {
				n++
			}
			last = path[i].t
		}
	}
	return n
}

func extent(w []sample) (way, net, box float64) {
	loX, hiX, loY, hiY := w[0].x, w[0].x, w[0].y, w[0].y
	for i := 1; i < len(w); i++ {
		way += math.Hypot(w[i].x-w[i-1].x, w[i].y-w[i-1].y)
		loX, hiX, loY, hiY = min(loX, w[i].x), max(hiX, w[i].x), min(loY, w[i].y), max(hiY, w[i].y)
	}
	end := w[len(w)-1]
	return way, math.Hypot(end.x-w[0].x, end.y-w[0].y), math.Hypot(hiX-loX, hiY-loY)
}

// turning is how far the direction turned in all, in whole turns; steps under 8 px are too short for a direction.
func turning(w []sample) (sum float64) {
	px, py, last, known := w[0].x, w[0].y, 0.0, false
	for _, s := range w[1:] {
		if math.Hypot(s.x-px, s.y-py) < 8 {
			continue
		}
		way := math.Atan2(s.y-py, s.x-px)
		if known {
			d := math.Abs(way - last)
			sum += min(d, 2*math.Pi-d)
		}
		px, py, last, known = s.x, s.y, way, true
	}
	return sum / (2 * math.Pi)
}

// measure is a way to tell thrashing, with its settings on a grid.
type measure struct {
	name, about string
	settings    [][]float64
	fits        func(v visit, setting []float64) int
}

var measures = []measure{
	{
		"reversals", "reversals of at least a swing on one axis, or on both together; way; net share (the product's rule)",
		grid([]float64{20, 26, 32}, []float64{4, 5, 6}, []float64{7, 8, 9}, []float64{200, 350, 500}, []float64{0.25, 0.4}),
		func(v visit, s []float64) int { return found(withThrash(s), v)[detect.ThrashedCursor] },
	},
	{
		"turning", "how far the direction turned in all, in whole turns; way; net share",
		grid([]float64{1, 1.5, 2, 2.5, 3}, []float64{600, 800, 1000, 1200, 1400}, []float64{0.1, 0.15, 0.25, 0.35}),
		func(v visit, s []float64) int {
			return fits(samples(v), func(w []sample) bool {
				way, net, _ := extent(w)
				return way >= s[1] && net <= s[2]*way && turning(w) >= s[0]
			})
		},
	},
	{
		"tortuosity", "way as a multiple of the diagonal of the area it stayed in; way",
		grid([]float64{2, 2.5, 3, 3.5, 4, 5, 6}, []float64{300, 450, 600, 800, 1000}),
		func(v visit, s []float64) int {
			return fits(samples(v), func(w []sample) bool {
				way, _, box := extent(w)
				return way >= s[1] && way >= s[0]*box
			})
		},
	},
}

func withThrash(s []float64) detect.Config {
	cfg := defaults
	t := &cfg.Thrash
	t.SwingPX, t.Reversals, t.Turns, t.PathPX, t.NetShare = s[0], int(s[1]), int(s[2]), s[3], s[4]
	return cfg
}

// grid is every combination of values.
func grid(axes ...[]float64) [][]float64 {
	all := [][]float64{nil}
	for _, axis := range axes {
		var next [][]float64
		for _, head := range all {
			for _, v := range axis {
				next = append(next, append(append([]float64(nil), head...), v))
			}
		}
		all = next
	}
	return all
}

func (m measure) score(visits []visit, setting []float64) (s score) {
	for _, v := range visits {
		s.count(v.want[detect.ThrashedCursor], m.fits(v, setting))
	}
	return s
}

// tune finds the setting with the best F1; of equals the first.
func (m measure) tune(visits []visit) (best []float64, of score) {
	for _, setting := range m.settings {
		if s := m.score(visits, setting); best == nil || s.f1() > of.f1() {
			best, of = setting, s
		}
	}
	return best, of
}
