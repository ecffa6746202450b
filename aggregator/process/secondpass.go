package process

import (
	"fmt"
	"math"
	"strings"

	"github.com/gosight/gosight/aggregator/bus"
	"github.com/gosight/gosight/internal/detect"
	"github.com/gosight/gosight/proto/gen/gosight"
	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// secondPass is the centre's detectors over one partition: all of a session's batches are in one partition,
// whichever agents they came through, and in the order in which Kafka took them.
type secondPass struct {
	engine   *detect.Engine
	sessions *simplelru.LRU[session, *followed]
	most     int // events of a session in a minute
	flooded  int // events beyond that, since they were last counted
	seen     detect.Stats
	// Host time at which signals are no longer held back after a re-read; 0: none are.
	warmUntil int64
}

type session struct{ project, id string }

// followed is what is known of a session beside what the engine knows.
type followed struct {
	origin
	minute int64 // of Kafka's time, which no client can set
	events int   // looked at in that minute
}

// A re-read begins in the middle of things. Signals that begin within warmUp of its start were said by the
// predecessor, which had seen what came before; signals that begin within settling of its end may not have been
// said by anybody yet. What lies between the two may be said twice, which is harmless.
const (
	warmUp   = 60_000 // ms
	settling = 15_000 // ms: the longest that any rule waits after a signal's first event, lateness included
)

func newSecondPass(cfg Config, first bus.Record) (*secondPass, error) {
	sessions, err := simplelru.NewLRU[session, *followed](cfg.Detect.MaxSessions, nil)
	if err != nil {
		return nil, fmt.Errorf("second pass: %w", err)
	}
	p := &secondPass{engine: detect.New(cfg.Detect), sessions: sessions, most: cfg.MaxSessionEvents}
	if first.Committed {
		p.engine.Warm(min(first.Time+warmUp, first.CommittedTime-settling))
		p.warmUntil = math.MaxInt64
	}
	return p, nil
}

// observe takes a record's batch and gives what it says to say.
func (p *secondPass) observe(record bus.Record, batch *gosight.Batch, now int64, say func(detect.Signal, origin)) {
	if p.warmUntil == math.MaxInt64 && !record.Committed {
		p.warmUntil = now + settling
	}
	visit := p.follow(batch)
	if minute := record.Time / 60_000; minute != visit.minute {
		visit.minute, visit.events = minute, 0
	}
	sayAll := func(signals []detect.Signal) {
		for _, signal := range signals {
			say(signal, p.originOf(signal, now))
		}
	}
	for _, ev := range batch.Events {
		if !detect.Relevant(ev.EventType) {
			continue
		}
		if visit.events++; visit.events > p.most {
			p.flooded++
			continue
		}
		seen := detect.FromProto(ev, batch.Metadata)
		sayAll(p.engine.Observe(batch.Project, batch.SessionId, &seen, now))
	}
	for _, signal := range batch.Signals {
		sayAll(p.engine.Adopt(batch.Project, batch.SessionId, detach(signal), now))
	}
}

// advance lets time pass.
func (p *secondPass) advance(now int64, say func(detect.Signal, origin)) {
	if p.warmUntil != 0 && p.warmUntil <= now {
		p.engine.Warm(math.MinInt64)
		p.warmUntil = 0
	}
	for _, signal := range p.engine.Advance(now) {
		say(signal, p.originOf(signal, now))
	}
}

// follow keeps whose session it is, for signals that time alone brings about.
func (p *secondPass) follow(batch *gosight.Batch) *followed {
	visit, ok := p.sessions.Get(session{batch.Project, batch.SessionId})
	if !ok {
		visit = &followed{}
		p.sessions.Add(session{strings.Clone(batch.Project), strings.Clone(batch.SessionId)}, visit)
	}
	own := func(kept *string, said string) {
		if said != "" && said != *kept {
			*kept = strings.Clone(said) // the record's memory is not ours to keep
		}
	}
	own(&visit.userID, batch.UserId)
	own(&visit.agentID, batch.AgentId)
	own(&visit.region, batch.Region)
	visit.receivedAt = batch.ReceivedAt
	return visit
}

func (p *secondPass) originOf(signal detect.Signal, now int64) origin {
	if visit, ok := p.sessions.Get(session{signal.Project, signal.SessionID}); ok {
		return visit.origin
	}
	return origin{receivedAt: now}
}

// detach copies a signal out of the record that it points into, since the engine keeps it for a while.
func detach(signal *gosight.Signal) *gosight.Signal {
	own := &gosight.Signal{
		SignalId: strings.Clone(signal.SignalId), Kind: strings.Clone(signal.Kind), Timestamp: signal.Timestamp,
		Url: strings.Clone(signal.Url), Selector: strings.Clone(signal.Selector), Text: strings.Clone(signal.Text),
		X: signal.X, Y: signal.Y, Count: signal.Count, DurationMs: signal.DurationMs, Final: signal.Final,
		Retracted: signal.Retracted, FirstEventId: strings.Clone(signal.FirstEventId),
		PageId: strings.Clone(signal.PageId), Revision: signal.Revision,
	}
	return own
}
