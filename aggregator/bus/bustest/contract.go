package bustest

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gosight/gosight/aggregator/bus"
	"github.com/gosight/gosight/aggregator/receive"
	"github.com/gosight/gosight/proto/gen/gosight"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	events = gosight.Lane_LANE_EVENTS
	replay = gosight.Lane_LANE_REPLAY
)

// Contract runs the suite on brokers.
func Contract(t *testing.T, brokers []string) {
	for name, test := range map[string]func(*testing.T, bus.Config){
		"batches arrive in order on their lane":               arriveInOrder,
		"topics are made as configured, and then left alone":  topicsAsConfigured,
		"a restart rereads and counts nothing again":          restart,
		"handling that failed is repeated":                    failedHandling,
		"nothing is committed before its rows are in":         commitAfterRows,
		"a rebalance loses nothing":                           rebalance,
		"a rebalance waits for records in hand":               rebalanceWaits,
		"what is too large is set aside, its neighbours stay": tooLarge,
		"what is too large is halved, down to single events":  halved,
		"poison is set aside and can be replayed":             poison,
		"a replay keeps what is refused again":                refusedAgain,
		"what is forgotten is in no topic":                    forgotten,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, Config(t, brokers))
		})
	}
}

func arriveInOrder(t *testing.T, cfg bus.Config) {
	p := Producer(t, cfg)
	Produce(t, p, append(Batches(events, 0, 1000), Batches(replay, 5000, 5100)...))
	e, r := NewLedger(), NewLedger()
	Consume(t, cfg, events, e)
	Consume(t, cfg, replay, r)
	e.Until(t, "1000 events", func() bool { return len(e.Fresh) == 1000 })
	r.Until(t, "100 replays", func() bool { return len(r.Fresh) == 100 })
	for i := range 10 {
		if got, want := e.Last[fmt.Sprintf("default/s%d", i)], fmt.Sprintf("%d", 990+i); got != want {
			t.Errorf("session %d ended with batch %s, want %s", i, got, want)
		}
	}
}

// Admin is a client of the brokers for what the bus does not do.
func Admin(t *testing.T, brokers []string) *kadm.Client {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return kadm.NewClient(client)
}

// makeTopic makes the topic of events with a limit of its own, before the bus finds it there.
func makeTopic(t *testing.T, cfg bus.Config, maxMessageBytes string) {
	t.Helper()
	settings := map[string]*string{"max.message.bytes": &maxMessageBytes}
	_, err := Admin(t, cfg.Brokers).CreateTopic(t.Context(), cfg.Partitions, -1, settings, cfg.Topic(events))
	if err != nil {
		t.Fatal(err)
	}
}

// setTopic changes one setting of the topic of events. Brokers come to know of it a little later.
func setTopic(t *testing.T, cfg bus.Config, name, value string) {
	t.Helper()
	set := []kadm.AlterConfig{{Op: kadm.SetConfig, Name: name, Value: &value}}
	answer, err := Admin(t, cfg.Brokers).AlterTopicConfigs(t.Context(), set, cfg.Topic(events))
	if err == nil {
		err = answer[0].Err
	}
	if err != nil {
		t.Fatalf("set %s to %s: %v", name, value, err)
	}
}

