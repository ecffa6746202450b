package detect

import (
	"encoding/binary"
	"math"
	"slices"
	"strings"
	"unsafe"
)

// window holds a session's recent evidence, sorted and free of repetitions. Most is packed into one buffer, at 20
// to 70 bytes each; what is rare and rich (clicks, navigations) has only its header there and lies beside it,
// shared with the detectors.
type window struct {
	buf   []byte
	rich  []*evidence // in the order of their records
	pages []*page
	last  int32  // where the last record of buf starts
	seen  uint64 // Bloom filter of the sums in buf: most events are known to be new without a search
}

// A record of buf: timestamp, sum, length of the body, type, length of the id; then id and body.
const (
	recordHeader = 8 + 8 + 2 + 1 + 1
	maxWindow    = 16 << 10 // bytes of records; a session that sends more has a shorter lateness
	maxRich      = 256
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
	if known, late := w.mark(e.sum), w.isLate(e); known || late {
		for at := 0; at < len(w.buf); {
			r := w.record(at)
			if r.sum == e.sum {
				found = r
			}
			if late && place == len(w.buf) && e.before(r.ts, r.typ, r.sum) {
				place = at
			}
			at = r.end
		}
	}
	if found.start >= 0 {
		if found.ts <= e.ts {
			return found, false, false
		}
		w.remove(found) // lies behind the place
	}
	var scratch [recordHeader + maxID + 64]byte
	packed := w.pack(scratch[:0], e)
	if need := len(w.buf) + len(packed); need > cap(w.buf) {
		w.resize(need)
	}
	w.buf = slices.Insert(w.buf, place, packed...)
	r = w.record(place)
	if r.end == len(w.buf) {
		w.last = int32(place)
	} else {
		w.last += int32(r.end - r.start)
	}
	return r, found.start < 0, found.start >= 0
}

// resize gives buf room for need bytes, and for some more: less than append would, since there are many windows.
func (w *window) resize(need int) {
	w.buf = append(make([]byte, 0, need+need/8+32), w.buf...)
}

// isLate says whether evidence belongs before the last record.
func (w *window) isLate(e *evidence) bool {
	if len(w.buf) == 0 {
		return false
	}
	last := w.record(int(w.last))
	return e.before(last.ts, last.typ, last.sum)
}

// mark notes a sum as seen. It reports whether it may have been already.
func (w *window) mark(sum uint64) bool {
	bit := uint64(1) << (sum & 63)
	known := w.seen&bit != 0
	w.seen |= bit
	return known
}

func (w *window) remove(r record) {
	w.buf = slices.Delete(w.buf, r.start, r.end)
	for at := 0; at < len(w.buf); at = w.record(at).end {
		w.last = int32(at)
	}
	if !packs(r.typ) {
		at := w.richPlace(r.ts, r.typ, r.sum)
		w.rich = slices.Delete(w.rich, at, at+1)
	}
}

// richPlace is where in rich the evidence of a record is, or belongs.
func (w *window) richPlace(ts int64, typ evidenceType, sum uint64) int {
	lo, hi := 0, len(w.rich)
	if hi > 0 && w.rich[hi-1].before(ts, typ, sum) { // as mostly
		return hi
	}
	for lo < hi {
		if mid := (lo + hi) / 2; w.rich[mid].before(ts, typ, sum) {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

func packs(typ evidenceType) bool {
	return typ != click && typ != navigate && typ != pageLoad && typ != pageExit
}

// pack makes the record of e in b, and keeps what is rich.
func (w *window) pack(b []byte, e *evidence) []byte {
	b = b[:recordHeader]
	binary.LittleEndian.PutUint64(b, uint64(e.ts))
	binary.LittleEndian.PutUint64(b[8:], e.sum)
	b[18] = byte(e.typ)
	if !packs(e.typ) {
		own := *e
		own.page = w.page(e.page)
		text := joined(e.id, e.ref, e.text)
		for _, field := range [...]*string{&own.id, &own.ref, &own.text} {
			*field, text = text[:len(*field)], text[len(*field):]
		}
		w.rich = slices.Insert(w.rich, w.richPlace(e.ts, e.typ, e.sum), &own)
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
		b = append(b, e.ref...)
	case scroll:
		b = append(b, w.pageIndex(e.page))
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(e.x))
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(e.y))
	case network:
		b = binary.LittleEndian.AppendUint64(b, e.what)
	case outcome:
		b = binary.LittleEndian.AppendUint64(b, e.what)
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(e.x))
		b = append(b, byte(e.marks>>8), byte(e.marks))
	}
	binary.LittleEndian.PutUint16(b[16:], uint16(len(b)-body))
	return b
}

