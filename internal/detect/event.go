package detect

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"

	"github.com/gosight/gosight/proto/gen/gosight"
)

// The kinds of signal.
const (
	RageClick         = "rage_click"
	DeadClick         = "dead_click"
	UnresponsiveClick = "unresponsive_click"
	ErrorClick        = "error_click"
	ThrashedCursor    = "thrashed_cursor"
	QuickBack         = "quick_back"
	ExcessiveScroll   = "excessive_scroll"
	UTurn             = "u_turn"
)

// Kinds lists them in the order of the documentation.
var Kinds = []string{
	RageClick, DeadClick, UnresponsiveClick, ErrorClick, ThrashedCursor, QuickBack, ExcessiveScroll, UTurn,
}

// Event is what the detectors know of one accepted event.
type Event struct {
	ID      string
	Type    string
	TS      int64  // Unix milliseconds, by the client's clock
	URL     string // of the page it happened on; may be empty
	PageID  string // may be empty
	Payload string // a JSON object
}

// FromProto makes an Event of a wire event; shared is its batch's metadata. Nothing is copied: the result is
// valid as long as ev is. For a type that no detector uses only Type is filled.
func FromProto(ev *gosight.Event, shared map[string]string) Event {
	if !Relevant(ev.EventType) {
		return Event{Type: ev.EventType}
	}
	entry := func(key string) string {
		if v, ok := ev.Metadata[key]; ok {
			return v
		}
		return shared[key]
	}
	return Event{
		ID: ev.EventId, Type: ev.EventType, TS: ev.Timestamp, Payload: ev.Payload,
		URL: entry("url"), PageID: entry("page_id"),
	}
}

// Relevant says whether any detector looks at events of this type.
func Relevant(eventType string) bool { return typeOf(eventType) != irrelevant }

// Signal is what a detector says, or takes back, about a session. The engine keeps no reference to it.
type Signal struct {
	Project   string
	SessionID string
	*gosight.Signal
}

// SignalID names the signal of a kind that begins with an event: 32 hexadecimal digits. Every pass over the
// same events, wherever it runs, gets the same one.
func SignalID(project, session, kind, firstEventID string) string {
	h := sha256.New()
	var size [4]byte
	for _, part := range [...]string{project, session, kind, firstEventID} {
		binary.BigEndian.PutUint32(size[:], uint32(len(part)))
		h.Write(size[:])
		h.Write([]byte(part))
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
