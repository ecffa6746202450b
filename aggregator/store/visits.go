package store

import (
	"slices"
	"strings"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/go-faster/city"
)

// What a visit may touch, as known_values and the hashes in session_days name it.
const (
	touchPage    = "page"
	touchEvent   = "event"
	touchProp    = "prop"
	touchError   = "error"
	touchRelease = "release"
)

// touchHash is ClickHouse's cityHash64(concat(kind, ':', value)).
func touchHash(kind, value string) uint64 {
	var room [256]byte
	return city.CH64(append(append(append(room[:0], kind...), ':'), value...))
}

// pageOf is ClickHouse's cutQueryStringAndFragment.
func pageOf(url string) string {
	if i := strings.IndexAny(url, "?#"); i >= 0 {
		return url[:i]
	}
	return url
}

const msPerDay = 24 * 3600 * 1000

// dayOf is the UTC day as ClickHouse's Date holds it: days since 1970, up to 2149.
func dayOf(ms int64) proto.Date {
	if ms < 0 {
		return 0
	}
	return proto.Date(min(ms/msPerDay, 1<<16-1))
}

// visitRows are what a block of events says of its visits: rows of session_days, the values that are new to the block,
// and the pages that visits came to. They are functions of the events alone and go in with them, before anything is acknowledged; made here and
// not by a materialized view, since the events of a visit stand together in a block and their rows are one map look-up
// away, where the engine would group the whole block by strings again. (BenchmarkVisits measures both.)
type visitRows struct {
	days, values, views block

	project, country, browser, device words
	day                               proto.ColDate
	sessionID                         text
	userID                            proto.ColStr
	started, ended, received, userAt  *proto.ColDateTime64
	failed                            proto.ColUInt8
	touched                           *proto.ColArr[uint64]

	valueProject, valueKind words
	value                   text
	firstDay, lastDay       proto.ColDate

	viewProject         words
	viewSession, viewed text
	viewTS              *proto.ColDateTime64

	open  map[visitDay]*visit
	last  *visit // events of a visit come together
	known map[knownValue]*daySpan
}

type visitDay struct {
	project, session string
	day              proto.Date
}

// visit is one row of session_days while its block fills.
type visit struct {
	visitDay
	started, ended, received int64
	country, browser, device string
	user                     string
	userAt                   int64
	failed                   bool
	touched                  []uint64
	seen                     map[uint64]bool // of touched, once that is long
	url                      string          // the last one noted
}

// blocks are what is to be inserted beside the events, once sealed.
func (r *visitRows) blocks() []*block { return []*block{&r.days, &r.values, &r.views} }

type knownValue struct{ project, kind, value string }

type daySpan struct{ first, last proto.Date }

func newVisitRows() *visitRows {
	r := &visitRows{
		started: times(), ended: times(), received: times(), userAt: times(), touched: proto.NewArray(new(proto.ColUInt64)),
		viewTS: times(), open: map[visitDay]*visit{}, known: map[knownValue]*daySpan{},
	}
	r.days = newBlock("session_days", proto.Input{
		{Name: "project", Data: &r.project}, {Name: "day", Data: &r.day}, {Name: "session_id", Data: &r.sessionID},
		{Name: "started_at", Data: r.started}, {Name: "ended_at", Data: r.ended}, {Name: "received_at", Data: r.received},
		{Name: "country", Data: &r.country}, {Name: "browser", Data: &r.browser}, {Name: "device", Data: &r.device},
		{Name: "last_user", Data: proto.ColTuple{r.userAt, &r.userID}}, {Name: "failed", Data: &r.failed},
		{Name: "touched", Data: r.touched},
	})
	r.values = newBlock("known_values", proto.Input{
		{Name: "project", Data: &r.valueProject}, {Name: "kind", Data: &r.valueKind}, {Name: "value", Data: &r.value},
		{Name: "first_day", Data: &r.firstDay}, {Name: "last_day", Data: &r.lastDay},
	})
	r.views = newBlock("page_views", proto.Input{
		{Name: "project", Data: &r.viewProject}, {Name: "session_id", Data: &r.viewSession}, {Name: "ts", Data: r.viewTS},
		{Name: "page", Data: &r.viewed},
	})
	return r
}

