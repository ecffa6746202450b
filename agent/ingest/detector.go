package ingest

import (
	"hash/maphash"
	"runtime"
	"sync"
	"time"

	"github.com/gosight/gosight/internal/detect"
	"github.com/gosight/gosight/proto/gen/gosight"
)

// detectInterval is how late the end of a burst may be noticed: a tenth of the second that a signal may take.
const detectInterval = 100 * time.Millisecond

// detector spreads sessions over engines, each behind its own lock, since an engine serves one caller at a time.
type detector struct {
	seed   maphash.Seed
	shards []shard
}

type shard struct {
	mu     sync.Mutex
	engine *detect.Engine
	events []detect.Event // of the batch that is looked at
	_      [16]byte       // keeps neighbours' locks off one cache line
}

func newDetector(rules *detect.Live) *detector {
	d := &detector{seed: maphash.MakeSeed(), shards: make([]shard, 4*runtime.GOMAXPROCS(0))}
	for i := range d.shards {
		d.shards[i].engine = detect.New(rules)
	}
	return d
}

// observe shows a batch's events to the session's engine and returns the signals they gave.
func (d *detector) observe(batch *gosight.Batch, now int64) []*gosight.Signal {
	s := &d.shards[maphash.String(d.seed, batch.SessionId)%uint64(len(d.shards))]
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []*gosight.Signal
	s.events = detect.FromBatch(s.events[:0], batch)
	for _, signal := range s.engine.Observe(batch.Project, batch.SessionId, s.events, now) {
		found = append(found, signal.Signal)
	}
	clear(s.events) // the batch's memory is not ours to keep
	return found
}

// advance lets time pass in all engines and returns what that gave, as batches without events.
func (d *detector) advance(now int64) []*gosight.Batch {
	var batches []*gosight.Batch
	for i := range d.shards {
		s := &d.shards[i]
		s.mu.Lock()
		signals := s.engine.Advance(now)
		for _, signal := range signals {
			batches = append(batches, &gosight.Batch{
				Project: signal.Project, SessionId: signal.SessionID, Lane: gosight.Lane_LANE_EVENTS,
				Signals: []*gosight.Signal{signal.Signal},
			})
		}
		s.mu.Unlock()
	}
	return batches
}
