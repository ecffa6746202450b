package api

import (
	"context"
	"errors"
	"slices"

	"github.com/gosight/gosight/aggregator/store"
)

// lateness is how far out of order events may arrive and still reach a viewer (ms).
const lateness = 15_000

// quietLooks is how many looks without news pass until the visit itself is looked at: it may have ended.
const quietLooks = 10

// tail follows one visit: each next gives what the store has that the viewer does not.
type tail struct {
	reader  *store.Reader
	id      string
	after   int64  // the newest time the viewer had when it joined
	state   string // of the visit when it was last sent
	quiet   int    // looks without news since then
	events  seenIDs
	replay  seenIDs
	signals map[string]store.Signal
}

// seenIDs remembers what was sent among the last lateness milliseconds.
type seenIDs struct {
	ts     map[string]int64
	newest int64
}

// add says whether id is new, and remembers it.
func (s *seenIDs) add(id string, ts int64) bool {
	if _, ok := s.ts[id]; ok {
		return false
	}
	s.ts[id] = ts
	s.newest = max(s.newest, ts)
	return true
}

// forget drops what is too old to be read again.
func (s *seenIDs) forget() {
	for id, ts := range s.ts {
		if ts < s.newest-2*lateness {
			delete(s.ts, id)
		}
	}
}

func newTail(reader *store.Reader, id string, after int64) *tail {
	return &tail{
		reader: reader, id: id, after: after,
		events: seenIDs{ts: map[string]int64{}, newest: after}, replay: seenIDs{ts: map[string]int64{}, newest: after},
		signals: map[string]store.Signal{},
	}
}

// next returns messages for the stream, none when nothing changed. Rows of one moment arrive apart, each table
// by its own insert, so each is asked for; a visit that is not stored yet just has none.
func (t *tail) next(ctx context.Context) ([]any, error) {
	var news []any
	events, err := t.reader.EventsSince(ctx, t.id, t.events.newest-lateness)
	if err != nil {
		return nil, err
	}
	var fresh []store.Event
	for _, ev := range events {
		if t.events.add(ev.EventID, ev.TS) {
			fresh = append(fresh, ev)
		}
	}
	if len(fresh) > 0 {
		news = append(news, eventsNews{Events: fresh})
	}
	replay, err := t.reader.ReplaySince(ctx, t.id, t.replay.newest-lateness)
	if err != nil {
		return nil, err
	}
	unseen := slices.DeleteFunc(replay, func(ev store.ReplayEvent) bool { return !t.replay.add(ev.EventID, ev.TS) })
	if len(unseen) > 0 {
		ids, frames := split(unseen)
		news = append(news, replayNews{IDs: ids, Events: frames})
	}
	signals, err := t.reader.Signals(ctx, t.id)
	if err != nil {
		return nil, err
	}
	var changed []store.Signal
	for _, signal := range signals {
		if t.signals[signal.SignalID] != signal {
			t.signals[signal.SignalID] = signal
			changed = append(changed, signal)
		}
	}
	if len(changed) > 0 {
		news = append(news, signalsNews{Signals: changed})
	}
	t.events.forget()
	t.replay.forget()
	t.quiet++
	if len(news) == 0 && t.quiet < quietLooks {
		return nil, nil
	}
	t.quiet = 0
	session, err := t.reader.Session(ctx, t.id)
	if errors.Is(err, store.ErrNotFound) {
		return news, nil
	}
	if err != nil {
		return nil, err
	}
	if state := stateOf(session); state != t.state {
		t.state = state
		news = append(news, session)
	}
	return news, nil
}
