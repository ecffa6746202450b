package ingest

import (
	"unicode/utf8"

	"github.com/tidwall/gjson"

	"github.com/gosight/gosight/internal/config"
	"github.com/gosight/gosight/proto/gen/gosight"
)

// Why an event is refused: the keys of Status.reasons and the label of the counter.
const (
	reasonNoSession      = "missing_session_id"
	reasonNoType         = "missing_event_type"
	reasonSessionTooLong = "session_id_too_long"
	reasonUserTooLong    = "user_id_too_long"
	reasonTypeTooLong    = "event_type_too_long"
	reasonIDTooLong      = "event_id_too_long"
	reasonNotUTF8        = "invalid_utf8"
	reasonNotJSON        = "invalid_json"
	reasonPayloadSize    = "payload_too_large"
	reasonMetadataSize   = "metadata_too_large"
	reasonFuture         = "timestamp_in_future"
	reasonNegativeTime   = "timestamp_negative"
	// reasonColumns counts batches: what stands in columns that cannot be read is not known.
	reasonColumns      = "invalid_columns"
	reasonErased       = "erased"
	reasonCountry      = "excluded_country"
	reasonSessionLimit = "session_limited"
	// reasonFull is the one reason to send the event again: its lane of the queue had no room.
	reasonFull = "queue_full"
)

// Limits bounds what one event may be. Ids are keys of every table, so they are short; a payload beyond the limit
// is not an event but a mistake of the page; a replay snapshot may hold a whole document.
type Limits struct {
	MaxIDBytes       int   `help:"Longest session_id and event_id." default:"128"`
	MaxUserBytes     int   `help:"Longest user_id." default:"256"`
	MaxTypeBytes     int   `help:"Longest event_type." default:"64"`
	MaxPayloadBytes  int   `help:"Largest payload of an event that is not replay." default:"65536"`
	MaxReplayBytes   int   `help:"Largest payload of a replay event; it is cut into parts of 512 KiB." default:"16777216"`
	MaxColumnsBytes  int   `help:"Largest columns of replay in a batch, once they are JSON again." default:"33554432"`
	MaxMetadataBytes int   `help:"Keys and values of one event's metadata together." default:"16384"`
	MaxFutureMS      int64 `help:"How far ahead of the agent's clock a timestamp may be, in milliseconds." default:"86400000"`
}

// DefaultLimits are those of the published documentation.
func DefaultLimits() Limits { return config.Default[Limits]() }

// isReplay tells the DOM recording from the events proper: it has a lane, a topic and a table of its own.
func isReplay(eventType string) bool { return eventType == "mutation" || eventType == "full_snapshot" }

// check returns why an event is refused, or "". session and user are the effective ones; the timestamp is already
// the agent's reading of it.
func (l *Limits) check(ev *gosight.Event, session, user string, now int64) string {
	switch {
	case session == "":
		return reasonNoSession
	case ev.EventType == "":
		return reasonNoType
	case len(session) > l.MaxIDBytes:
		return reasonSessionTooLong
	case len(user) > l.MaxUserBytes:
		return reasonUserTooLong
	case len(ev.EventType) > l.MaxTypeBytes:
		return reasonTypeTooLong
	case len(ev.EventId) > l.MaxIDBytes:
		return reasonIDTooLong
	case ev.Timestamp < 0:
		return reasonNegativeTime
	case ev.Timestamp > now+l.MaxFutureMS:
		return reasonFuture
	}
	limit := l.MaxPayloadBytes
	if isReplay(ev.EventType) {
		limit = l.MaxReplayBytes
	}
	if len(ev.Payload) > limit {
		return reasonPayloadSize
	}
	if !utf8.ValidString(session) || !utf8.ValidString(user) || !utf8.ValidString(ev.EventType) ||
		!utf8.ValidString(ev.EventId) || !utf8.ValidString(ev.Payload) {
		return reasonNotUTF8
	}
	if ev.Payload != "" && !gjson.Valid(ev.Payload) {
		return reasonNotJSON
	}
	return l.checkMetadata(ev.Metadata)
}

func (l *Limits) checkMetadata(metadata map[string]string) string {
	size := 0
	for key, value := range metadata {
		size += len(key) + len(value)
		if !utf8.ValidString(key) || !utf8.ValidString(value) {
			return reasonNotUTF8
		}
	}
	if size > l.MaxMetadataBytes {
		return reasonMetadataSize
	}
	return ""
}
