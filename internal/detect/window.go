package detect

import (
	"encoding/binary"
	"math"
	"slices"
	"strings"
)

// window holds a session's recent evidence, sorted and free of repetitions. What comes often (pointer, scroll,
// input, network) is packed into one buffer at 30 to 60 bytes each; what is rare and rich (clicks and what
// becomes of them, navigations) has only its header there and lies beside it, shared with the detectors.
type window struct {
	buf   []byte
	rich  []*evidence // in the order of arrival
	pages []*page
	lent  evidence
}

// A record of buf: timestamp, sum, length of the body, type, length of the id; then id and body.
const (
	recordHeader = 8 + 8 + 2 + 1 + 1
	maxWindow    = 64 << 10 // of records; a session that sends more has a shorter lateness
	maxRich      = 1024
	maxID        = 128
	maxPoints    = 512
	maxPages     = 32
)

type record struct {
	ts    int64
	sum   uint64
	typ   evidenceType
	start int // in buf
	end   int
}

// record reads the header at an offset.
func (w *window) record(at int) record {
	head := w.buf[at : at+recordHeader]
	return record{
		ts:    int64(binary.LittleEndian.Uint64(head)),
		sum:   binary.LittleEndian.Uint64(head[8:]),
		typ:   evidenceType(head[18]),
		start: at,
		end:   at + recordHeader + int(head[19]) + int(binary.LittleEndian.Uint16(head[16:])),
	}
}

// insert puts evidence in its place and gives its record. Where the window has the event already the earlier of
// the two timestamps stands: fresh and moved are false where that changes nothing, and moved says that it did.
func (w *window) insert(e *evidence) (r record, fresh, moved bool) {
	place, found := len(w.buf), record{start: -1}
	for at := 0; at < len(w.buf); {
		r := w.record(at)
		if r.sum == e.sum {
			found = r
		}
		if place == len(w.buf) && e.before(r.ts, r.typ, r.sum) {
			place = at
		}
		at = r.end
	}
	if found.start >= 0 {
		if found.ts <= e.ts {
			return found, false, false
		}
		w.remove(found) // lies behind the place
	}
	w.buf = slices.Insert(w.buf, place, w.pack(e)...)
	return w.record(place), found.start < 0, found.start >= 0
}

func (w *window) remove(r record) {
	w.buf = slices.Delete(w.buf, r.start, r.end)
	if !packs(r.typ) {
		w.dropRich(r.sum)
	}
}

func (w *window) dropRich(sum uint64) {
	w.rich = slices.DeleteFunc(w.rich, func(e *evidence) bool { return e.sum == sum })
}

func packs(typ evidenceType) bool {
	return typ == pointer || typ == scroll || typ == input || typ == network
}

// pack makes the record of e in a scratch buffer behind the records.
func (w *window) pack(e *evidence) []byte {
	var scratch [recordHeader + maxID + 64]byte
	b := scratch[:recordHeader]
	binary.LittleEndian.PutUint64(b, uint64(e.ts))
	binary.LittleEndian.PutUint64(b[8:], e.sum)
	b[18] = byte(e.typ)
	if !packs(e.typ) {
		own := *e
		own.id, own.page = strings.Clone(e.id), w.page(e.page)
		own.ref, own.from = strings.Clone(e.ref), strings.Clone(e.from)
		own.selector, own.text = strings.Clone(e.selector), strings.Clone(e.text)
		w.rich = append(w.rich, &own)
		return b
	}
	if e.typ == pointer || e.typ == scroll { // the others never begin a signal
		b[19] = byte(len(e.id))
		b = append(b, e.id...)
	}
	body := len(b)
	switch e.typ {
	case pointer:
		b = append(b, w.pageIndex(e.page), byte(e.marks>>8), byte(e.marks))
		b = append(b, e.points...)
	case scroll:
		b = append(b, w.pageIndex(e.page))
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(e.x))
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(e.y))
	case network:
		b = binary.LittleEndian.AppendUint64(b, e.what)
	}
	binary.LittleEndian.PutUint16(b[16:], uint16(len(b)-body))
	return b
}

// read gives the evidence of a record: the shared one, or one lent until the next read.
func (w *window) read(r record) *evidence {
	if !packs(r.typ) {
		for _, e := range w.rich {
			if e.sum == r.sum {
				return e
			}
		}
	}
	raw := w.buf[r.start:r.end]
	body := raw[recordHeader+int(raw[19]):]
	w.lent = evidence{ts: r.ts, sum: r.sum, typ: r.typ, lentID: raw[recordHeader : recordHeader+int(raw[19])]}
	switch r.typ {
	case pointer:
		w.lent.page = w.pages[body[0]]
		w.lent.marks = marks(body[1])<<8 | marks(body[2])
		w.lent.points = body[3:]
	case scroll:
		w.lent.page = w.pages[body[0]]
		w.lent.x = math.Float32frombits(binary.LittleEndian.Uint32(body[1:]))
		w.lent.y = math.Float32frombits(binary.LittleEndian.Uint32(body[5:]))
	case network:
		w.lent.what = binary.LittleEndian.Uint64(body)
	}
	return &w.lent
}

// fold hands over and forgets the records before a time, oldest first. What is handed over is valid until fold
// returns.
func (w *window) fold(before int64, take func(e *evidence)) {
	at := 0
	for at < len(w.buf) {
		r := w.record(at)
		if r.ts >= before {
			break
		}
		take(w.read(r))
		if !packs(r.typ) {
			w.dropRich(r.sum)
		}
		at = r.end
	}
	if at > 0 {
		w.buf = slices.Delete(w.buf, 0, at)
	}
}

// each hands over the records of some types, oldest first.
func (w *window) each(types evidenceTypes, take func(e *evidence)) {
	for at := 0; at < len(w.buf); {
		r := w.record(at)
		if types.has(r.typ) {
			take(w.read(r))
		}
		at = r.end
	}
}

func (w *window) page(p *page) *page { return w.pages[w.pageIndex(p)] }

// pageIndex interns a page. A session has few within the window; where the table is full, a place that no
// record names is used again.
func (w *window) pageIndex(p *page) byte {
	for i := len(w.pages) - 1; i >= 0; i-- {
		if *w.pages[i] == *p {
			return byte(i)
		}
	}
	own := &page{strings.Clone(p.url), strings.Clone(p.id)}
	if len(w.pages) < maxPages {
		w.pages = append(w.pages, own)
		return byte(len(w.pages) - 1)
	}
	var used [maxPages]bool
	for at := 0; at < len(w.buf); {
		r := w.record(at)
		if r.typ == pointer || r.typ == scroll {
			used[w.buf[r.start+recordHeader+int(w.buf[r.start+19])]] = true
		}
		at = r.end
	}
	free := max(slices.Index(used[:], false), 0)
	w.pages[free] = own
	return byte(free)
}

// middle is the timestamp in the middle of the records.
func (w *window) middle() int64 {
	ts := int64(early)
	for at := 0; at < len(w.buf)/2; {
		r := w.record(at)
		ts, at = r.ts, r.end
	}
	return ts
}

// has says whether an event is within the window.
func (w *window) has(sum uint64) bool {
	for at := 0; at < len(w.buf); {
		r := w.record(at)
		if r.sum == sum {
			return true
		}
		at = r.end
	}
	return false
}
