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
	x, y  axis
	at    point // the last one; t is Unix ms
	begun bool
	path  float64
	turns []turn // within the window
	fit   fit
	fresh int       // how many of turns came since the last judgement that found a fit
	kept  *evidence // the last event that gave a turn
}

// axis is the movement along one axis: up and down between extremes.
type axis struct {
	way      int8 // 1 up, -1 down, 0 not known yet
	lo, hi   int32
	extreme  point
	extremeP float64 // path at the extreme
}

// turn is a reversal: where and when the cursor turned, and the way it had gone by then.
type turn struct {
	at    point
	path  float64
	along int8 // 0 x, 1 y
	event *evidence
}

type fit struct {
	first  *evidence
	turns  int
	from   int64
	last   int64
	sx, sy float64
}

const maxTurns = 64

func (h *thrash) step(r *Rules, e *evidence, out findings) {
	if e.marks&pressed != 0 {
		h.rest(out)
		return
	}
	p := point{}
	for rest, ok := e.points, true; ; {
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
	if h.fit.first != nil && at.t > h.fit.last+r.Thrash.WindowMS {
		h.end(out)
	}
	if !h.begun {
		h.begun, h.at = true, at
		h.x = axis{lo: at.x, hi: at.x, extreme: at}
		h.y = axis{lo: at.y, hi: at.y, extreme: at}
		return
	}
	dx, dy := float64(at.x-h.at.x), float64(at.y-h.at.y)
	h.path += math.Sqrt(dx*dx + dy*dy)
	h.at = at
	swing := int32(r.Thrash.SwingPX)
	turned := h.x.follow(at.x, at, h.path, swing)
	if turned {
		h.turns = append(h.turns, turn{at: h.x.extreme, path: h.x.extremeP})
		h.x.extreme, h.x.extremeP = at, h.path
		h.turn(e)
	}
	if h.y.follow(at.y, at, h.path, swing) {
		h.turns = append(h.turns, turn{at: h.y.extreme, path: h.y.extremeP, along: 1})
		h.y.extreme, h.y.extremeP = at, h.path
		h.turn(e)
		turned = true
	}
	if turned {
		h.judge(r, out)
	}
}

// turn completes the turn that was just added.
func (h *thrash) turn(e *evidence) {
	if h.kept == nil || h.kept.sum != e.sum {
		h.kept = e.keep()
	}
	h.turns[len(h.turns)-1].event = h.kept
	h.fresh++
	if len(h.turns) > maxTurns {
		h.turns = slices.Delete(h.turns, 0, 1)
	}
}

// follow goes on to v. It reports a turn with the extreme still standing.
func (a *axis) follow(v int32, at point, path float64, swing int32) bool {
	switch a.way {
	case 1:
		if v >= a.hi {
			a.hi, a.extreme, a.extremeP = v, at, path
		} else if a.hi-v >= swing {
			a.way, a.lo = -1, v
			return true
		}
	case -1:
		if v <= a.lo {
			a.lo, a.extreme, a.extremeP = v, at, path
		} else if v-a.lo >= swing {
			a.way, a.hi = 1, v
			return true
		}
	default:
		a.lo, a.hi = min(a.lo, v), max(a.hi, v)
		if v-a.lo >= swing {
			a.way, a.extreme, a.extremeP = 1, at, path
		} else if a.hi-v >= swing {
			a.way, a.extreme, a.extremeP = -1, at, path
		}
	}
	return false
}

// judge looks at the turns within the window.
func (h *thrash) judge(r *Rules, out findings) {
	old := h.at.t - r.Thrash.WindowMS
	h.turns = slices.DeleteFunc(h.turns, func(t turn) bool { return t.at.t < old })
	along := [2]int{}
	for _, t := range h.turns {
		along[t.along]++
	}
	if max(along[0], along[1]) < r.Thrash.Reversals && along[0]+along[1] < r.Thrash.Turns {
		return
	}
	from, to := h.turns[0], h.turns[len(h.turns)-1]
	way := to.path - from.path
	net := distance(float64(from.at.x), float64(from.at.y), float64(to.at.x), float64(to.at.y))
	if way < r.Thrash.PathPX || net > r.Thrash.NetShare*way {
		return
	}
	if h.fit.first == nil {
		h.fit = fit{first: from.event, from: from.at.t}
		h.fresh = len(h.turns)
	}
	for _, t := range h.turns[max(0, len(h.turns)-h.fresh):] {
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
	if h.fit.first == nil {
		return
	}
	h.find(true, out)
	h.fit, h.turns, h.fresh, h.kept = fit{}, h.turns[:0], 0, nil
}

func (h *thrash) due(r *Rules) int64 {
	if h.fit.first == nil {
		return never
	}
	return h.fit.last + r.Thrash.WindowMS
}

func (h *thrash) tick(_ *Rules, _ int64, out findings) { h.end(out) }

func (h *thrash) copy() detector {
	c := *h
	c.turns = slices.Clone(h.turns)
	return &c
}
