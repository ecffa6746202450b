package detect

import "slices"

// rage finds rage_click: so many clicks within a time in one zone. It holds the clicks of the last seconds,
// because what a click selected is known only after it: where that changes, they are grouped anew.
type rage struct {
	run    []press
	bursts []*burst
	next   int64 // when the next burst is over
	serial int32
	texts  int32 // how many of the run selected text
}

type press struct {
	*evidence
	selected bool  // it selected text
	text     bool  // it belongs to a double or triple click that did
	burst    int32 // serial of the burst it is in, 0 for none
}

// burst is clicks in one zone; it is a rage click while they are enough.
type burst struct {
	serial int32
	first  *evidence
	all    clicks
	gone   clicks // those of them that the run no longer holds
	said   bool
}

type clicks struct {
	n      int
	sx, sy float64
	last   int64
}

const (
	maxRun     = 64   // clicks held; a longer burst goes on all the same
	selectedMS = 3000 // how long after a click its outcome may come, besides the window
)

func (c *clicks) add(e *evidence) {
	c.n++
	c.sx += float64(e.x)
	c.sy += float64(e.y)
	c.last = e.ts
}

// distance is how far a click lies from the centre.
func (c *clicks) distance(e *evidence) float64 {
	return distance(c.sx/float64(c.n), c.sy/float64(c.n), float64(e.x), float64(e.y))
}

// near says whether two clicks are no more than some way apart. (Coordinates are bounded: squares of them do not
// overflow.)
func near(a, b *evidence, px float64) bool {
	dx, dy := float64(a.x)-float64(b.x), float64(a.y)-float64(b.y)
	return dx*dx+dy*dy <= px*px
}

func (g *rage) step(r *Rules, e *evidence, out findings) {
	switch {
	case e.typ == outcome:
		if e.marks&selected == 0 {
			return
		}
		g.forget(r, e.ts)
		i := slices.IndexFunc(g.run, func(p press) bool { return p.sum == e.what })
		if i < 0 {
			return
		}
		if !g.run[i].selected {
			g.run[i].selected = true
			g.texts++
		}
		if !g.markText(r, i) {
			return
		}
		g.regroup(r, out)
	case e.marks&(stepper|textField|noRage|otherButton) != 0:
		return
	default:
		g.run = append(g.run, press{evidence: e})
		g.forget(r, e.ts)
		if g.markText(r, len(g.run)-1) {
			g.regroup(r, out)
		} else {
			g.group(r, len(g.run)-1)
		}
	}
	g.find(r, e.ts, out)
}

// forget drops clicks and bursts that nothing can change any more.
func (g *rage) forget(r *Rules, now int64) {
	old := now - r.Rage.WindowMS - selectedMS
	n := 0
	for n < len(g.run) && (g.run[n].ts < old || len(g.run)-n > maxRun) {
		if g.run[n].selected {
			g.texts--
		}
		if b := g.burst(g.run[n].burst); b != nil {
			b.gone.add(g.run[n].evidence)
		}
		n++
	}
	switch {
	case n == len(g.run):
		g.run = nil
	case n > 0:
		g.run = slices.Delete(g.run, 0, n)
	}
	g.bursts = slices.DeleteFunc(g.bursts, func(b *burst) bool { return b.all.last < old })
}

// burst finds a burst by its serial, nil where there is none.
func (g *rage) burst(serial int32) *burst {
	for _, b := range g.bursts {
		if b.serial == serial {
			return b
		}
	}
	return nil
}

// find says the bursts that there are at a time, and takes back those that are no longer enough.
func (g *rage) find(r *Rules, now int64, out findings) {
	g.next = never
	for _, b := range g.bursts {
		if b.all.n < r.Rage.Clicks {
			if b.said {
				b.said = false
				out.lost(RageClick, b.first)
			}
			continue
		}
		b.said = true
		over := b.all.last + r.Rage.WindowMS
		if over >= now {
			g.next = min(g.next, over)
		}
		n := float64(b.all.n)
		out.found(finding{
			kind: RageClick, first: b.first, x: b.all.sx / n, y: b.all.sy / n, count: b.all.n,
			durationMS: b.all.last - b.first.ts, final: over < now,
		})
	}
}

