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
	engine  *detect.Engine
	origins *simplelru.LRU[session, origin]
	seen    detect.Stats
	// Host time at which signals are no longer held back after a re-read; 0: none are.
	warmUntil int64
}

type session struct{ project, id string }

// A re-read begins in the middle of things. Signals that begin within warmUp of its start were said by the
// predecessor, which had seen what came before; signals that begin within settling of its end may not have been
// said by anybody yet. What lies between the two may be said twice, which is harmless.
const (
	warmUp   = 60_000 // ms
	settling = 15_000 // ms: the longest that any rule waits after a signal's first event, lateness included
)

func newSecondPass(cfg detect.Config, first bus.Record) (*secondPass, error) {
	origins, err := simplelru.NewLRU[session, origin](cfg.MaxSessions, nil)
	if err != nil {
		return nil, fmt.Errorf("second pass: %w", err)
	}
	p := &secondPass{engine: detect.New(cfg), origins: origins}
	if first.Committed {
		p.engine.Warm(min(first.Time+warmUp, first.CommittedTime-settling))
		p.warmUntil = math.MaxInt64
	}
	return p, nil
}

// observe takes a batch and gives what it says to say.
func (p *secondPass) observe(batch *gosight.Batch, committed bool, now int64, say func(detect.Signal, origin)) {
	if p.warmUntil == math.MaxInt64 && !committed {
		p.warmUntil = now + settling
	}
	from := originOf(batch)
	p.remember(batch, from)
	sayAll := func(signals []detect.Signal) {
		for _, signal := range signals {
			say(signal, p.originOf(signal, now))
		}
	}
	for _, ev := range batch.Events {
		if !detect.Relevant(ev.EventType) {
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

// remember keeps whose session it is for signals that time alone brings about.
func (p *secondPass) remember(batch *gosight.Batch, from origin) {
	key := session{batch.Project, batch.SessionId}
	known, ok := p.origins.Get(key)
	if from.userID == "" {
		from.userID = known.userID
	}
	if ok && known.userID == from.userID && known.agentID == from.agentID && known.region == from.region {
		return // receivedAt of the first batch will do
	}
	from = origin{strings.Clone(from.userID), strings.Clone(from.agentID), strings.Clone(from.region), from.receivedAt}
	p.origins.Add(session{strings.Clone(key.project), strings.Clone(key.id)}, from)
}

func (p *secondPass) originOf(signal detect.Signal, now int64) origin {
	from, ok := p.origins.Get(session{signal.Project, signal.SessionID})
	if !ok {
		from.receivedAt = now
	}
	return from
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
