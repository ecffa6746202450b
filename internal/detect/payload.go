package detect

import (
	"encoding/binary"
	"math"
	"strings"
	"unsafe"

	"github.com/cespare/xxhash/v2"
)

// Longest strings that are kept of a payload, bytes; SDKs cut at 64 characters.
const (
	maxText = 256
	maxURL  = 2048
)

// read fills e from an event; its strings are the event's, its points lie in room. It reports false where the
// payload lacks what the type needs.
func (e *evidence) read(typ evidenceType, ev *Event, room *[]byte) bool {
	*e = evidence{ts: ev.TS, typ: typ, sum: xxhash.Sum64String(ev.ID), id: cut(ev.ID, maxID)}
	switch typ {
	case click:
		return e.readClick(ev.Payload)
	case pointer:
		*room = e.readPointer(ev.Payload, (*room)[:0])
		e.ref = unsafe.String(unsafe.SliceData(*room), len(*room))
		return len(*room) > 0
	case scroll:
		return e.readScroll(ev.Payload)
	case outcome:
		return e.readOutcome(ev.Payload)
	case navigate:
		return e.readNavigate(ev.Payload)
	case pageLoad, pageExit:
		e.ref = cut(field(ev.Payload, "url").text(), maxURL)
		if e.ref == "" {
			e.ref = ev.URL
		}
	case network:
		e.what = xxhash.Sum64String(string(field(ev.Payload, "url")))
	}
	return true
}

func (e *evidence) readNavigate(payload string) bool {
	for f := fieldsOf(payload); f.next(); {
		switch v := f.v; f.key {
		case "from":
			e.text = cut(v.text(), maxURL)
		case "to":
			e.ref = cut(v.text(), maxURL)
		case "kind":
			switch v.text() {
			case "pop":
				e.marks |= back
			case "replace":
				e.marks |= replaced
			}
		}
	}
	return e.ref != ""
}

func (e *evidence) readScroll(payload string) bool {
	seen := 0
	for f := fieldsOf(payload); f.next(); {
		switch v := f.v; f.key {
		case "y":
			e.x = clamp(v.number())
			seen++
		case "page_height":
			e.y = clamp(v.number())
			seen++
		}
	}
	return seen == 2
}

func (e *evidence) readOutcome(payload string) bool {
	e.marks |= answered
	known := false
	for f := fieldsOf(payload); f.next(); {
		switch v := f.v; f.key {
		case "click_id":
			click := v.text()
			e.what = xxhash.Sum64String(click)
			known = click != ""
		case "kind":
			switch v.text() {
			case "none":
				e.marks &^= answered
			case "selection":
				e.marks |= selected
			}
		case "after_ms":
			e.x = clamp(v.number())
		}
	}
	return known
}

// readPointer packs the points: for each the time since the last, and the way in x and y, as varints. Points
// between which the cursor only went on in the same directions are left out: no detector misses them.
func (e *evidence) readPointer(payload string, room []byte) []byte {
	raw, sdk := strings.CutPrefix(payload, `{"points":`) // as the SDK writes it: no search
	if !sdk {
		raw = string(field(payload, "points"))
	}
	if strings.Contains(payload, `"buttons"`) && field(payload, "buttons").number() != 0 {
		e.marks |= pressed
	}
	var last, kept point // last: read but perhaps not kept
	var pending bool
	n := 0
	emit := func(p point) {
		room = appendPoint(room, kept, p)
		kept = p
	}
	for p, rest, ok := nextPoint(raw); ok && n < maxPoints; p, rest, ok = nextPoint(rest) {
		switch {
		case n == 0:
			emit(p)
		case p.t < last.t:
			continue
		case pending && !sameWay(kept, last, p):
			emit(last)
		}
		pending = n > 0
		last = p
		n++
	}
	if pending {
		emit(last)
	}
	return room
}