// add takes note of an event.
func (r *visitRows) add(e *EventRow) {
	key := visitDay{e.Project, e.SessionID, dayOf(e.TS)}
	v := r.last
	if v == nil || v.visitDay != key {
		v = r.open[key]
		if v == nil {
			v = &visit{visitDay: key, started: e.TS, ended: e.TS}
			r.open[key] = v
		}
		r.last = v
	}
	v.started, v.ended, v.received = min(v.started, e.TS), max(v.ended, e.TS), max(v.received, e.ReceivedAt)
	v.country, v.browser, v.device = max(v.country, e.Country), max(v.browser, e.Browser), max(v.device, e.Device)
	if e.UserID != "" && (v.user == "" || e.TS > v.userAt || e.TS == v.userAt && e.UserID > v.user) {
		v.user, v.userAt = e.UserID, e.TS
	}
	if e.URL != v.url {
		v.url = e.URL
		r.arrive(v, e)
	}
	switch e.EventType {
	case "error":
		v.failed = true
		r.touch(v, touchError, e.Text)
	case "custom":
		r.touch(v, touchEvent, e.Name)
		for _, prop := range e.Props {
			name := e.Name + "." + prop.Key
			v.touch(touchHash(touchProp, name+"="+prop.Value))
			r.touch(v, touchProp, name)
		}
	}
}

// arrive takes note that a visit is on another page.
func (r *visitRows) arrive(v *visit, e *EventRow) {
	if e.URL == "" {
		return
	}
	page := pageOf(e.URL)
	r.touch(v, touchPage, page)
	r.viewProject.Append(e.Project)
	r.viewSession.Append(e.SessionID)
	r.viewTS.AppendRaw(moment(e.TS))
	r.viewed.Append(page)
	for _, pair := range e.Metadata { // a page's events share it
		if pair.Key == touchRelease {
			r.touch(v, touchRelease, pair.Value)
		}
	}
}

func (r *visitRows) touch(v *visit, kind, value string) {
	if value != "" && v.touch(touchHash(kind, value)) {
		r.know(v, kind, value)
	}
}

// touch says whether the hash is new to the visit's row.
func (v *visit) touch(hash uint64) bool {
	const many = 32 // below, looking through them is faster
	if v.seen == nil && len(v.touched) >= many {
		v.seen = make(map[uint64]bool, 2*many)
		for _, known := range v.touched {
			v.seen[known] = true
		}
	}
	if v.seen[hash] || v.seen == nil && slices.Contains(v.touched, hash) {
		return false
	}
	if v.seen != nil {
		v.seen[hash] = true
	}
	v.touched = append(v.touched, hash)
	return true
}

func (r *visitRows) know(v *visit, kind, value string) {
	key := knownValue{v.project, kind, value}
	if span := r.known[key]; span != nil {
		span.first, span.last = min(span.first, v.day), max(span.last, v.day)
	} else {
		r.known[key] = &daySpan{v.day, v.day}
	}
}

// seal makes the blocks of what was noted. It may be called again, after more.
func (r *visitRows) seal() {
	r.days.Reset()
	r.values.Reset()
	for _, v := range r.open {
		r.project.Append(v.project)
		r.day = append(r.day, v.day)
		r.sessionID.Append(v.session)
		r.started.AppendRaw(moment(v.started))
		r.ended.AppendRaw(moment(v.ended))
		r.received.AppendRaw(moment(v.received))
		r.country.Append(v.country)
		r.browser.Append(v.browser)
		r.device.Append(v.device)
		r.userAt.AppendRaw(moment(v.userAt))
		r.userID.Append(v.user)
		r.failed.Append(flag(v.failed))
		r.touched.Append(v.touched)
	}
	for key, span := range r.known {
		r.valueProject.Append(key.project)
		r.valueKind.Append(key.kind)
		r.value.Append(key.value)
		r.firstDay = append(r.firstDay, span.first)
		r.lastDay = append(r.lastDay, span.last)
	}
}

// reset drops the rows and keeps the memory.
func (r *visitRows) reset() {
	for _, b := range r.blocks() {
		b.Reset()
	}
	clear(r.open)
	clear(r.known)
	r.last = nil
}
