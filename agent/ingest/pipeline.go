// Package ingest is the agent's front door: it takes events over gRPC and HTTP, refuses the bad ones one by one,
// and answers when the good ones are on disk.
//
// All entrances lead through one Pipeline: validate, enrich, redact, detect, marshal once, queue.
package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/gosight/gosight/agent/enrich"
	"github.com/gosight/gosight/agent/gate"
	"github.com/gosight/gosight/agent/queue"
	"github.com/gosight/gosight/agent/redact"
	"github.com/gosight/gosight/internal/detect"
	"github.com/gosight/gosight/internal/failpoint"
	"github.com/gosight/gosight/proto/gen/gosight"
)

// A client clock that is further off than this is taken to be wrong, and the batch's times are shifted: less may
// be the network's delay.
const clockTolerance = time.Minute

// Source is who sent a batch, as the entrance saw it.
type Source struct {
	Project   string
	Addr      netip.Addr
	UserAgent string
}

// Pipeline is safe for many goroutines.
type Pipeline struct {
	agentID, region string
	limits          Limits
	gate            *gate.Gate
	enricher        *enrich.Enricher
	policies        policies
	detector        *detector
	unfolder        unfolder
	queue           *queue.Queue
	budget          *Budget
	now             func() time.Time
	log             *slog.Logger
	metrics         *metrics
}

// Parts are what a Pipeline is made of.
type Parts struct {
	AgentID, Region string
	Limits          Limits
	Gate            *gate.Gate
	Enricher        *enrich.Enricher
	Redact          redact.Config
	Rules           *detect.Live // of the first pass
	Queue           *queue.Queue
	Budget          *Budget
	Now             func() time.Time
	Registerer      prometheus.Registerer
	Log             *slog.Logger
}

// NewPipeline puts the parts together.
func NewPipeline(parts Parts) *Pipeline {
	p := &Pipeline{
		agentID: parts.AgentID, region: parts.Region, limits: parts.Limits, gate: parts.Gate,
		enricher: parts.Enricher, policies: policies{redact: parts.Redact}, detector: newDetector(parts.Rules),
		unfolder: unfolder{limit: int64(parts.Limits.MaxColumnsBytes), budget: parts.Budget},
		queue:    parts.Queue, budget: parts.Budget, now: parts.Now, log: parts.Log, metrics: newMetrics(parts.Registerer),
	}
	p.gate.OnChange(p.policies.set)
	return p
}

// Take stores a batch and says what became of each of its events. It fails with a *queue.FullError where nothing
// was stored for want of room, with another error where the disk failed; the same batch may then be sent again.
// The batch is Take's from here on.
func (p *Pipeline) Take(ctx context.Context, from Source, batch *gosight.EventBatch) (*gosight.Status, error) {
	held, refused, err := p.unfolder.unfold(batch)
	defer p.unfolder.release(held)
	if err != nil {
		return nil, err
	}
	t, err := p.submit(from, batch)
	if err != nil {
		return nil, err
	}
	if refused != "" {
		// How many events they were is not known.
		t.reject(refused, 1)
	}
	return t.wait(ctx)
}

// submit does everything but wait for the disk.
func (p *Pipeline) submit(from Source, in *gosight.EventBatch) (*ticket, error) {
	now := p.now().UnixMilli()
	t := &ticket{pipeline: p, project: from.Project, status: &gosight.Status{}}
	policy := p.policies.of(from.Project)
	userAgent, _ := policy.scrubber.Text(from.UserAgent) // what it calls itself becomes the browser's name
	groups := p.admit(t, in, now)

	request := ""
	for _, g := range groups {
		batch := g.batch
		batch.UserId = policy.privacy.User(batch.UserId)
		if !p.welcome(t, from.Project, batch) {
			continue
		}
		if g.own {
			share(batch)
		}
		batch.Project, batch.AgentId, batch.Region, batch.ReceivedAt = from.Project, p.agentID, p.region, now
		p.scrubMetadata(policy, batch.Metadata)
		batch.Metadata = p.enricher.Enrich(batch.Metadata, from.Addr, userAgent)
		if policy.excluded[batch.Metadata["country"]] {
			t.reject(reasonCountry, uint64(len(batch.Events)))
			continue
		}
		for _, ev := range batch.Events {
			if ev.EventId == "" {
				if request == "" {
					request = uuid.NewString()
				}
				ev.EventId = assignedID(request, t.assigned)
				t.assigned++
			}
			p.finish(policy, ev)
		}
		if batch.Lane == gosight.Lane_LANE_EVENTS {
			batch.Signals = p.detector.observe(batch, now)
			p.metrics.signals(batch.Signals)
		}
		values, err := marshal(batch)
		if err != nil {
			return nil, err
		}
		t.add(batch.Lane, len(batch.Events), values)
	}
	t.put()
	return t, nil
}