// point is a place of the cursor, CSS pixels, and when, ms since the event's timestamp.
type point struct {
	t    int64
	x, y int32
}

// sameWay says whether from b to c the cursor went on as from a to b, on both axes, give or take a tremble.
func sameWay(a, b, c point) bool {
	return goesOn(b.x-a.x, c.x-b.x) && goesOn(b.y-a.y, c.y-b.y)
}

func goesOn(before, now int32) bool {
	const tremble = 2
	return before >= -tremble && now >= -tremble || before <= tremble && now <= tremble
}

func appendPoint(b []byte, last, p point) []byte {
	b = binary.AppendUvarint(b, uint64(p.t-last.t))
	b = binary.AppendVarint(b, int64(p.x-last.x))
	return binary.AppendVarint(b, int64(p.y-last.y))
}

// unpackPoint reads the point after last; ok is false at the end.
func unpackPoint(packed string, last point) (p point, rest string, ok bool) {
	if packed == "" {
		return last, "", false
	}
	b := unsafe.Slice(unsafe.StringData(packed), len(packed))
	t, i := binary.Uvarint(b)
	x, j := binary.Varint(b[i:])
	y, k := binary.Varint(b[i+j:])
	return point{last.t + int64(t), last.x + int32(x), last.y + int32(y)}, packed[i+j+k:], true
}

// nextPoint reads one [ms, x, y] of a JSON array of them; fractions are cut off. It is by hand because it
// takes most of the time that detection costs.
func nextPoint(s string) (p point, rest string, ok bool) {
	i := 0
	for i < len(s) && (s[i] == '[' || s[i] == ',') {
		i++
	}
	t, i, ok1 := integer(s, i)
	x, i, ok2 := integer(s, after(s, i, ','))
	y, i, ok3 := integer(s, after(s, i, ','))
	if end := after(s, i, ']'); ok1 && ok2 && ok3 && end <= len(s) && t >= 0 && t <= 60_000 {
		return point{t, int32(clamp(float64(x))), int32(clamp(float64(y)))}, s[end:], true
	}
	return nextPointAnyhow(s)
}

// after is the place after a character, which must be at i; else it is beyond the end.
func after(s string, i int, c byte) int {
	if i < len(s) && s[i] == c {
		return i + 1
	}
	return len(s) + 1
}

// nextPointAnyhow is nextPoint for fractions, spaces, and what is none.
func nextPointAnyhow(s string) (p point, rest string, ok bool) {
	var v [3]int64
	i := 0
	for i < len(s) && (s[i] == '[' || s[i] == ',' || s[i] == ' ' || s[i] == '\n' || s[i] == '\t' || s[i] == '\r') {
		i++
	}
	for n := range v {
		negative := i < len(s) && s[i] == '-'
		if negative {
			i++
		}
		digits := i
		var num int64
		for ; i < len(s) && s[i] >= '0' && s[i] <= '9'; i++ {
			if num < 1<<31 {
				num = num*10 + int64(s[i]-'0')
			}
		}
		if i == digits {
			return p, "", false
		}
		if negative {
			num = -num
		}
		v[n] = num
		for i < len(s) && s[i] != ',' && s[i] != ']' { // a fraction, spaces
			i++
		}
		if i == len(s) || (s[i] == ']') != (n == 2) {
			return p, "", false
		}
		i++
		for i < len(s) && s[i] == ' ' {
			i++
		}
	}
	if v[0] < 0 || v[0] > 60_000 {
		return p, "", false
	}
	return point{v[0], int32(clamp(float64(v[1]))), int32(clamp(float64(v[2])))}, s[i:], true
}

// clamp keeps coordinates within what a page can have, so that sums of them stay exact.
func clamp(v float64) float32 {
	const most = 1 << 22
	switch {
	case math.IsNaN(v):
		return 0
	case v > most:
		return most
	case v < -most:
		return -most
	}
	return float32(v)
}

// cut shortens a string at a character's boundary.
func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "")
}
