package store

import (
	"math"
	"time"

	"github.com/ClickHouse/ch-go/proto"
)

// Pair is one entry of an event's metadata.
type Pair = proto.KV[string, string]

// EventRow is one row of the ledger. Times are Unix milliseconds.
type EventRow struct {
	Project, SessionID, EventID, UserID, EventType string

	TS, ReceivedAt int64

	URL, PageID, AgentID, Region       string
	Country, City, Browser, OS, Device string
	X, Y, PageX, PageY                 float32
	ViewportWidth, ViewportHeight      uint16
	Selector, Text, Name               string
	Value                              float64
	Metadata                           []Pair
	// A custom event's properties, to find visits by; the payload has them too.
	Props   []Pair
	Payload string
}

// ReplayRow is one rrweb event or one part of it.
type ReplayRow struct {
	Project, SessionID, EventID, PageID, Kind string

	Part, Parts    uint16
	TS, ReceivedAt int64
	Data           string
}

// Which pass found a signal.
const (
	Edge   = "edge"
	Centre = "centre"
)

// SignalRow is what one pass says of a signal. The centre's word stands over the edge's, a later Revision over an
// earlier one of the same pass; a Retracted signal is gone.
type SignalRow struct {
	Project, SessionID, SignalID, UserID, Kind string

	TS, ReceivedAt              int64
	URL, PageID, Selector, Text string
	X, Y                        float64
	Count, DurationMS           uint32
	DetectedBy                  string
	Final, Retracted            bool
	FirstEventID                string
	AgentID, Region             string
	Revision                    uint32
}

func (r *SignalRow) version() uint64 {
	if r.DetectedBy == Centre {
		return 1<<32 | uint64(r.Revision)
	}
	return uint64(r.Revision)
}

func times() *proto.ColDateTime64 {
	return new(proto.ColDateTime64).WithPrecision(proto.PrecisionMilli).WithLocation(time.UTC)
}

// The years 1900 and 2299 in milliseconds: outside of these ClickHouse's DateTime64 is not defined.
const minTime, maxTime = -2208988800000, 10413791999999

func moment(ms int64) proto.DateTime64 { return proto.DateTime64(min(max(ms, minTime), maxTime)) }

// EventRows is a block of ledger rows. Not safe for concurrent use; strings must stay unchanged until it is
// inserted and Reset, since repeated ones are not copied.
type EventRows struct {
	block
	project, eventType, agentID, region, country, city, browser, os, device, name words
	sessionID, eventID, userID, url, pageID, selector, text, payload              text
	ts, receivedAt                                                                *proto.ColDateTime64
	x, y, pageX, pageY                                                            proto.ColFloat32
	vw, vh                                                                        proto.ColUInt16
	value                                                                         proto.ColFloat64
	metadata                                                                      pairs
	visits                                                                        *visitRows
}

// NewEventRows returns an empty block.
func NewEventRows() *EventRows {
	r := &EventRows{ts: times(), receivedAt: times(), visits: newVisitRows()}
	r.block = newBlock("events", proto.Input{
		{Name: "project", Data: &r.project}, {Name: "session_id", Data: &r.sessionID},
		{Name: "event_id", Data: &r.eventID}, {Name: "user_id", Data: &r.userID},
		{Name: "event_type", Data: &r.eventType}, {Name: "ts", Data: r.ts}, {Name: "received_at", Data: r.receivedAt},
		{Name: "url", Data: &r.url}, {Name: "page_id", Data: &r.pageID},
		{Name: "agent_id", Data: &r.agentID}, {Name: "region", Data: &r.region},
		{Name: "country", Data: &r.country}, {Name: "city", Data: &r.city}, {Name: "browser", Data: &r.browser},
		{Name: "os", Data: &r.os}, {Name: "device", Data: &r.device},
		{Name: "x", Data: &r.x}, {Name: "y", Data: &r.y}, {Name: "page_x", Data: &r.pageX},
		{Name: "page_y", Data: &r.pageY}, {Name: "vw", Data: &r.vw}, {Name: "vh", Data: &r.vh},
		{Name: "selector", Data: &r.selector}, {Name: "text", Data: &r.text}, {Name: "name", Data: &r.name},
		{Name: "value", Data: &r.value}, {Name: "metadata", Data: &r.metadata}, {Name: "payload", Data: &r.payload},
	})
	return r
}

// Append adds a row.
func (r *EventRows) Append(e *EventRow) {
	r.project.Append(e.Project)
	r.sessionID.Append(e.SessionID)
	r.eventID.Append(e.EventID)
	r.userID.Append(e.UserID)
	r.eventType.Append(e.EventType)
	r.ts.AppendRaw(moment(e.TS))
	r.receivedAt.AppendRaw(moment(e.ReceivedAt))
	r.url.Append(e.URL)
	r.pageID.Append(e.PageID)
	r.agentID.Append(e.AgentID)
	r.region.Append(e.Region)
	r.country.Append(e.Country)
	r.city.Append(e.City)
	r.browser.Append(e.Browser)
	r.os.Append(e.OS)
	r.device.Append(e.Device)
	r.x.Append(finite(e.X))
	r.y.Append(finite(e.Y))
	r.pageX.Append(finite(e.PageX))
	r.pageY.Append(finite(e.PageY))
	r.vw.Append(e.ViewportWidth)
	r.vh.Append(e.ViewportHeight)
	r.selector.Append(e.Selector)
	r.text.Append(e.Text)
	r.name.Append(e.Name)
	r.value.Append(finite(e.Value))
	r.metadata.Append(e.Metadata)
	r.payload.Append(e.Payload)
	r.size += len(e.Payload) + len(e.SessionID) + len(e.EventID) + len(e.URL) + 200
	r.visits.add(e)
}

