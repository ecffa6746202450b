package detect

import (
	"math"
	"strings"
)

// evidenceType is an event type that some detector looks at. The order matters: it is the order of evidence
// with the same timestamp, so that a click stands before its outcome.
type evidenceType uint8

const (
	irrelevant evidenceType = iota
	navigate
	pageLoad
	click
	pointer
	scroll
	input
	network
	uncaught
	outcome
	pageExit
)

func typeOf(eventType string) evidenceType {
	switch eventType {
	case "pointer":
		return pointer
	case "scroll":
		return scroll
	case "click":
		return click
	case "click_outcome":
		return outcome
	case "input":
		return input
	case "network":
		return network
	case "error":
		return uncaught
	case "navigate":
		return navigate
	case "page_load":
		return pageLoad
	case "page_exit":
		return pageExit
	}
	return irrelevant
}

// evidenceTypes is a set of them.
type evidenceTypes uint16

func of(types ...evidenceType) (set evidenceTypes) {
	for _, t := range types {
		set |= 1 << t
	}
	return set
}

func (set evidenceTypes) has(t evidenceType) bool { return set&(1<<t) != 0 }

// marks are what a payload says that takes one bit.
type marks uint16

const (
	active      marks = 1 << iota // click: the element takes clicks
	inert                         // click: it does not; with neither mark, that is unknown
	textField                     // click: where one types, and clicks to place the caret
	stepper                       // click: plus, minus, next, previous: made to be clicked again and again
	noRage                        // click: the site says so
	noDead                        // click: the site says so, or an answer is not to be seen: labels, media
	leaves                        // click: downloads, new tabs, mailto, modifier keys, inputs, disabled
	otherButton                   // click: not the main button
	answered                      // outcome: any kind but none
	selected                      // outcome: the click selected text
	back                          // navigate: kind pop
	replaced                      // navigate: kind replace
	pressed                       // pointer: a button is held, which is a drag
	lent                          // any: valid for a step only
)

// evidence is what is kept of one event.
type evidence struct {
	ts    int64
	sum   uint64 // hash of the event's id: its identity within the session
	what  uint64 // outcome: the click's sum; network: hash of the URL
	page  *page
	id    string
	ref   string  // click: selector; navigate and page events: the URL; pointer: points, packed by appendPoint
	text  string  // click: text of the element; navigate: the URL before
	x, y  float32 // click: place in the viewport; scroll: y and page height; outcome: x is after_ms
	typ   evidenceType
	marks marks
}

// page is what evidence of one page shares.
type page struct{ url, id string }

// before orders evidence: by time, then type, then identity. It is total, so any order of arrival and any
// repetition sorts into one sequence.
func (e *evidence) before(ts int64, typ evidenceType, sum uint64) bool {
	if e.ts != ts {
		return e.ts < ts
	}
	if e.typ != typ {
		return e.typ < typ
	}
	return e.sum < sum
}

// keep returns evidence that stays valid. Frequent types are lent: the session holds them packed, and unpacks
// each into the same place for the time of a step.
func (e *evidence) keep() *evidence {
	if e.marks&lent == 0 {
		return e
	}
	kept := *e
	kept.id, kept.ref, kept.marks = strings.Clone(e.id), "", e.marks&^lent
	return &kept
}

func distance(x1, y1, x2, y2 float64) float64 { return math.Hypot(x1-x2, y1-y2) }