// awaitTaken waits until every partition takes a record of so many bytes.
func awaitTaken(t *testing.T, cfg bus.Config, bytes int) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(cfg.Brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(kgo.NoCompression()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for partition := range cfg.Partitions {
		for begun := time.Now(); ; time.Sleep(50 * time.Millisecond) {
			probe := &kgo.Record{Topic: cfg.Topic(events), Partition: partition, Value: make([]byte, bytes)}
			if err = client.ProduceSync(t.Context(), probe).FirstErr(); err == nil {
				break
			}
			if time.Since(begun) > patience {
				t.Fatalf("partition %d takes no record of %d bytes: %v", partition, bytes, err)
			}
		}
	}
}

func topicsAsConfigured(t *testing.T, cfg bus.Config) {
	admin := Admin(t, cfg.Brokers)
	brokers, err := admin.ListBrokers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	cfg.Replication = int16(len(brokers))
	Producer(t, cfg)
	setTopic(t, cfg, "retention.ms", "12345678")
	Producer(t, cfg) // finds them
	topics, err := admin.ListTopics(t.Context(), cfg.Topic(events), cfg.Topic(replay), cfg.DeadLetterTopic())
	if err != nil {
		t.Fatal(err)
	}
	for topic, partitions := range map[string]int{cfg.Topic(events): 4, cfg.Topic(replay): 4, cfg.DeadLetterTopic(): 1} {
		made := topics[topic]
		if made.Err != nil || len(made.Partitions) != partitions || made.Partitions.NumReplicas() != len(brokers) {
			t.Errorf("%s has %d partitions of %d replicas, %v; want %d of %d", topic, len(made.Partitions),
				made.Partitions.NumReplicas(), made.Err, partitions, len(brokers))
		}
	}
	want := map[string]string{"retention.ms": "12345678", "max.message.bytes": "2097152", "retention.bytes": "-1"}
	for begun := time.Now(); ; time.Sleep(50 * time.Millisecond) { // a broker may not have heard of it yet
		settings, err := admin.DescribeTopicConfigs(t.Context(), cfg.Topic(events))
		if err != nil {
			t.Fatal(err)
		}
		wrong := ""
		for _, setting := range settings[0].Configs {
			if value, ok := want[setting.Key]; ok && setting.MaybeValue() != value {
				wrong += fmt.Sprintf("%s is %s, want %s; ", setting.Key, setting.MaybeValue(), value)
			}
		}
		if wrong == "" {
			return
		}
		if time.Since(begun) > patience {
			t.Fatal(wrong)
		}
	}
}

func restart(t *testing.T, cfg bus.Config) {
	p := Producer(t, cfg)
	Produce(t, p, Batches(events, 0, 100))
	first := NewLedger()
	stop := Consume(t, cfg, events, first)
	first.Until(t, "100 events", func() bool { return len(first.Fresh) == 100 })
	stop()

	Produce(t, p, Batches(events, 100, 150))
	second := NewLedger()
	Consume(t, cfg, events, second)
	second.Until(t, "the new ones", func() bool { return len(second.Fresh) == 50 && len(second.Reread) == 100 })
	for value := range second.Fresh {
		if first.Fresh[value] != 0 {
			t.Errorf("batch %s was committed and came as new", value)
		}
	}
}

func failedHandling(t *testing.T, cfg bus.Config) {
	l := NewLedger()
	l.Faults = 3
	Consume(t, cfg, events, l)
	Produce(t, Producer(t, cfg), Batches(events, 0, 200))
	l.Until(t, "all events", func() bool { return len(l.Fresh) == 200 })
}

// committed is the sum of a lane's committed offsets: as many records as are settled for ever.
func committed(t *testing.T, cfg bus.Config) (sum int64) {
	t.Helper()
	offsets, err := Admin(t, cfg.Brokers).FetchOffsets(t.Context(), cfg.GroupOf(events))
	if err != nil {
		t.Fatal(err)
	}
	offsets.Each(func(o kadm.OffsetResponse) { sum += o.At })
	return sum
}

func commitAfterRows(t *testing.T, cfg bus.Config) {
	p := Producer(t, cfg)
	l := NewLedger()
	Consume(t, cfg, events, l)
	Produce(t, p, Batches(events, 0, 50))
	l.Until(t, "50 events", func() bool { return len(l.Fresh) == 50 })
	l.Change(func(l *Ledger) { l.Faults = 2 })
	Produce(t, p, Batches(events, 50, 100))
	l.Until(t, "an attempt has failed", func() bool { return l.Faults < 2 })
	if at := committed(t, cfg); at > 50 {
		t.Errorf("%d records are committed, and only the first 50 are stored", at)
	}
	l.Until(t, "the rest", func() bool { return len(l.Fresh) == 100 })
}

func rebalance(t *testing.T, cfg bus.Config) {
	p := Producer(t, cfg)
	a, b := NewLedger(), NewLedger()
	Consume(t, cfg, events, a)
	done := make(chan error, 1)
	go func() {
		for i := range 50 {
			if _, err := p.Produce(context.Background(), Batches(events, i*20, i*20+20)); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	stop := Consume(t, cfg, events, b)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	Produce(t, p, Batches(events, 1000, 1100))
	a.Until(t, "both together have every batch, and a gave partitions away", func() bool {
		return len(Union(a, b)) == 1100 && a.Forgot > 0
	})
	stop()
	Produce(t, p, Batches(events, 1100, 1200))
	a.Until(t, "a alone reads on", func() bool { return len(Union(a, b)) == 1200 })
	for value, times := range Union(a, b) {
		if times != 1 {
			t.Errorf("batch %s was handled as new %d times", value, times)
		}
	}
}

// While a member has records in hand, another one that joins gets none of its partitions: it would handle the same
// records, and the first could not commit what it has stored.
func rebalanceWaits(t *testing.T, cfg bus.Config) {
	p := Producer(t, cfg)
	a, b := NewLedger(), NewLedger()
	inHand, release := make(chan struct{}, 1), make(chan struct{})
	a.Before = func() {
		select {
		case inHand <- struct{}{}:
		default:
		}
		<-release
	}
	Consume(t, cfg, events, a)
	Produce(t, p, Batches(events, 0, 100))
	<-inHand
	joined, _ := Start(t, cfg, events, b)
	admin := Admin(t, cfg.Brokers)
	for state := ""; state != "PreparingRebalance"; {
		groups, err := admin.DescribeGroups(t.Context(), cfg.GroupOf(events))
		if err != nil {
			t.Fatal(err)
		}
		state = groups[cfg.GroupOf(events)].State
	}
	select {
	case <-joined:
		t.Error("the second member joined while the first had records in hand")
	default:
	}
	close(release)
	<-joined
	Produce(t, p, Batches(events, 100, 200))
	a.Until(t, "both together have all", func() bool { return len(Union(a, b)) == 200 })
	for value, times := range Union(a, b) {
		if times != 1 {
			t.Errorf("batch %s was handled as new %d times", value, times)
		}
	}
}

func tooLarge(t *testing.T, cfg bus.Config) {
	cfg.Compression = "none"                         // so that sizes are what they seem
	large := bytes.Repeat([]byte("<huge>"), 200_000) // 1.2 MB: more than one piece of a dead letter
	makeTopic(t, cfg, "1048576")
	p := Producer(t, cfg)

	out := Batches(events, 0, 20)
	out[7].Value = large
	dead, err := p.Produce(t.Context(), out)
	if err != nil || dead != 1 {
		t.Fatalf("got %d dead letters and %v, want 1", dead, err)
	}
	l := NewLedger()
	Consume(t, cfg, events, l)
	l.Until(t, "the other 19", func() bool { return len(l.Fresh) == 19 })

	letters := Letters(t, cfg)
	if len(letters) != 1 || letters[0].Reason != "MESSAGE_TOO_LARGE" || !bytes.Equal(letters[0].Value, large) ||
		letters[0].Topic != cfg.Topic(events) || string(letters[0].Key) != "default/s7" {
		t.Fatalf("dead letters: %d, first %+v", len(letters), letters)
	}
}

// A topic that takes less than what an agent makes gets it in halves, and in the order of the events.
func halved(t *testing.T, cfg bus.Config) {
	cfg.Compression = "none"
	makeTopic(t, cfg, "102400")
	p := Producer(t, cfg)
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
	l := NewLedger()
	Consume(t, cfg, events, l)
	l.Until(t, "all but the last event", func() bool {
		ids := map[string]bool{}
		for value := range l.Fresh {
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
	if letters := Letters(t, cfg); len(letters) != 1 || letters[0].Reason != "MESSAGE_TOO_LARGE" {
		t.Errorf("dead letters: %+v", letters)
	}
}

// A letter that Kafka still does not take neither holds up those behind it nor is lost.
func refusedAgain(t *testing.T, cfg bus.Config) {
	cfg.Compression = "none"
	makeTopic(t, cfg, "100000")
	p := Producer(t, cfg)
	huge, large := bytes.Repeat([]byte("<huge>"), 50_000), bytes.Repeat([]byte("<large>"), 20_000)
	out := Batches(events, 0, 2)
	out[0].Value, out[1].Value = huge, large
	if dead, err := p.Produce(t.Context(), out); err != nil || dead != 2 {
		t.Fatalf("got %d dead letters and %v, want 2", dead, err)
	}
	setTopic(t, cfg, "max.message.bytes", "200000") // raised, but not by enough for both
	awaitTaken(t, cfg, 150_000)
	d, err := bus.OpenDeadLetters(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if n, refused, err := d.Replay(t.Context()); err != nil || n != 1 || refused != 1 {
		t.Fatalf("replayed %d, refused %d, %v; want 1 of each", n, refused, err)
	}
	l := NewLedger()
	Consume(t, cfg, events, l)
	l.Until(t, "the large one", func() bool { return l.Fresh[string(large)] == 1 })
	if left := Letters(t, cfg); len(left) != 1 || !bytes.Equal(left[0].Value, huge) || left[0].Reason != "MESSAGE_TOO_LARGE" {
		t.Errorf("%d letters are left", len(left))
	}
}

func poison(t *testing.T, cfg bus.Config) {
	p := Producer(t, cfg)
	l := NewLedger()
	l.Poison = func(r bus.Record) bool { return strings.HasSuffix(string(r.Value), "3") }
	Consume(t, cfg, events, l)
	Produce(t, p, Batches(events, 0, 100))
	l.Until(t, "the 90 good ones", func() bool { return len(l.Fresh) == 90 })

	letters := Letters(t, cfg)
	for len(letters) < 10 { // written after the good ones were handled
		letters = Letters(t, cfg)
	}
	if got := letters[0]; got.Reason != "undecodable" || got.Error != "not a batch" || got.Offset < 0 {
		t.Errorf("letter says %+v", got)
	}

	l.Change(func(l *Ledger) { l.Poison = nil }) // a new version understands them
	d, err := bus.OpenDeadLetters(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if n, refused, err := d.Replay(t.Context()); err != nil || n != 10 || refused != 0 {
		t.Fatalf("replayed %d, refused %d, %v", n, refused, err)
	}
	l.Until(t, "all 100", func() bool { return len(l.Fresh) == 100 })
	if left := Letters(t, cfg); len(left) != 0 {
		t.Errorf("%d letters are still listed after they were replayed", len(left))
	}
}
