package detect

import "slices"

// rage finds rage_click: so many clicks within a time in one zone. It holds the clicks of the last seconds and
// groups them anew with each, because what a click selected is known only after it.
type rage struct {
	run   []press
	over  []burst     // what clicks that left the run belonged to
	known []*evidence // first clicks of the bursts found so far
	next  int64       // when the next of them is over
}

type press struct {
	*evidence
	selected bool
}

// burst is some of the clicks in one zone; it is a rage click when they are enough.
type burst struct {
	first  *evidence
	n      int
	sx, sy float64
	last   int64
}

const maxRun = 64 // clicks held; a longer burst goes on, its first clicks only as a sum

func (b *burst) add(e *evidence) {
	if b.first == nil {
		b.first = e
	}
	b.n++
	b.sx += float64(e.x)
	b.sy += float64(e.y)
	b.last = e.ts
}

func (b *burst) centre() (x, y float64) { return b.sx / float64(b.n), b.sy / float64(b.n) }

func (g *rage) step(r *Rules, e *evidence, out findings) {
	if e.typ == outcome {
		i := slices.IndexFunc(g.run, func(p press) bool { return p.id == e.ref })
		if i >= 0 && e.marks&selected != 0 {
			g.run[i].selected = true
			g.find(r, e.ts, out)
		}
		return
	}
	if e.marks&(stepper|textField|noRage|otherButton) != 0 {
		return
	}
	for len(g.run) > 0 && (len(g.run) == maxRun || g.run[0].ts < e.ts-r.Rage.WindowMS-correctable) {
		g.leave(r, e.ts)
	}
	g.run = append(g.run, press{evidence: e})
	g.find(r, e.ts, out)
}

// leave drops the oldest click; where its burst goes on, it stays counted.
func (g *rage) leave(r *Rules, now int64) {
	bursts, in := g.bursts(r)
	if b := in[0]; b >= 0 && bursts[b].last >= now-r.Rage.WindowMS-correctable {
		if b >= len(g.over) {
			g.over = append(g.over, burst{})
			b = len(g.over) - 1
		}
		g.over[b].add(g.run[0].evidence)
	}
	g.run = slices.Delete(g.run, 0, 1)
	g.over = slices.DeleteFunc(g.over, func(b burst) bool { return b.last < now-2*(r.Rage.WindowMS+correctable) })
	g.known = slices.DeleteFunc(g.known, func(e *evidence) bool {
		return !slices.ContainsFunc(g.run, func(p press) bool { return p.evidence == e }) &&
			!slices.ContainsFunc(g.over, func(b burst) bool { return b.first == e })
	})
}

// find says the bursts that there are at a time, and takes back those that there no longer are.
func (g *rage) find(r *Rules, now int64, out findings) {
	if len(g.run) < r.Rage.Clicks && len(g.over) == 0 && len(g.known) == 0 {
		return
	}
	bursts, _ := g.bursts(r)
	bursts = slices.DeleteFunc(bursts, func(b burst) bool { return b.n < r.Rage.Clicks })
	for _, first := range g.known {
		if !slices.ContainsFunc(bursts, func(b burst) bool { return b.first == first }) {
			out.lost(RageClick, first)
		}
	}
	g.known, g.next = g.known[:0], never
	for _, b := range bursts {
		g.known = append(g.known, b.first)
		over := b.last + r.Rage.WindowMS
		if over >= now {
			g.next = min(g.next, over)
		}
		x, y := b.centre()
		out.found(finding{
			kind: RageClick, first: b.first, x: x, y: y, count: b.n, durationMS: b.last - b.first.ts,
			final: over < now,
		})
	}
}

// bursts groups the run, in its order: a click joins a burst that is going on in its zone, or else makes one
// with clicks before it. The second result is each click's burst, -1 for none; first come those of over.
func (g *rage) bursts(r *Rules) (bursts []burst, in []int) {
	bursts = slices.Clone(g.over)
	in = make([]int, len(g.run))
	for i, c := range g.run {
		in[i] = -1
		if g.selects(r, i) {
			continue
		}
		for k := range bursts {
			x, y := bursts[k].centre()
			if c.ts-bursts[k].last <= r.Rage.WindowMS && distance(x, y, float64(c.x), float64(c.y)) <= r.Rage.RadiusPX {
				bursts[k].add(c.evidence)
				in[i] = k
				break
			}
		}
		if in[i] >= 0 {
			continue
		}
		zone := g.zone(r, in, i)
		if len(zone) < r.Rage.Clicks {
			continue
		}
		var b burst
		for _, j := range zone {
			b.add(g.run[j].evidence)
			in[j] = len(bursts)
		}
		bursts = append(bursts, b)
	}
	return bursts, in
}

// zone finds the clicks up to i, within the window and in no burst, that lie around one centre: of all of them
// the farthest is left out until every one is near enough. It gives nothing where i itself is left out.
func (g *rage) zone(r *Rules, in []int, i int) []int {
	var zone []int
	for j := i; j >= 0 && g.run[j].ts >= g.run[i].ts-r.Rage.WindowMS; j-- {
		near := distance(float64(g.run[j].x), float64(g.run[j].y), float64(g.run[i].x), float64(g.run[i].y)) <= 2*r.Rage.RadiusPX
		if near && in[j] < 0 && (j == i || !g.selects(r, j)) {
			zone = append(zone, j)
		}
	}
	slices.Reverse(zone)
	for len(zone) >= r.Rage.Clicks {
		var b burst
		for _, j := range zone {
			b.add(g.run[j].evidence)
		}
		x, y := b.centre()
		far, most := -1, r.Rage.RadiusPX
		for k, j := range zone {
			if d := distance(x, y, float64(g.run[j].x), float64(g.run[j].y)); d > most {
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

// selects says whether a click belongs to a double or triple click that selected text. More than three in a
// row are no longer that, whatever they select.
func (g *rage) selects(r *Rules, i int) bool {
	from, to := i, i+1
	for from > 0 && i-from < 3 && g.run[from].ts-g.run[from-1].ts <= r.Rage.MultiMS {
		from--
	}
	for to < len(g.run) && to-from < 4 && g.run[to].ts-g.run[to-1].ts <= r.Rage.MultiMS {
		to++
	}
	return to-from <= 3 && slices.ContainsFunc(g.run[from:to], func(p press) bool { return p.selected })
}

func (g *rage) due(*Rules) int64 {
	if len(g.known) == 0 {
		return never
	}
	return g.next
}

func (g *rage) tick(r *Rules, t int64, out findings) { g.find(r, t, out) }

func (g *rage) copy() detector {
	return &rage{slices.Clone(g.run), slices.Clone(g.over), slices.Clone(g.known), g.next}
}
