package bus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gosight/gosight/aggregator/receive"
	"github.com/gosight/gosight/proto/gen/gosight"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const events, replay = gosight.Lane_LANE_EVENTS, gosight.Lane_LANE_REPLAY

// broker is kfake: the real protocol, in this process.
func broker(t *testing.T) (*kfake.Cluster, Config) {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	cfg := Default()
	cfg.Brokers = cluster.ListenAddrs()
	cfg.Partitions = 4
	cfg.Linger, cfg.MaxLinger = 20*time.Millisecond, 50*time.Millisecond
	cfg.ProduceTimeout = 2 * time.Second
	return cluster, cfg
}

func producer(t *testing.T, cfg Config) *Producer {
	t.Helper()
	p, err := NewProducer(cfg, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	if err := p.CreateTopics(t.Context()); err != nil {
		t.Fatal(err)
	}
	return p
}

func batches(lane gosight.Lane, from, to int) []receive.Record {
	var out []receive.Record
	for i := from; i < to; i++ {
		out = append(out, receive.Record{
			Lane: lane, Key: fmt.Appendf(nil, "default/s%d", i%10), Value: fmt.Appendf(nil, "%d", i),
		})
	}
	return out
}

// ledger is a handler that remembers, like ClickHouse, what it was given.
type ledger struct {
	mu      sync.Mutex
	fresh   map[string]int
	reread  map[string]int
	last    map[string]string // per key, to see order
	faults  int               // how often still to fail
	poison  func(Record) bool
	forgot  int
	changed chan struct{}
}

func newLedger() *ledger {
	return &ledger{
		fresh: map[string]int{}, reread: map[string]int{}, last: map[string]string{}, changed: make(chan struct{}, 1),
	}
}

func (l *ledger) Handle(_ context.Context, records []Record) ([]Poison, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(records) > 0 && l.faults > 0 {
		l.faults--
		return nil, errors.New("clickhouse is away")
	}
	var poison []Poison
	for _, r := range records {
		switch {
		case r.Committed:
			l.reread[string(r.Value)]++
		case l.poison != nil && l.poison(r):
			poison = append(poison, Poison{Record: r, Reason: "undecodable", Err: errors.New("not a batch")})
		default:
			l.fresh[string(r.Value)]++
			l.last[string(r.Key)] = string(r.Value)
		}
	}
	select {
	case l.changed <- struct{}{}:
	default:
	}
	return poison, nil
}

func (l *ledger) Forget(partitions []int32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forgot += len(partitions)
}

// until waits for a condition on the ledger, which is looked at each time that records were handled.
func (l *ledger) until(t *testing.T, what string, condition func() bool) {
	t.Helper()
	timeout := time.After(30 * time.Second)
	for {
		l.mu.Lock()
		done := condition()
		l.mu.Unlock()
		if done {
			return
		}
		select {
		case <-l.changed:
		case <-timeout:
			t.Fatalf("waited 30 s until %s; have %d fresh, %d reread", what, len(l.fresh), len(l.reread))
		}
	}
}

// consume runs a consumer; the returned function stops it and waits until it has left.
func consume(t *testing.T, cfg Config, lane gosight.Lane, h Handler) (stop func()) {
	t.Helper()
	c, err := NewConsumer(cfg, lane, h, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("consumer ended with %v", err)
		}
	})
	t.Cleanup(stop)
	<-c.Joined()
	return stop
}

func produce(t *testing.T, p *Producer, out []receive.Record) {
	t.Helper()
	if dead, err := p.Produce(t.Context(), out); err != nil || dead != 0 {
		t.Fatalf("produce: %d dead letters, %v", dead, err)
	}
}

func TestBatchesArriveInOrderOnTheirLane(t *testing.T) {
	_, cfg := broker(t)
	p := producer(t, cfg)
	produce(t, p, append(batches(events, 0, 1000), batches(replay, 5000, 5100)...))
	e, r := newLedger(), newLedger()
	consume(t, cfg, events, e)
	consume(t, cfg, replay, r)
	e.until(t, "1000 events", func() bool { return len(e.fresh) == 1000 })
	r.until(t, "100 replays", func() bool { return len(r.fresh) == 100 })
	for i := range 10 {
		if got, want := e.last[fmt.Sprintf("default/s%d", i)], fmt.Sprintf("%d", 990+i); got != want {
			t.Errorf("session %d ended with batch %s, want %s", i, got, want)
		}
	}
}