// Reset drops the rows and keeps the memory.
func (r *EventRows) Reset() {
	r.block.Reset()
	r.visits.reset()
}

func flag(set bool) uint8 {
	if set {
		return 1
	}
	return 0
}

// finite keeps NaN and infinities out: one of them would spoil every average and no JSON can carry it.
func finite[T float32 | float64](v T) T {
	if f := float64(v); math.IsNaN(f) || math.IsInf(f, 0) {
		return 0
	}
	return v
}

// ReplayRows is a block of replay rows. Not safe for concurrent use.
type ReplayRows struct {
	block
	project, kind                    words
	sessionID, eventID, pageID, data text
	part, parts                      proto.ColUInt16
	ts, receivedAt                   *proto.ColDateTime64
}

// NewReplayRows returns an empty block.
func NewReplayRows() *ReplayRows {
	r := &ReplayRows{ts: times(), receivedAt: times()}
	r.block = newBlock("replay", proto.Input{
		{Name: "project", Data: &r.project}, {Name: "session_id", Data: &r.sessionID},
		{Name: "event_id", Data: &r.eventID}, {Name: "part", Data: &r.part}, {Name: "parts", Data: &r.parts},
		{Name: "page_id", Data: &r.pageID}, {Name: "kind", Data: &r.kind},
		{Name: "ts", Data: r.ts}, {Name: "received_at", Data: r.receivedAt}, {Name: "data", Data: &r.data},
	})
	return r
}

// Append adds a row.
func (r *ReplayRows) Append(e *ReplayRow) {
	r.project.Append(e.Project)
	r.sessionID.Append(e.SessionID)
	r.eventID.Append(e.EventID)
	r.part.Append(e.Part)
	r.parts.Append(e.Parts)
	r.pageID.Append(e.PageID)
	r.kind.Append(e.Kind)
	r.ts.AppendRaw(moment(e.TS))
	r.receivedAt.AppendRaw(moment(e.ReceivedAt))
	r.data.Append(e.Data)
	r.size += len(e.Data) + len(e.SessionID) + len(e.EventID) + 50
}

// SignalRows is a block of signal rows. Not safe for concurrent use.
type SignalRows struct {
	block
	project, kind, detectedBy, agentID, region                           words
	sessionID, signalID, userID, url, pageID, selector, text, firstEvent text
	ts, receivedAt                                                       *proto.ColDateTime64
	x, y                                                                 proto.ColFloat64
	count, duration                                                      proto.ColUInt32
	final                                                                proto.ColBool
	version                                                              proto.ColUInt64
	isDeleted                                                            proto.ColUInt8
}

// NewSignalRows returns an empty block.
func NewSignalRows() *SignalRows {
	r := &SignalRows{ts: times(), receivedAt: times()}
	r.block = newBlock("signals", proto.Input{
		{Name: "project", Data: &r.project}, {Name: "session_id", Data: &r.sessionID},
		{Name: "signal_id", Data: &r.signalID}, {Name: "user_id", Data: &r.userID}, {Name: "kind", Data: &r.kind},
		{Name: "ts", Data: r.ts}, {Name: "received_at", Data: r.receivedAt},
		{Name: "url", Data: &r.url}, {Name: "page_id", Data: &r.pageID}, {Name: "selector", Data: &r.selector},
		{Name: "text", Data: &r.text}, {Name: "x", Data: &r.x}, {Name: "y", Data: &r.y},
		{Name: "count", Data: &r.count}, {Name: "duration_ms", Data: &r.duration},
		{Name: "detected_by", Data: &r.detectedBy}, {Name: "final", Data: &r.final},
		{Name: "first_event_id", Data: &r.firstEvent}, {Name: "agent_id", Data: &r.agentID},
		{Name: "region", Data: &r.region}, {Name: "version", Data: &r.version}, {Name: "is_deleted", Data: &r.isDeleted},
	})
	return r
}

// Append adds a row.
func (r *SignalRows) Append(s *SignalRow) {
	r.project.Append(s.Project)
	r.sessionID.Append(s.SessionID)
	r.signalID.Append(s.SignalID)
	r.userID.Append(s.UserID)
	r.kind.Append(s.Kind)
	r.ts.AppendRaw(moment(s.TS))
	r.receivedAt.AppendRaw(moment(s.ReceivedAt))
	r.url.Append(s.URL)
	r.pageID.Append(s.PageID)
	r.selector.Append(s.Selector)
	r.text.Append(s.Text)
	r.x.Append(finite(s.X))
	r.y.Append(finite(s.Y))
	r.count.Append(s.Count)
	r.duration.Append(s.DurationMS)
	r.detectedBy.Append(s.DetectedBy)
	r.final.Append(s.Final)
	r.firstEvent.Append(s.FirstEventID)
	r.agentID.Append(s.AgentID)
	r.region.Append(s.Region)
	r.version.Append(s.version())
	r.isDeleted.Append(flag(s.Retracted))
	r.size += len(s.SessionID) + len(s.SignalID) + len(s.URL) + 150
}
