package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sort"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// positions is where a member stands in each of its partitions.
//
// A commit says three things: the offset, before which everything is stored; and, as its metadata, the offset
// before which everything is said too, since rules that wait had their time; and the offset to re-read from,
// Config.Rewind of record time before the latter. The next owner of the partition begins there, so that its
// detector has seen what led up to the first record that may have more to say, and no detector state is stored.
type positions struct {
	*Consumer
	client *kgo.Client

	mu sync.Mutex
	of map[int32]*position
}

type position struct {
	committed int64 // everything before it is stored, -1 while unknown
	settled   int64 // all that comes of records before it was said, by whoever handled them first
	next      int64 // the record to come, -1 before the first
	trail     []waypoint
}

// waypoint is a record's offset, its time in Unix ms, and when it was handled by elapsed; a position keeps about one a
// second of record time.
type waypoint struct{ offset, time, handled int64 }

const (
	waypointSpacing = 1000 // milliseconds
	// The longest that any rule of the detectors waits after it has seen an event, in milliseconds of the host's time:
	// a backlog may have brought minutes of records within it.
	settling = 15_000
)

func newPositions(c *Consumer) *positions { return &positions{Consumer: c, of: map[int32]*position{}} }

func (p *positions) assigned(_ context.Context, client *kgo.Client, topics map[string][]int32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.client == nil {
		p.client = client // the group may be joined before NewClient has returned
	}
	for _, partition := range topics[p.cfg.Topic(p.lane)] {
		p.of[partition] = &position{committed: -1, next: -1}
	}
	p.metrics.partitions.Set(float64(len(p.of)))
}

func (p *positions) revoked(_ context.Context, _ *kgo.Client, topics map[string][]int32) {
	p.forget(topics[p.cfg.Topic(p.lane)])
}

func (p *positions) forgetAll() {
	p.mu.Lock()
	var all []int32
	for partition := range p.of {
		all = append(all, partition)
	}
	p.mu.Unlock()
	p.forget(all)
}

func (p *positions) forget(partitions []int32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.handler.Forget(partitions)
	for _, partition := range partitions {
		delete(p.of, partition)
		p.metrics.lag.DeleteLabelValues(strconv.Itoa(int(partition)))
	}
	p.metrics.partitions.Set(float64(len(p.of)))
}

// note is a commit's metadata.
type note struct {
	RereadFrom int64 `json:"reread_from"`
	Settled    int64 `json:"settled"`
}