func TestRestartRereadsWithoutCountingAgain(t *testing.T) {
	_, cfg := broker(t)
	p := producer(t, cfg)
	produce(t, p, batches(events, 0, 100))
	first := newLedger()
	stop := consume(t, cfg, events, first)
	first.until(t, "100 events", func() bool { return len(first.fresh) == 100 })
	stop()

	produce(t, p, batches(events, 100, 150))
	second := newLedger()
	consume(t, cfg, events, second)
	second.until(t, "the new ones", func() bool { return len(second.fresh) == 50 && len(second.reread) == 100 })
	for value := range second.fresh {
		if first.fresh[value] != 0 {
			t.Errorf("batch %s was committed and came as new", value)
		}
	}
}

func TestRewindIsBounded(t *testing.T) {
	at := &position{next: -1, committed: -1}
	for second := range int64(1000) {
		for i := range int64(5) {
			at.pass(second*5+i, second*1000+i*200, second*1000+i*200)
		}
		at.note(second*1000+999, 45*time.Second)
	}
	if n := len(at.trail); n > 70 {
		t.Errorf("the trail holds %d waypoints", n)
	}
	said := at.note(999_999, 45*time.Second)
	if at.trail[0].time > 999_800-60_000 || at.trail[0].time < 999_800-62_000 || said.RereadFrom != at.trail[0].offset {
		t.Errorf("would re-read from time %d, want 45 s and the 15 s of rules that wait before 999800", at.trail[0].time)
	}
	if said.Settled < 984*5 || said.Settled > 985*5 {
		t.Errorf("settled before offset %d, want what was handled 15 s ago", said.Settled)
	}
}

// A backlog of minutes that was handled within a second: all of it may have more to say, and so has whatever a
// successor finds that dies early too.
func TestWhatWasHandledJustNowIsNotSettled(t *testing.T) {
	at := &position{next: -1, committed: -1, settled: 100}
	for second := range int64(600) {
		at.pass(40+second, second*1000, 1_000_000)
	}
	if said := at.note(1_001_000, 90*time.Second); said.Settled != 100 || said.RereadFrom != 40 {
		t.Errorf("a second later: %+v", said)
	}
	if said := at.note(1_016_000, 90*time.Second); said.Settled != 639 || said.RereadFrom != 639-90 {
		t.Errorf("16 seconds later: %+v", said)
	}
}

func TestFailedHandlingIsRepeated(t *testing.T) {
	_, cfg := broker(t)
	l := newLedger()
	l.faults = 3
	consume(t, cfg, events, l)
	produce(t, producer(t, cfg), batches(events, 0, 200))
	l.until(t, "all events", func() bool { return len(l.fresh) == 200 })
}