// joined is a copy of strings in one allocation. (With + it would be no copy where all but one are empty.)
func joined(parts ...string) string { return strings.Join(parts, "") }

// read gives the evidence of a record: the shared one, or one that is lent, in room, until that is used again.
func (w *window) read(r record, room *evidence) *evidence {
	if !packs(r.typ) {
		if last := w.rich[len(w.rich)-1]; last.sum == r.sum {
			return last
		}
		return w.rich[w.richPlace(r.ts, r.typ, r.sum)]
	}
	return w.unpack(r, room)
}

// unpack makes evidence in room of a record that holds all of it.
func (w *window) unpack(r record, room *evidence) *evidence {
	raw := w.buf[r.start:r.end]
	id := raw[recordHeader : recordHeader+int(raw[19])]
	body := raw[recordHeader+len(id):]
	*room = evidence{ts: r.ts, sum: r.sum, typ: r.typ, marks: lent, id: unsafe.String(unsafe.SliceData(id), len(id))}
	switch r.typ {
	case pointer:
		room.page = w.pages[body[0]]
		room.marks |= marks(body[1])<<8 | marks(body[2])
		room.ref = unsafe.String(unsafe.SliceData(body[3:]), len(body)-3)
	case scroll:
		room.page = w.pages[body[0]]
		room.x = math.Float32frombits(binary.LittleEndian.Uint32(body[1:]))
		room.y = math.Float32frombits(binary.LittleEndian.Uint32(body[5:]))
	case network:
		room.what = binary.LittleEndian.Uint64(body)
	case outcome:
		room.what = binary.LittleEndian.Uint64(body)
		room.x = math.Float32frombits(binary.LittleEndian.Uint32(body[8:]))
		room.marks |= marks(body[12])<<8 | marks(body[13])
	}
	return room
}

// fold hands over and forgets the records before a time, oldest first. What is handed over is valid until take
// returns.
func (w *window) fold(before int64, room *evidence, take func(e *evidence)) {
	at, rich := 0, 0
	for at < len(w.buf) {
		r := w.record(at)
		if r.ts >= before {
			break
		}
		if packs(r.typ) {
			take(w.unpack(r, room))
		} else {
			take(w.rich[rich])
			rich++
		}
		at = r.end
	}
	if at == 0 {
		return
	}
	w.rich = slices.Delete(w.rich, 0, rich)
	w.buf = slices.Delete(w.buf, 0, at)
	if cap(w.buf) > 2*len(w.buf)+128 {
		w.resize(len(w.buf))
	}
	w.seen = 0
	for at = 0; at < len(w.buf); {
		r := w.record(at)
		w.last = int32(at)
		w.mark(r.sum)
		at = r.end
	}
}

// oldest is the timestamp of the first record, or never.
func (w *window) oldest() int64 {
	if len(w.buf) == 0 {
		return never
	}
	return int64(binary.LittleEndian.Uint64(w.buf))
}

// each hands over the records of some types, oldest first.
func (w *window) each(types evidenceTypes, room *evidence, take func(e *evidence)) {
	rich := 0
	for at := 0; at < len(w.buf); {
		r := w.record(at)
		switch own := !packs(r.typ); {
		case own:
			if types.has(r.typ) {
				take(w.rich[rich])
			}
			rich++
		case types.has(r.typ):
			take(w.unpack(r, room))
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
	both := joined(p.url, p.id)
	own := &page{both[:len(p.url)], both[len(p.url):]}
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
