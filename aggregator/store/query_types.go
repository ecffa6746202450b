package store

import "encoding/json"

// Session is one visit, as lists and the head of its page show it. Times are Unix milliseconds.
type Session struct {
	SessionID string `json:"session_id"`
	UserID    string `json:"user_id" doc:"As the site calls the visitor; empty while unknown."`
	StartedAt int64  `json:"started_at" doc:"Time of the first event, Unix milliseconds."`
	EndedAt   int64  `json:"ended_at" doc:"Time of the last event so far, Unix milliseconds."`
	Live      bool   `json:"live" doc:"Events arrived within the last minute."`
	Events    uint64 `json:"events" doc:"Distinct events, replay included."`
	Pages     uint64 `json:"pages" doc:"Pages, or routes where one page has several."`
	Clicks    uint64 `json:"clicks"`
	Errors    uint64 `json:"errors"`
	EntryURL  string `json:"entry_url"`
	LastURL   string `json:"last_url"`
	Country   string `json:"country" doc:"ISO 3166-1 alpha-2, empty while unknown."`
	City      string `json:"city"`
	Browser   string `json:"browser"`
	OS        string `json:"os"`
	Device    string `json:"device"`
	HasReplay bool   `json:"has_replay"`

	Signals  map[string]uint64 `json:"signals" doc:"Signals of the visit, counted by kind."`
	Activity []uint32          `json:"activity" doc:"Events in each 24th of the visit."`
}

// Signal is one finding of the detector.
type Signal struct {
	SignalID   string  `json:"signal_id"`
	Kind       string  `json:"kind"`
	TS         int64   `json:"ts" doc:"When its first event happened, Unix milliseconds."`
	URL        string  `json:"url"`
	Selector   string  `json:"selector"`
	Text       string  `json:"text"`
	X          float64 `json:"x" doc:"CSS pixels in the viewport."`
	Y          float64 `json:"y" doc:"CSS pixels in the viewport."`
	Count      uint32  `json:"count" doc:"How many events make it up."`
	DurationMS uint32  `json:"duration_ms"`
	DetectedBy string  `json:"detected_by" enum:"edge,centre"`
	PageID     string  `json:"page_id"`
}

// PageVisit is one page, or one route of a single-page application, that the visit came through.
type PageVisit struct {
	PageID    string `json:"page_id"`
	URL       string `json:"url"`
	Title     string `json:"title"`
	EnteredAt int64  `json:"entered_at"`
}

// Event is one stored event with its payload; replay events are not among them.
type Event struct {
	EventID   string            `json:"event_id"`
	EventType string            `json:"event_type"`
	TS        int64             `json:"ts"`
	URL       string            `json:"url"`
	Payload   json.RawMessage   `json:"payload"`
	Metadata  map[string]string `json:"metadata"`
}

// ReplayChunk is a run of rrweb events in playing order.
type ReplayChunk struct {
	Events     []ReplayEvent
	NextCursor string
	// Incomplete counts events left out because a part has not arrived yet or does not decode.
	Incomplete int
}

// SessionFilter selects sessions; zero values select all.
type SessionFilter struct {
	From, To      int64 // Unix milliseconds; a visit counts when it overlaps the range.
	Page          string
	User          string
	Kinds         []string // all of them must have occurred
	Country       []string
	Browser       []string
	Device        []string
	MinDurationMS int64
	MaxDurationMS int64
	LiveOnly      bool
	WithErrors    bool
	Error         string            // part of an error's message
	Event         string            // a custom event's name
	Props         map[string]string // values of that event's properties
	Release       string
	Limit         int
	Cursor        string
}

// FacetValue is one value of a filter and how many sessions have it.
type FacetValue struct {
	Value    string `json:"value"`
	Sessions uint64 `json:"sessions"`
}

// Facets are the values worth offering as filters, most frequent first.
type Facets struct {
	Countries []FacetValue `json:"countries"`
	Browsers  []FacetValue `json:"browsers"`
	Devices   []FacetValue `json:"devices"`
	Pages     []FacetValue `json:"pages"`
	Kinds     []FacetValue `json:"kinds"`
	Events    []FacetValue `json:"events" doc:"Custom events by name."`
	Props     []FacetValue `json:"props" doc:"Properties of custom events, as event.property."`
	Errors    []FacetValue `json:"errors" doc:"Messages of uncaught errors."`
	Releases  []FacetValue `json:"releases"`
	Sessions  uint64       `json:"sessions"`
	Live      uint64       `json:"live"`
}

// InsightFilter selects signals; zero values select all.
type InsightFilter struct {
	From, To int64 // Unix milliseconds
	BucketMS int64
	Kinds    []string
	Page     string
}

// Point is one bucket of a series: its start and the number of signals in it.
type Point struct {
	T     int64  `json:"t"`
	Count uint64 `json:"count"`
}

// KindSeries is one kind of signal over time; Previous is its total over the period of equal length before.
type KindSeries struct {
	Kind     string  `json:"kind"`
	Total    uint64  `json:"total"`
	Sessions uint64  `json:"sessions"`
	Previous uint64  `json:"previous" doc:"Signals of this kind in the period of equal length before."`
	Points   []Point `json:"points"`
}

// PageSignals counts signals of one kind on one page.
type PageSignals struct {
	URL      string `json:"url"`
	Kind     string `json:"kind"`
	Count    uint64 `json:"count"`
	Sessions uint64 `json:"sessions"`
}

// Example is a moment of a session that shows what a row counts.
type Example struct {
	SessionID string `json:"session_id"`
	TS        int64  `json:"ts"`
}

// ElementSignals counts signals of one kind on one element.
type ElementSignals struct {
	Selector string  `json:"selector"`
	Text     string  `json:"text"`
	URL      string  `json:"url"`
	Kind     string  `json:"kind"`
	Count    uint64  `json:"count"`
	Sessions uint64  `json:"sessions"`
	Example  Example `json:"example"`
}

// Insights are signals over time, by page and by element.
type Insights struct {
	From     int64  `json:"from"`
	To       int64  `json:"to"`
	BucketMS int64  `json:"bucket_ms"`
	Visits   uint64 `json:"visits" doc:"Sessions in the period, with and without signals."`
	Affected uint64 `json:"affected" doc:"Sessions in the period with at least one of these signals."`
	// The same of the period of equal length before.
	VisitsBefore   uint64           `json:"visits_before" doc:"Sessions in the period of equal length before."`
	AffectedBefore uint64           `json:"affected_before" doc:"Of those, sessions with at least one of these signals."`
	Series         []KindSeries     `json:"series"`
	Pages          []PageSignals    `json:"pages"`
	Elements       []ElementSignals `json:"elements"`
}
