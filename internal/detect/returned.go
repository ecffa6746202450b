package detect

import (
	"slices"
	"strings"
)

// returned finds quick_back and u_turn: back from a page soon after it was reached, and back on a page left
// a moment ago for another. A quick_back is not also a u_turn, and one trip is one signal.
type returned struct {
	at      string    // the page the visitor is on, "" between two pages
	url     string    // the same, as it was reported
	entered *evidence // how they got there
	left    []departure
}

type departure struct {
	from string
	by   *evidence
}

const maxDepartures = 16

func (t *returned) step(r *Rules, e *evidence, out findings) {
	switch e.typ {
	case navigate:
		from, to := place(e.text), place(e.ref)
		if from == "" {
			from = t.at
		}
		switch {
		case to == from:
		case e.marks&replaced != 0: // a redirect: no page of its own was left
			t.at, t.url = to, e.ref
		default:
			t.leave(from, e)
			t.arrive(r, e, e.marks&back != 0, out)
		}
	case pageExit:
		t.leave(place(e.ref), e)
		t.at = ""
	case pageLoad:
		to := place(e.ref)
		if to == t.at || to == "" {
			return // after a navigate that said it already, or again
		}
		if t.at != "" {
			t.leave(t.at, e)
		}
		t.arrive(r, e, true, out)
	}
}

func (t *returned) leave(from string, by *evidence) {
	if from == "" {
		return
	}
	if len(t.left) == maxDepartures {
		t.left = slices.Delete(t.left, 0, 1)
	}
	t.left = append(t.left, departure{from, by})
}

// arrive looks whether the page was left a moment ago. The last departure is the one from the page before
// this one.
func (t *returned) arrive(r *Rules, e *evidence, isBack bool, out findings) {
	to := place(e.ref)
	url, entered := t.url, t.entered
	t.at, t.url, t.entered = to, e.ref, e
	if n := len(t.left); n > 0 && t.left[n-1].from == to { // loaded again
		t.left = t.left[:n-1]
		return
	}
	for i := len(t.left) - 2; i >= 0; i-- {
		d := t.left[i]
		if d.from != to || e.ts-d.by.ts > r.Returned.UTurnMS {
			continue
		}
		f := finding{kind: UTurn, first: d.by, url: url, count: len(t.left) - i, durationMS: e.ts - d.by.ts, final: true}
		if isBack && i == len(t.left)-2 && entered != nil && e.ts-entered.ts <= r.Returned.QuickMS {
			f.kind, f.first, f.durationMS = QuickBack, entered, e.ts-entered.ts
		}
		out.found(f)
		t.left = t.left[:0]
		return
	}
}

// place is what makes a URL a page of its own: not the fragment, unless the site routes by it.
func place(url string) string {
	at := strings.IndexByte(url, '#')
	if at < 0 || strings.HasPrefix(url[at:], "#/") || strings.HasPrefix(url[at:], "#!") {
		return url
	}
	return url[:at]
}

func (t *returned) due(*Rules) int64             { return never }
func (t *returned) tick(*Rules, int64, findings) {}
func (t *returned) blank() bool                  { return false }
func (t *returned) copy() detector {
	c := *t
	c.left = slices.Clone(t.left)
	return &c
}
