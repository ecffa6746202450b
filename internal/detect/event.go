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

// FromBatch appends those of a batch's events that some detector looks at. Nothing is copied: they are valid as long
// as the batch is.
func FromBatch(events []Event, batch *gosight.Batch) []Event {
	sharedURL, sharedPage := batch.Metadata["url"], batch.Metadata["page_id"]
	for _, ev := range batch.Events {
		if typeOf(ev.EventType) == irrelevant {
			continue
		}
		url, pageID := sharedURL, sharedPage
		if len(ev.Metadata) > 0 {
			if own, ok := ev.Metadata["url"]; ok {
				url = own
			}
			if own, ok := ev.Metadata["page_id"]; ok {
				pageID = own
			}
		}
		events = append(events, Event{
			ID: ev.EventId, Type: ev.EventType, TS: ev.Timestamp, Payload: ev.Payload, URL: url, PageID: pageID,
		})
	}
	return events
}

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