// rewind moves new partitions back from the committed offset to the one in the commit's metadata.
func (p *positions) rewind(ctx context.Context, offsets map[string]map[int32]kgo.Offset,
) (map[string]map[int32]kgo.Offset, error) {
	topic := p.cfg.Topic(p.lane)
	p.mu.Lock()
	client := p.client
	p.mu.Unlock()
	commits, err := kadm.NewClient(client).FetchOffsetsForTopics(ctx, p.cfg.GroupOf(p.lane), topic)
	if err != nil {
		return nil, fmt.Errorf("read commits of %s: %w", topic, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for partition := range offsets[topic] {
		commit, ok := commits.Lookup(topic, partition)
		if !ok || commit.Err != nil || commit.At < 0 {
			continue
		}
		from := commit.At
		var said note
		if err := json.Unmarshal([]byte(commit.Metadata), &said); err == nil && said.RereadFrom >= 0 {
			from = min(from, said.RereadFrom)
		} // else somebody set the offset by hand: begin there
		offsets[topic][partition] = kgo.NewOffset().At(from)
		if position := p.of[partition]; position != nil {
			position.committed, position.next, position.settled = commit.At, from, said.Settled
		}
	}
	return offsets, nil
}

// mark turns Kafka's records into the handler's, saying of each whether it lies before the committed position.
func (p *positions) mark(records []*kgo.Record) []Record {
	p.mu.Lock()
	defer p.mu.Unlock()
	marked := make([]Record, 0, len(records))
	for _, record := range records {
		r := Record{
			Partition: record.Partition, Offset: record.Offset, Time: record.Timestamp.UnixMilli(),
			Key: record.Key, Value: record.Value,
		}
		if position := p.of[record.Partition]; position != nil && record.Offset < position.committed {
			r.Committed, r.Settled = true, record.Offset < position.settled
		}
		marked = append(marked, r)
	}
	return marked
}

var began = time.Now()

// elapsed is a clock for how long ago something was handled, in milliseconds. Nobody can set it.
func elapsed() int64 { return time.Since(began).Milliseconds() }

// advance moves past records that have been handled.
func (p *positions) advance(records []*kgo.Record) {
	now := elapsed()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, record := range records {
		position := p.of[record.Partition]
		if position == nil {
			continue
		}
		// A gap behind the committed offset means that retention deleted what was never read. A gap before it
		// costs only the detector's memory.
		if gap := record.Offset - max(position.next, position.committed); position.next >= 0 && gap > 0 {
			p.metrics.skipped.Add(float64(gap))
			p.log.Error("records expired in kafka before they were read", "partition", record.Partition, "records", gap)
		}
		if record.Offset < position.committed {
			p.metrics.reread.Inc()
		} else {
			p.metrics.consumed.Inc()
		}
		position.next = record.Offset + 1
		position.pass(record.Offset, record.Timestamp.UnixMilli(), now)
	}
}

// pass notes a record on the trail.
func (at *position) pass(offset, time, now int64) {
	if n := len(at.trail); n == 0 || time >= at.trail[n-1].time+waypointSpacing {
		at.trail = append(at.trail, waypoint{offset, time, now})
	}
}

// note is what a commit says now; it drops what lies further back on the trail than is ever re-read.
func (at *position) note(now int64, rewind time.Duration) note {
	before := func(beyond func(waypoint) bool) int {
		return sort.Search(len(at.trail), func(i int) bool { return beyond(at.trail[i]) }) - 1
	}
	if i := before(func(w waypoint) bool { return w.handled > now-settling }); i >= 0 {
		at.settled = max(at.settled, at.trail[i].offset)
	}
	if i := before(func(w waypoint) bool { return w.offset > at.settled }); i >= 0 {
		horizon := at.trail[i].time - rewind.Milliseconds()
		for len(at.trail) > 1 && at.trail[1].time <= horizon {
			at.trail = at.trail[1:]
		}
	}
	return note{RereadFrom: at.trail[0].offset, Settled: at.settled}
}

// commit commits every position that has moved. Where the group is changing it leaves that for the next time.
func (p *positions) commit(ctx context.Context) error {
	topic, now := p.cfg.Topic(p.lane), elapsed()
	p.mu.Lock()
	moved := map[int32]kgo.EpochOffset{}
	notes := map[int32]string{}
	for partition, position := range p.of {
		if position.next > position.committed {
			moved[partition] = kgo.EpochOffset{Epoch: -1, Offset: position.next}
			text, err := json.Marshal(position.note(now, p.cfg.Rewind))
			if err != nil {
				p.mu.Unlock()
				return fmt.Errorf("note on commit of %s: %w", topic, err)
			}
			notes[partition] = string(text)
		}
	}
	p.mu.Unlock()
	if len(moved) == 0 {
		return nil
	}
	ctx = kgo.PreCommitFnContext(ctx, func(req *kmsg.OffsetCommitRequest) error {
		for i := range req.Topics {
			for j := range req.Topics[i].Partitions {
				partition := &req.Topics[i].Partitions[j]
				if metadata, ok := notes[partition.Partition]; ok {
					partition.Metadata = &metadata
				}
			}
		}
		return nil
	})
	var failed error
	p.client.CommitOffsetsSync(ctx, map[string]map[int32]kgo.EpochOffset{topic: moved},
		func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, resp *kmsg.OffsetCommitResponse, err error) {
			failed = err
			if err != nil {
				return
			}
			for _, t := range resp.Topics {
				for _, partition := range t.Partitions {
					failed = errors.Join(failed, kerr.ErrorForCode(partition.ErrorCode))
				}
			}
		})
	if failed != nil {
		if isRebalance(failed) {
			return nil
		}
		return fmt.Errorf("commit %s: %w", topic, failed)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for partition, offset := range moved {
		if position := p.of[partition]; position != nil {
			position.committed = offset.Offset
		}
	}
	return nil
}

// watchLag keeps the lag metric right even while a handler is stuck.
func (p *positions) watchLag(ctx context.Context) {
	topic, admin := p.cfg.Topic(p.lane), kadm.NewClient(p.client)
	ticker := time.NewTicker(5 * time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		ends, err := admin.ListEndOffsets(ctx, topic)
		if err != nil {
			continue // the poll loop reports brokers that are away
		}
		p.mu.Lock()
		for partition, position := range p.of {
			if end, ok := ends.Lookup(topic, partition); ok && end.Err == nil {
				lag := end.Offset - max(position.next, position.committed, 0)
				p.metrics.lag.WithLabelValues(strconv.Itoa(int(partition))).Set(float64(max(lag, 0)))
			}
		}
		p.mu.Unlock()
	}
}