func TestRebalanceLosesNothing(t *testing.T) {
	_, cfg := broker(t)
	p := producer(t, cfg)
	a, b := newLedger(), newLedger()
	consume(t, cfg, events, a)
	done := make(chan error, 1)
	go func() {
		for i := range 50 {
			if _, err := p.Produce(context.Background(), batches(events, i*20, i*20+20)); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	stop := consume(t, cfg, events, b)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	produce(t, p, batches(events, 1000, 1100))
	union := func() map[string]int {
		all := maps.Clone(a.fresh)
		b.mu.Lock()
		defer b.mu.Unlock()
		maps.Copy(all, b.fresh)
		return all
	}
	a.until(t, "both together have every batch, and a gave partitions away", func() bool {
		return len(union()) == 1100 && a.forgot > 0
	})
	stop()
	produce(t, p, batches(events, 1100, 1200))
	a.until(t, "a alone reads on", func() bool { return len(union()) == 1200 })
}

func TestPassingBrokerErrorIsRetried(t *testing.T) {
	cluster, cfg := broker(t)
	p := producer(t, cfg)
	refuse(cluster, 2, kerr.NotEnoughReplicas.Code, func([]byte) bool { return true })
	produce(t, p, batches(events, 0, 10))
}

func TestOutageIsAnErrorAndNoDeadLetter(t *testing.T) {
	cluster, cfg := broker(t)
	p := producer(t, cfg)
	refuse(cluster, -1, kerr.NotEnoughReplicas.Code, func([]byte) bool { return true })
	start := time.Now()
	dead, err := p.Produce(t.Context(), batches(events, 0, 10))
	if err == nil || dead != 0 {
		t.Fatalf("got %d dead letters and %v, want an error", dead, err)
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("took %s to give up, the limit is %s", took, cfg.ProduceTimeout)
	}
}

func TestTooLargeRecordBecomesDeadLetterAndItsNeighboursDoNot(t *testing.T) {
	cluster, cfg := broker(t)
	cfg.Compression = "none" // so that sizes are what they seem
	p := producer(t, cfg)
	large := bytes.Repeat([]byte("<huge>"), 200_000) // 1.2 MB: more than one piece
	refuse(cluster, -1, kerr.MessageTooLarge.Code, func(batch []byte) bool { return len(batch) > 1<<20 })

	out := batches(events, 0, 20)
	out[7].Value = large
	dead, err := p.Produce(t.Context(), out)
	if err != nil || dead != 1 {
		t.Fatalf("got %d dead letters and %v, want 1", dead, err)
	}
	l := newLedger()
	consume(t, cfg, events, l)
	l.until(t, "the other 19", func() bool { return len(l.fresh) == 19 })

	letters := list(t, cfg)
	if len(letters) != 1 || letters[0].Reason != "MESSAGE_TOO_LARGE" || !bytes.Equal(letters[0].Value, large) ||
		letters[0].Topic != "gosight.events" || string(letters[0].Key) != "default/s7" {
		t.Fatalf("dead letters: %d, first %+v", len(letters), letters)
	}
}

// A topic that takes less than what an agent makes gets it in halves, and in the order of the events.
func TestTooLargeBatchIsHalved(t *testing.T) {
	cluster, cfg := broker(t)
	cfg.Compression = "none"
	p := producer(t, cfg)
	refuse(cluster, -1, kerr.MessageTooLarge.Code, func(batch []byte) bool {
		return len(batch) > 100<<10 && !bytes.Contains(batch, []byte(headerReason)) // dead letters have a topic of their own
	})
	batch := &gosight.Batch{Project: "default", SessionId: "s", Lane: events}
	for i := range 10 {
		batch.Events = append(batch.Events, &gosight.Event{EventId: fmt.Sprint(i), Payload: strings.Repeat("x", 40<<10)})
	}
	batch.Events[9].Payload = strings.Repeat("x", 110<<10) // and this one alone is too large
	value, err := batch.MarshalVT()
	if err != nil {
		t.Fatal(err)
	}
	dead, err := p.Produce(t.Context(), []receive.Record{{Lane: events, Key: []byte("default/s"), Value: value}})
	if err != nil || dead != 1 {
		t.Fatalf("%d dead letters and %v, want 1", dead, err)
	}
	l := newLedger()
	consume(t, cfg, events, l)
	l.until(t, "all but the last event", func() bool {
		ids := map[string]bool{}
		for value := range l.fresh {
			var piece gosight.Batch
			if err := piece.UnmarshalVT([]byte(value)); err != nil {
				t.Fatal(err)
			}
			for _, ev := range piece.Events {
				ids[ev.EventId] = true
			}
		}
		return len(ids) == 9 && !ids["9"]
	})
	if letters := list(t, cfg); len(letters) != 1 || letters[0].Reason != "MESSAGE_TOO_LARGE" {
		t.Errorf("dead letters: %+v", letters)
	}
}

func TestPoisonIsSetAsideAndCanBeReplayed(t *testing.T) {
	_, cfg := broker(t)
	p := producer(t, cfg)
	l := newLedger()
	l.poison = func(r Record) bool { return strings.HasSuffix(string(r.Value), "3") }
	consume(t, cfg, events, l)
	produce(t, p, batches(events, 0, 100))
	l.until(t, "the 90 good ones", func() bool { return len(l.fresh) == 90 })

	letters := list(t, cfg)
	for len(letters) < 10 { // written after the good ones were handled
		letters = list(t, cfg)
	}
	if got := letters[0]; got.Reason != "undecodable" || got.Error != "not a batch" || got.Offset < 0 {
		t.Errorf("letter says %+v", got)
	}

	l.mu.Lock()
	l.poison = nil // a new version understands them
	l.mu.Unlock()
	d, err := OpenDeadLetters(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if n, refused, err := d.Replay(t.Context()); err != nil || n != 10 || refused != 0 {
		t.Fatalf("replayed %d, refused %d, %v", n, refused, err)
	}
	l.until(t, "all 100", func() bool { return len(l.fresh) == 100 })
	if left := list(t, cfg); len(left) != 0 {
		t.Errorf("%d letters are still listed after they were replayed", len(left))
	}
}

// A letter that Kafka still does not take neither holds up those behind it nor is lost.
func TestReplayKeepsWhatIsRefusedAgain(t *testing.T) {
	cluster, cfg := broker(t)
	cfg.Compression = "none"
	p := producer(t, cfg)
	large := true
	refuse(cluster, -1, kerr.MessageTooLarge.Code, func(batch []byte) bool {
		return bytes.Contains(batch, []byte("<huge>")) && !bytes.Contains(batch, []byte(headerReason)) ||
			large && bytes.Contains(batch, []byte("<large>")) && !bytes.Contains(batch, []byte(headerReason))
	})
	out := batches(events, 0, 2)
	out[0].Value, out[1].Value = []byte("<huge>"), []byte("<large>")
	if dead, err := p.Produce(t.Context(), out); err != nil || dead != 2 {
		t.Fatalf("got %d dead letters and %v, want 2", dead, err)
	}
	large = false // somebody raised a limit, but not by enough for both
	d, err := OpenDeadLetters(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if n, refused, err := d.Replay(t.Context()); err != nil || n != 1 || refused != 1 {
		t.Fatalf("replayed %d, refused %d, %v; want 1 of each", n, refused, err)
	}
	l := newLedger()
	consume(t, cfg, events, l)
	l.until(t, "the large one", func() bool { return l.fresh["<large>"] == 1 })
	if left := list(t, cfg); len(left) != 1 || string(left[0].Value) != "<huge>" || left[0].Reason != "MESSAGE_TOO_LARGE" {
		t.Errorf("left are %+v", left)
	}
}

func list(t *testing.T, cfg Config) (letters []DeadLetter) {
	t.Helper()
	d, err := OpenDeadLetters(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	err = d.List(t.Context(), func(l DeadLetter) error { letters = append(letters, l); return nil })
	if err != nil {
		t.Fatal(err)
	}
	return letters
}

// refuse makes the broker answer produce requests that match with an error code: the first times, or always
// where times is negative.
func refuse(cluster *kfake.Cluster, times int, code int16, match func(request []byte) bool) {
	cluster.ControlKey(int16(kmsg.Produce), func(request kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		produce := request.(*kmsg.ProduceRequest)
		matched := false
		for _, topic := range produce.Topics {
			for _, partition := range topic.Partitions {
				matched = matched || match(partition.Records)
			}
		}
		if !matched || times == 0 {
			return nil, nil, false
		}
		times--
		response := produce.ResponseKind().(*kmsg.ProduceResponse)
		for _, topic := range produce.Topics {
			answer := kmsg.NewProduceResponseTopic()
			answer.Topic, answer.TopicID = topic.Topic, topic.TopicID
			for _, partition := range topic.Partitions {
				refused := kmsg.NewProduceResponseTopicPartition()
				refused.Partition, refused.ErrorCode = partition.Partition, code
				answer.Partitions = append(answer.Partitions, refused)
			}
			response.Topics = append(response.Topics, answer)
		}
		return response, nil, true
	})
}