// regroup puts the clicks of the run into bursts anew. Of bursts, what left the run stays.
func (g *rage) regroup(r *Rules, out findings) {
	g.bursts = slices.DeleteFunc(g.bursts, func(b *burst) bool {
		b.all = b.gone
		if b.gone.n == 0 && b.said {
			out.lost(RageClick, b.first)
		}
		return b.gone.n == 0
	})
	for i := range g.run {
		g.run[i].burst = 0
		g.group(r, i)
	}
}

// group lets a click join a burst that goes on in its zone, or else make one with clicks before it.
func (g *rage) group(r *Rules, i int) {
	p := &g.run[i]
	if p.text {
		return
	}
	for _, b := range g.bursts {
		if p.ts-b.all.last <= r.Rage.WindowMS && b.all.distance(p.evidence) <= r.Rage.RadiusPX {
			b.all.add(p.evidence)
			p.burst = b.serial
			return
		}
	}
	zone := g.zone(r, i)
	if len(zone) < r.Rage.Clicks {
		return
	}
	g.serial++
	b := &burst{serial: g.serial, first: g.run[zone[0]].evidence}
	for _, j := range zone {
		b.all.add(g.run[j].evidence)
		g.run[j].burst = b.serial
	}
	g.bursts = append(g.bursts, b)
}

// zone finds the clicks up to i, within the window and in no burst, that lie around one centre: of all of them
// the farthest is left out until every one is near enough. It gives nothing where i itself is left out.
func (g *rage) zone(r *Rules, i int) []int {
	here, since := g.run[i].evidence, g.run[i].ts-r.Rage.WindowMS
	if first := i + 1 - r.Rage.Clicks; first < 0 || g.run[first].ts < since {
		return nil // too few, wherever they are
	}
	from, about := i, 0 // mostly they are elsewhere
	for j := i; j >= 0 && g.run[j].ts >= since; j-- {
		from = j
		if p := &g.run[j]; p.burst == 0 && !p.text && near(here, p.evidence, 2*r.Rage.RadiusPX) {
			about++
		}
	}
	if about < r.Rage.Clicks {
		return nil
	}
	zone := make([]int, 0, about)
	for j := from; j <= i; j++ {
		if p := &g.run[j]; p.burst == 0 && !p.text && near(here, p.evidence, 2*r.Rage.RadiusPX) {
			zone = append(zone, j)
		}
	}
	for len(zone) >= r.Rage.Clicks {
		var all clicks
		for _, j := range zone {
			all.add(g.run[j].evidence)
		}
		far, most := -1, r.Rage.RadiusPX
		for k, j := range zone {
			if d := all.distance(g.run[j].evidence); d > most {
				far, most = k, d
			}
		}
		if far < 0 {
			return zone
		}
		if zone[far] == i {
			return nil
		}
		zone = slices.Delete(zone, far, far+1)
	}
	return nil
}

// markText marks the clicks in a row with i where they are a double or triple click that selected text: at most
// three, since more are no longer that, whatever they select. It reports whether that changed for any of them.
func (g *rage) markText(r *Rules, i int) (changed bool) {
	if g.texts == 0 {
		return false
	}
	const most = 3
	from, to := i, i+1 // one more than may be is enough to know
	for from > 0 && to-from <= most && g.run[from].ts-g.run[from-1].ts <= r.Rage.MultiMS {
		from--
	}
	for to < len(g.run) && to-from <= most && g.run[to].ts-g.run[to-1].ts <= r.Rage.MultiMS {
		to++
	}
	text := to-from <= most && slices.ContainsFunc(g.run[from:to], func(p press) bool { return p.selected })
	for j := from; j < to; j++ {
		changed = changed || text != g.run[j].text
		g.run[j].text = text
	}
	return changed
}

func (g *rage) due(*Rules) int64 {
	if len(g.bursts) == 0 {
		return never
	}
	return g.next
}

func (g *rage) tick(r *Rules, t int64, out findings) {
	if g.due(r) < t {
		g.find(r, t, out)
	}
	g.forget(r, t)
}

func (g *rage) blank() bool { return len(g.run) == 0 && len(g.bursts) == 0 }

func (g *rage) copy() detector {
	c := &rage{run: slices.Clone(g.run), texts: g.texts, next: g.next, serial: g.serial}
	for _, b := range g.bursts {
		own := *b
		c.bursts = append(c.bursts, &own)
	}
	return c
}
