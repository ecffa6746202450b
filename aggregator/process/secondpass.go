package process

import (
	"fmt"
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
	events   []detect.Event // of the batch that is looked at
	most     int            // events of a session in a minute
	flooded  int            // events beyond that, since they were last counted
	seen     detect.Stats
	// What is found in settled records that Kafka took before quietUntil is held back, and so is what is said later
	// of the same signals. 0: nothing is.
	quietUntil int64
	quiet      map[string]bool // by signal id
	forgetAt   int64           // host time at which the ids are of no more use
}

type session struct{ project, id string }

// followed is what is known of a session beside what the engine knows.
type followed struct {
	origin
	minute int64 // of Kafka's time, which no client can set
	events int   // looked at in that minute
}

// A re-read begins in the middle of things. Signals found within warmUp of its start, in records that are settled,
// were said by a predecessor, which had seen what came before. Others may not have been said by anybody yet, or are
// said twice, which is harmless. The time is Kafka's and not the events': those may have waited in an agent for
// however long.
const (
	warmUp = 60_000 // ms
	// The engine has forgotten a session by then, and says nothing more of its signals.
	forgotten = 120_000 // ms
)

func newSecondPass(cfg Config, rules *detect.Live, first bus.Record) (*secondPass, error) {
	sessions, err := simplelru.NewLRU[session, *followed](cfg.Detect.MaxSessions, nil)
	if err != nil {
		return nil, fmt.Errorf("second pass: %w", err)
	}
	p := &secondPass{engine: detect.New(rules), sessions: sessions, most: cfg.MaxSessionEvents}
	if first.Settled {
		p.quietUntil = first.Time + warmUp
		p.quiet = make(map[string]bool)
	}
	return p, nil
}

// observe takes a record's batch and gives what it says to say.
func (p *secondPass) observe(record bus.Record, batch *gosight.Batch, now int64, say func(detect.Signal, origin)) {
	quiet := record.Settled && record.Time < p.quietUntil
	if quiet {
		p.forgetAt = now + forgotten
	}
	visit := p.follow(batch)
	if minute := record.Time / 60_000; minute != visit.minute {
		visit.minute, visit.events = minute, 0
	}
	sayAll := func(signals []detect.Signal) {
		if quiet {
			for _, signal := range signals {
				p.quiet[signal.SignalId] = true
			}
		}
		p.sayAll(signals, now, say)
	}
	p.events = detect.FromBatch(p.events[:0], batch)
	looked := min(len(p.events), p.most-visit.events)
	visit.events += looked
	p.flooded += len(p.events) - looked
	sayAll(p.engine.Observe(batch.Project, batch.SessionId, p.events[:looked], now))
	clear(p.events)
	for _, signal := range batch.Signals {
		sayAll(p.engine.Adopt(batch.Project, batch.SessionId, detach(signal), now))
	}
}

// advance lets time pass.
func (p *secondPass) advance(now int64, say func(detect.Signal, origin)) {
	p.sayAll(p.engine.Advance(now), now, say)
	if p.forgetAt < now {
		p.quietUntil, p.quiet = 0, nil
	}
}

// sayAll says what is not held back.
func (p *secondPass) sayAll(signals []detect.Signal, now int64, say func(detect.Signal, origin)) {
	for _, signal := range signals {
		if !p.quiet[signal.SignalId] {
			say(signal, p.originOf(signal, now))
		}
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
