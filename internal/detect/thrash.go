package detect

import (
	"math"
	"slices"
)

// thrash finds thrashed_cursor. It follows each axis for itself: where the cursor goes back by more than a
// swing, the farthest point was a reversal. Many of them within the window, over a long way, and without
// getting anywhere, are a fit. Trembling never makes a swing, flicks and reading do not reverse often enough,
// and walks over a menu get somewhere.
type thrash struct {
	begun bool
	fresh uint8   // how many of turns came since the last judgement that found a fit
	way   [2]int8 // along x and along y: 1 up, -1 down, 0 not known yet
	x, y  axis
	at    point // the last one; t is Unix ms
	path  float64
	turns []turn // within the window
	fit   *fit   // nil where none goes on
}

// axis is the movement along one axis: between extremes.
type axis struct {
	extreme point   // the farthest since it last turned
	path    float32 // way gone until then
	other   int32   // while the way is not known: how far it went the other way
}

// turn is a reversal: where and when the cursor turned, and the way it had gone by then.
type turn struct {
	at    point
	event *evidence
	path  float32
	along int8 // 0 x, 1 y
}

type fit struct {
	first      *evidence
	turns      int
	from, last int64
	sx, sy     float64
}

const (
	maxTurns = 64 // within the window; more are no more chaotic
	rests    = 4  // windows after which where the cursor went before says nothing any more
)

func (h *thrash) step(r *Rules, e *evidence, out findings) {
	if e.marks&pressed != 0 {
		h.rest(out)
		return
	}
	h.forget(r, e.ts)
	p := point{}
	for rest, ok := e.ref, true; ; {
		if p, rest, ok = unpackPoint(rest, p); !ok {
			return
		}
		at := point{e.ts + p.t, p.x, p.y}
		if h.begun && at.t < h.at.t {
			continue // two events that overlap
		}
		h.move(r, at, e, out)
	}
}

// rest forgets the movement.
func (h *thrash) rest(out findings) {
	h.end(out)
	*h = thrash{turns: h.turns[:0]}
}

func (h *thrash) move(r *Rules, at point, e *evidence, out findings) {
	if h.fit != nil && at.t > h.fit.last+r.Thrash.WindowMS {
		h.end(out)
	}
	if !h.begun {
		h.begun, h.at = true, at
		h.x = axis{extreme: at, other: at.x}
		h.y = axis{extreme: at, other: at.y}
		return
	}
	dx, dy := float64(at.x-h.at.x), float64(at.y-h.at.y)
	h.path += math.Sqrt(dx*dx + dy*dy)
	h.at = at
	swing := int32(r.Thrash.SwingPX)
	turned := h.x.follow(&h.way[0], at.x, h.x.extreme.x, swing)
	if turned == reversed {
		h.turn(&h.x, 0, e)
	}
	if turned != still {
		h.x.extreme, h.x.path = at, float32(h.path)
	}
	also := h.y.follow(&h.way[1], at.y, h.y.extreme.y, swing)
	if also == reversed {
		h.turn(&h.y, 1, e)
	}
	if also != still {
		h.y.extreme, h.y.path = at, float32(h.path)
	}
	if turned == reversed || also == reversed {
		h.judge(r, out)
	}
}

// turn notes that an axis was reversed at its extreme.
func (h *thrash) turn(a *axis, along int8, e *evidence) {
	var kept *evidence
	if n := len(h.turns); n > 0 && h.turns[n-1].event.sum == e.sum {
		kept = h.turns[n-1].event
	} else {
		kept = e.keep()
	}
	if len(h.turns) == maxTurns {
		h.turns = slices.Delete(h.turns, 0, 1)
	}
	h.turns = append(h.turns, turn{at: a.extreme, event: kept, path: a.path, along: along})
	h.fresh = min(h.fresh+1, maxTurns)
}

type course int8

const (
	still    course = iota // nearer than the extreme
	farther                // a new extreme
	reversed               // the extreme was a turn, and this is the new one
)

// follow goes on to v, on the way that the axis has.
func (a *axis) follow(has *int8, v, extreme, swing int32) course {
	switch way := int32(*has); {
	case way == 0:
		lo, hi := min(extreme, a.other, v), max(extreme, a.other, v)
		switch {
		case v-lo >= swing:
			*has = 1
			return farther
		case hi-v >= swing:
			*has = -1
			return farther
		case v == lo || v == hi:
			a.other = lo + hi - v // v becomes the extreme
			return farther
		}
	case (v-extreme)*way >= 0:
		return farther
	case (extreme-v)*way >= swing:
		*has = -*has
		return reversed
	}
	return still
}

// forget drops what no longer counts at a time. A cursor that rested for several windows begins anew.
func (h *thrash) forget(r *Rules, now int64) {
	if h.begun && h.fit == nil && h.at.t < now-rests*r.Thrash.WindowMS {
		*h = thrash{}
		return
	}
	h.drop(now - r.Thrash.WindowMS)
}

// drop drops the turns before a time, and what they alone held.
func (h *thrash) drop(before int64) {
	h.turns = slices.DeleteFunc(h.turns, func(t turn) bool { return t.at.t < before })
	if len(h.turns) == 0 {
		h.turns = nil
	}
}

// judge looks at the turns within the window.
func (h *thrash) judge(r *Rules, out findings) {
	h.drop(h.at.t - r.Thrash.WindowMS)
	along := [2]int{}
	for _, t := range h.turns {
		along[t.along]++
	}
	if max(along[0], along[1]) < r.Thrash.Reversals && along[0]+along[1] < r.Thrash.Turns {
		return
	}
	from, to := h.turns[0], h.turns[len(h.turns)-1]
	way := float64(to.path - from.path)
	net := distance(float64(from.at.x), float64(from.at.y), float64(to.at.x), float64(to.at.y))
	if way < r.Thrash.PathPX || net > r.Thrash.NetShare*way {
		return
	}
	if h.fit == nil {
		h.fit = &fit{first: from.event, from: from.at.t}
		h.fresh = uint8(len(h.turns))
	}
	for _, t := range h.turns[max(0, len(h.turns)-int(h.fresh)):] {
		h.fit.turns++
		h.fit.sx += float64(t.at.x)
		h.fit.sy += float64(t.at.y)
		h.fit.last = max(h.fit.last, t.at.t)
	}
	h.fresh = 0
	h.find(false, out)
}

func (h *thrash) find(final bool, out findings) {
	f := h.fit
	out.found(finding{
		kind: ThrashedCursor, first: f.first, x: f.sx / float64(f.turns), y: f.sy / float64(f.turns),
		count: f.turns, durationMS: f.last - f.from, final: final,
	})
}

func (h *thrash) end(out findings) {
	if h.fit == nil {
		return
	}
	h.find(true, out)
	h.fit, h.turns, h.fresh = nil, h.turns[:0], 0
}

func (h *thrash) due(r *Rules) int64 {
	if h.fit == nil {
		return never
	}
	return h.fit.last + r.Thrash.WindowMS
}

func (h *thrash) tick(r *Rules, t int64, out findings) {
	if h.due(r) < t {
		h.end(out)
	}
	h.forget(r, t)
}

func (h *thrash) blank() bool { return !h.begun }

func (h *thrash) copy() detector {
	c := *h
	c.turns = slices.Clone(h.turns)
	if h.fit != nil {
		own := *h.fit
		c.fit = &own
	}
	return &c
}
