package detect

// errorAfter finds error_click: uncaught errors soon after a click, blamed on the last click before them.
type errorAfter struct {
	click  *evidence
	last   int64
	errors int32
	ended  bool
}

func (a *errorAfter) step(r *Rules, e *evidence, out findings) {
	if e.typ == click {
		if e.marks&otherButton == 0 {
			a.end(out)
			*a = errorAfter{click: e}
		}
		return
	}
	if a.click == nil || e.ts-a.click.ts > r.Error.WithinMS {
		return
	}
	a.errors++
	a.last = e.ts
	a.find(out)
}

func (a *errorAfter) find(out findings) {
	out.found(finding{
		kind: ErrorClick, first: a.click, x: float64(a.click.x), y: float64(a.click.y), count: int(a.errors),
		durationMS: a.last - a.click.ts, final: a.ended,
	})
}

func (a *errorAfter) end(out findings) {
	if a.errors > 0 && !a.ended {
		a.ended = true
		a.find(out)
	}
}

func (a *errorAfter) due(r *Rules) int64 {
	if a.errors == 0 || a.ended {
		return never
	}
	return a.click.ts + r.Error.WithinMS
}

func (a *errorAfter) tick(r *Rules, t int64, out findings) {
	if a.click != nil && a.click.ts+r.Error.WithinMS < t {
		a.end(out)
		*a = errorAfter{}
	}
}

func (a *errorAfter) blank() bool { return a.click == nil }

func (a *errorAfter) copy() detector {
	c := *a
	return &c
}
