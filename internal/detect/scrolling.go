package detect

import "slices"

// scrolling finds excessive_scroll: up and down one page again and again, a good part of it each time, without
// a click.
type scrolling struct {
	page    *page       // nil: nothing scrolled yet
	lo, hi  float32     // how far it went since it last turned round
	way     int8        // 1 down, -1 up, 0 not known yet
	fit     int32       // reversals of the fit that goes on, 0 for none
	turns   []*evidence // what completed each
	first   *evidence
	lastEnd int64
}

const maxScrollTurns = 64

func (c *scrolling) step(r *Rules, e *evidence, out findings) {
	if e.typ != scroll || c.page != nil && *e.page != *c.page {
		c.end(out)
		*c = scrolling{turns: c.turns[:0]}
	}
	if e.typ != scroll || e.y <= 0 {
		return
	}
	if c.page == nil {
		c.page, c.lo, c.hi = e.page, e.x, e.x
		return
	}
	c.lo, c.hi = min(c.lo, e.x), max(c.hi, e.x)
	travel := float32(r.Scroll.Travel) * e.y
	switch {
	case c.way >= 0 && c.hi-e.x >= travel:
		c.turned(r, c.way != 0, e, out)
		c.way = -1
	case c.way <= 0 && e.x-c.lo >= travel:
		c.turned(r, c.way != 0, e, out)
		c.way = 1
	default:
		return
	}
	c.lo, c.hi = e.x, e.x
}

// turned takes a travel; the first one reverses nothing.
func (c *scrolling) turned(r *Rules, reversal bool, e *evidence, out findings) {
	if !reversal {
		return
	}
	c.turns = append(c.turns, e.keep())
	c.forget(e.ts - r.Scroll.WithinMS)
	if len(c.turns) > maxScrollTurns {
		c.turns = slices.Delete(c.turns, 0, 1)
	}
	switch {
	case c.fit > 0:
		c.fit++
	case len(c.turns) >= r.Scroll.Reversals:
		c.fit, c.first = int32(len(c.turns)), c.turns[0]
	default:
		return
	}
	c.lastEnd = e.ts
	c.find(false, out)
}

func (c *scrolling) find(final bool, out findings) {
	out.found(finding{
		kind: ExcessiveScroll, first: c.first, count: int(c.fit), durationMS: c.lastEnd - c.first.ts, final: final,
	})
}

func (c *scrolling) end(out findings) {
	if c.fit > 0 {
		c.find(true, out)
		c.fit, c.turns = 0, c.turns[:0]
	}
}

func (c *scrolling) due(r *Rules) int64 {
	if c.fit == 0 {
		return never
	}
	return c.lastEnd + r.Scroll.WithinMS
}

func (c *scrolling) tick(r *Rules, t int64, out findings) {
	if c.due(r) < t {
		c.end(out)
	}
	c.forget(t - r.Scroll.WithinMS)
}

func (c *scrolling) forget(before int64) {
	c.turns = slices.DeleteFunc(c.turns, func(t *evidence) bool { return t.ts < before })
	if len(c.turns) == 0 {
		c.turns = nil
	}
}

func (c *scrolling) blank() bool { return c.page == nil }

func (c *scrolling) copy() detector {
	d := *c
	d.turns = slices.Clone(c.turns)
	return &d
}