// welcome says whether a group may go on: not where its user or session is erased, or where the session is faster
// than it may be.
func (p *Pipeline) welcome(t *ticket, project string, batch *gosight.Batch) bool {
	if p.gate.Erased(project, batch.UserId, batch.SessionId) {
		t.reject(reasonErased, uint64(len(batch.Events)))
		return false
	}
	err := p.gate.TakeSession(project, batch.SessionId, len(batch.Events))
	var early *gate.LimitError
	if errors.As(err, &early) {
		t.reject(reasonSessionLimit, uint64(len(batch.Events)))
		t.status.RetryDelay = durationpb.New(early.RetryAfter)
		t.refused = err
		return false
	}
	return true
}

// admit checks each event and sorts the good ones into groups; the bad ones are counted in the ticket.
func (p *Pipeline) admit(t *ticket, in *gosight.EventBatch, now int64) []*group {
	shift := int64(0)
	if off := now - in.SentAt; in.SentAt != 0 && (off > clockTolerance.Milliseconds() || off < -clockTolerance.Milliseconds()) {
		shift = off
	}
	sharedFault := p.limits.checkMetadata(in.Metadata)
	var sorted grouping
	start := func(key groupKey) *group {
		batch := &gosight.Batch{SessionId: key.session, UserId: key.user, Lane: key.lane}
		if len(in.Metadata) > 0 {
			batch.Metadata = make(map[string]string, len(in.Metadata)+8)
			for k, v := range in.Metadata {
				batch.Metadata[k] = v
			}
		}
		return &group{batch: batch, own: len(in.Metadata) == 0}
	}
	for _, ev := range in.Events {
		session, user := ev.SessionId, ev.UserId
		if session == "" {
			session = in.SessionId
		}
		if user == "" {
			user = in.UserId
		}
		if ev.Timestamp == 0 {
			ev.Timestamp = now
		} else {
			ev.Timestamp += shift
		}
		if ev.EventId == "" {
			ev.EventId = takeMetadataID(ev)
		}
		reason := sharedFault
		if reason == "" {
			reason = p.limits.check(ev, session, user, now)
		}
		if reason != "" {
			t.reject(reason, 1)
			continue
		}
		key := groupKey{session: session, user: user, lane: gosight.Lane_LANE_EVENTS}
		if isReplay(ev.EventType) {
			key.lane = gosight.Lane_LANE_REPLAY
		}
		ev.SessionId, ev.UserId = "", ""
		g := sorted.of(key, sizeOf(ev), start)
		g.batch.Events = append(g.batch.Events, ev)
	}
	return sorted.groups
}

// takeMetadataID lets a client of the published contract, which has no event_id field, name its events in
// metadata and so be counted once.
func takeMetadataID(ev *gosight.Event) string {
	id, ok := ev.Metadata["event_id"]
	if ok {
		delete(ev.Metadata, "event_id")
	}
	return id
}

// finish makes an accepted event what leaves the region.
func (p *Pipeline) finish(policy *policy, ev *gosight.Event) {
	if ev.Payload == "" {
		ev.Payload = "{}"
	}
	payload, masked := policy.scrubber.Payload(ev.Payload)
	ev.Payload = payload
	eventType, more := policy.scrubber.Text(ev.EventType)
	ev.EventType = eventType
	p.metrics.masked(masked + more)
	if len(ev.Metadata) > 0 {
		p.scrubMetadata(policy, ev.Metadata)
		ev.Metadata = p.enricher.Own(ev.Metadata)
	}
}

// scrubMetadata cleans what the client says; what the agent itself adds comes later.
func (p *Pipeline) scrubMetadata(policy *policy, metadata map[string]string) {
	for key, value := range metadata {
		name, inName := policy.scrubber.Text(key)
		clean, masked := policy.scrubber.Text(value)
		if masked += inName; masked > 0 {
			if inName > 0 {
				delete(metadata, key)
			}
			metadata[name] = clean
			p.metrics.masked(masked)
		}
	}
}

// Run lets time pass for the detector, so that what ends without another event is still said, and follows the geography
// database's file, until ctx is cancelled.
func (p *Pipeline) Run(ctx context.Context) error {
	var watching sync.WaitGroup
	watching.Go(func() { p.enricher.Watch(ctx, p.metrics.reloadFailed.Inc, p.log) })
	defer watching.Wait()
	tick := time.NewTicker(detectInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			p.advance(ctx)
		}
	}
}

func (p *Pipeline) advance(ctx context.Context) {
	now := p.now().UnixMilli()
	for _, batch := range p.detector.advance(now) {
		batch.AgentId, batch.Region, batch.ReceivedAt = p.agentID, p.region, now
		p.metrics.signals(batch.Signals)
		values, err := marshal(batch)
		if err == nil {
			err = p.queue.Put(gosight.Lane_LANE_EVENTS, batch.Project, values...).Wait(ctx)
		}
		if err != nil {
			// The centre's pass finds the same signals again, so this costs time and not truth.
			p.metrics.lostSignals.Add(float64(len(batch.Signals)))
			p.log.Warn("first-pass signals not queued; the second pass will find them", "error", err)
		}
	}
}

// ticket is what was submitted and not yet waited for.
type ticket struct {
	pipeline *Pipeline
	project  string
	status   *gosight.Status
	assigned int
	memory   int64 // of a stream's budget
	lanes    [2]laneShare
	refused  error // why some of it did not even reach the queue
}

// laneShare is a ticket's part of one lane of the queue.
type laneShare struct {
	events uint64
	values [][]byte
	commit *queue.Commit
}

var lanesInOrder = [2]gosight.Lane{gosight.Lane_LANE_EVENTS, gosight.Lane_LANE_REPLAY}

func (t *ticket) add(lane gosight.Lane, events int, values [][]byte) {
	share := &t.lanes[lane-gosight.Lane_LANE_EVENTS]
	share.events += uint64(events)
	share.values = append(share.values, values...)
}

func (t *ticket) reject(reason string, events uint64) {
	t.tell(reason, events)
	t.pipeline.metrics.rejected(reason, events)
}

// tell puts refused events into the client's answer.
func (t *ticket) tell(reason string, events uint64) {
	if t.status.Reasons == nil {
		t.status.Reasons = make(map[string]uint64)
	}
	t.status.Rejected += events
	t.status.Reasons[reason] += events
}

func (t *ticket) put() {
	for i := range t.lanes {
		if share := &t.lanes[i]; len(share.values) > 0 && share.commit == nil {
			share.commit = t.pipeline.queue.Put(lanesInOrder[i], t.project, share.values...)
		}
	}
}

// wait returns the status once all of it is on disk. Where one lane has no room and the other had, the refused
// events are in the status as queue_full with a delay; where nothing was stored, the error says so.
func (t *ticket) wait(ctx context.Context) (*gosight.Status, error) {
	refused := t.refused
	for i := range t.lanes {
		share := &t.lanes[i]
		if share.commit == nil {
			continue
		}
		err := share.commit.Wait(ctx)
		var full *queue.FullError
		switch {
		case err == nil:
			t.status.Accepted += share.events
			t.pipeline.metrics.accepted(lanesInOrder[i], share.events)
		case errors.As(err, &full):
			t.tell(reasonFull, share.events)
			t.pipeline.metrics.rejected(fullness(full), share.events)
			t.status.RetryDelay = durationpb.New(full.RetryAfter)
			refused = err
		default:
			t.pipeline.metrics.rejected("storage_failed", share.events)
			return nil, fmt.Errorf("store %d events: %w", share.events, err)
		}
	}
	if refused != nil && t.status.Accepted == 0 {
		return nil, refused
	}
	if err := failpoint.Hit("ingest/ack"); err != nil {
		return nil, err
	}
	return t.status, nil
}

// waitForRoom is wait for a stream, which is better slowed down than broken off: what found no room is put again
// until patience runs out.
func (t *ticket) waitForRoom(ctx context.Context, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for i := range t.lanes {
		share := &t.lanes[i]
		for share.commit != nil {
			err := share.commit.Wait(ctx)
			var full *queue.FullError
			if err == nil {
				t.status.Accepted += share.events
				t.pipeline.metrics.accepted(lanesInOrder[i], share.events)
				break
			}
			if !errors.As(err, &full) {
				return fmt.Errorf("store %d events: %w", share.events, err)
			}
			select {
			case <-ctx.Done():
				return err
			case <-time.After(full.RetryAfter):
			}
			share.commit = nil
			t.put()
		}
	}
	return nil
}
