package process_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/gosight/gosight/aggregator/bus"
	"github.com/gosight/gosight/aggregator/process"
	"github.com/gosight/gosight/aggregator/receive"
	"github.com/gosight/gosight/aggregator/store"
	"github.com/gosight/gosight/internal/detect"
	"github.com/gosight/gosight/ops/engines/enginetest"
	"github.com/gosight/gosight/proto/gen/gosight"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// rig is a broker and an engine, both real but for their size.
type rig struct {
	t        *testing.T
	cluster  *kfake.Cluster
	kafka    bus.Config
	store    *store.Store
	producer *bus.Producer
}

func newRig(t *testing.T) *rig {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	kafka := bus.Default()
	kafka.Brokers = cluster.ListenAddrs()
	kafka.Partitions = 4
	kafka.Linger, kafka.MaxLinger = 20*time.Millisecond, 100*time.Millisecond

	cfg := store.Default()
	cfg.URL = enginetest.TestClickHouse(t)
	st, err := store.Open(t.Context(), cfg, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	producer, err := bus.NewProducer(kafka, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(producer.Close)
	if err := producer.CreateTopics(t.Context()); err != nil {
		t.Fatal(err)
	}
	return &rig{t: t, cluster: cluster, kafka: kafka, store: st, producer: producer}
}

// start runs a processor; stop lets it finish what it holds.
func (r *rig) start() (stop func()) {
	r.t.Helper()
	p, err := process.New(process.Default(), detect.MustLive(detect.Default()), nobody{}, r.kafka, r.store, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			r.t.Errorf("processor ended with %v", err)
		}
	})
	r.t.Cleanup(stop)
	if err := p.WaitJoined(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	return stop
}

func (r *rig) produce(batches ...*gosight.Batch) {
	r.t.Helper()
	var records []receive.Record
	for _, batch := range batches {
		value, err := batch.MarshalVT()
		if err != nil {
			r.t.Fatal(err)
		}
		records = append(records, receive.Record{
			Lane: batch.Lane, Key: []byte(batch.Project + "/" + batch.SessionId), Value: value,
		})
	}
	if dead, err := r.producer.Produce(r.t.Context(), records); err != nil || dead != 0 {
		r.t.Fatalf("produce: %d dead letters, %v", dead, err)
	}
}

func (r *rig) number(query string) (n uint64) {
	r.t.Helper()
	if err := r.store.Conn().QueryRow(r.t.Context(), query).Scan(&n); err != nil {
		r.t.Fatalf("%s: %v", query, err)
	}
	return n
}

// until waits for a query to give a number.
func (r *rig) until(query string, want uint64) {
	r.t.Helper()
	deadline := time.Now().Add(40 * time.Second)
	pause := time.NewTicker(20 * time.Millisecond)
	defer pause.Stop()
	for {
		got := r.number(query)
		if got == want {
			return
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("%s = %d after 40 s, want %d", query, got, want)
		}
		<-pause.C
	}
}

func events(session, prefix string, count int, eventType, payload string) *gosight.Batch {
	now := time.Now().UnixMilli()
	batch := &gosight.Batch{
		Project: "default", SessionId: session, Lane: gosight.Lane_LANE_EVENTS, UserId: "u-" + session,
		Metadata:   map[string]string{"browser": "Chrome", "country": "VN", "url": "https://shop.example/"},
		ReceivedAt: now, AgentId: "edge-1", Region: "eu",
	}
	for i := range count {
		batch.Events = append(batch.Events, &gosight.Event{
			EventId: fmt.Sprintf("%s-%d", prefix, i), EventType: eventType, Timestamp: now + int64(i), Payload: payload,
		})
	}
	return batch
}

func snapshot(session, id string, part, parts uint32, payload string) *gosight.Batch {
	batch := events(session, id, 1, "full_snapshot", payload)
	batch.Lane, batch.Part, batch.Parts = gosight.Lane_LANE_REPLAY, part, parts
	return batch
}

func TestBatchBecomesRows(t *testing.T) {
	r := newRig(t)
	r.start()
	clicks := events("s1", "c", 3, "click",
		`{"x":10.5,"y":20,"page_x":10.5,"page_y":820,"vw":1280,"vh":720,"selector":"#a \"q\"","tag":"IMG","text":"Ti\u1ebfng"}`)
	clicks.Events[1].Metadata = map[string]string{"url": "https://shop.example/cart", "own": "yes"}
	clicks.Events[1].UserId = "other"
	r.produce(clicks,
		events("s1", "v", 1, "web_vital", `{"name":"LCP","value":1234.5,"rating":"good"}`),
		events("s1", "w", 1, "something_new", `{"any":[1,2,{"x":3}]}`),
		snapshot("s1", "snap", 0, 2, `{"type":2,`), snapshot("s1", "snap", 1, 2, `"data":{}}`),
	)
	r.until("SELECT count() FROM gosight.events FINAL", 6)
	r.until("SELECT count() FROM gosight.replay FINAL", 2)
	for query, want := range map[string]uint64{
		`SELECT count() FROM gosight.events FINAL WHERE event_type='click' AND x=10.5 AND y=20 AND page_y=820 AND vw=1280
			AND selector='#a "q"' AND text='Tiếng' AND agent_id='edge-1' AND region='eu' AND country='VN'`: 3,
		`SELECT count() FROM gosight.events FINAL WHERE event_id='c-1' AND url='https://shop.example/cart'
			AND metadata['own']='yes' AND metadata['browser']='Chrome' AND length(metadata)=4 AND user_id='other'`: 1,
		`SELECT count() FROM gosight.events FINAL WHERE url='https://shop.example/' AND length(metadata)=3`:             5,
		`SELECT count() FROM gosight.events FINAL WHERE name='LCP' AND value=1234.5`:                                    1,
		`SELECT count() FROM gosight.events FINAL WHERE event_type='something_new' AND payload='{"any":[1,2,{"x":3}]}'`: 1,
		`SELECT count() FROM gosight.events FINAL WHERE event_type='full_snapshot' AND payload=''`:                      1,
		`SELECT sum(events) FROM gosight.sessions FINAL WHERE session_id='s1' AND has_replay`:                           6,
	} {
		r.until(query, want) // sessions follow the ledger by a moment
	}
}

// Commits that fail after the rows are in, a consumer that comes and one that leaves: all of it repeats rows, and
// no number may show it.
func TestNumbersAreExactWhateverIsRepeated(t *testing.T) {
	r := newRig(t)
	const sessions, rounds, each = 20, 30, 10
	failures := 3
	r.cluster.ControlKey(int16(kmsg.OffsetCommit), func(request kmsg.Request) (kmsg.Response, error, bool) {
		r.cluster.KeepControl()
		if failures == 0 {
			return nil, nil, false
		}
		failures--
		commit := request.(*kmsg.OffsetCommitRequest)
		response := commit.ResponseKind().(*kmsg.OffsetCommitResponse)
		for _, topic := range commit.Topics {
			answer := kmsg.NewOffsetCommitResponseTopic()
			answer.Topic, answer.TopicID = topic.Topic, topic.TopicID
			for _, partition := range topic.Partitions {
				refused := kmsg.NewOffsetCommitResponseTopicPartition()
				refused.Partition, refused.ErrorCode = partition.Partition, kerr.InvalidCommitOffsetSize.Code
				answer.Partitions = append(answer.Partitions, refused)
			}
			response.Topics = append(response.Topics, answer)
		}
		return response, nil, true
	})
	r.start()
	for round := range rounds {
		for s := range sessions {
			session := fmt.Sprintf("s%d", s)
			batch := events(session, fmt.Sprintf("r%d", round), each, "click", `{"x":1,"y":2,"interactive":true}`)
			r.produce(batch, snapshot(session, fmt.Sprintf("m%d", round), 0, 0, `{"type":3}`))
			if round%7 == 0 {
				r.produce(batch) // the agent did not hear the answer
			}
		}
		switch round {
		case 5:
			stop := r.start()
			defer stop()
		case 15:
			stop := r.start()
			stop()
		}
	}
	const total = sessions * rounds * (each + 1)
	r.until("SELECT count() FROM gosight.events FINAL", total)
	r.until("SELECT count() FROM gosight.replay FINAL", sessions*rounds)
	for query, want := range map[string]uint64{
		"SELECT count() FROM gosight.sessions FINAL":                                      sessions,
		"SELECT sum(events) FROM gosight.sessions FINAL":                                  total,
		"SELECT sum(clicks) FROM gosight.sessions FINAL":                                  sessions * rounds * each,
		"SELECT count() FROM gosight.sessions FINAL WHERE events != 330 OR clicks != 300": 0,
		"SELECT uniqExact(session_id, event_id) FROM gosight.events":                      total,
	} {
		r.until(query, want) // sessions follow the ledger by a moment
	}
	if failures != 0 {
		t.Errorf("%d commits were still to fail: the test did not test", failures)
	}
}

func TestPoisonGoesAsideAndTheRestGoesOn(t *testing.T) {
	r := newRig(t)
	r.start()
	r.produce(events("s1", "a", 5, "scroll", `{"depth":50}`))
	_, err := r.producer.Produce(t.Context(), []receive.Record{
		{Lane: gosight.Lane_LANE_EVENTS, Key: []byte("default/s1"), Value: []byte("\xff\xff\xff not protobuf")},
	})
	if err != nil {
		t.Fatal(err)
	}
	nameless := events("s1", "b", 2, "scroll", `{}`)
	nameless.Events[1].EventId = ""
	r.produce(nameless, events("s1", "c", 5, "scroll", `{"depth":60}`))
	r.until("SELECT count() FROM gosight.events FINAL", 10)

	letters, err := bus.OpenDeadLetters(r.kafka)
	if err != nil {
		t.Fatal(err)
	}
	defer letters.Close()
	reasons := map[string]int{}
	for len(reasons) < 2 { // they are written after the rows
		clear(reasons)
		err := letters.List(t.Context(), func(l bus.DeadLetter) error { reasons[l.Reason]++; return nil })
		if err != nil {
			t.Fatal(err)
		}
	}
	if reasons["undecodable"] != 1 || reasons["incomplete"] != 1 {
		t.Errorf("dead letters by reason: %v", reasons)
	}
}

func rageClicks(session, prefix string, from, count int, began int64) *gosight.Batch {
	batch := events(session, prefix, 0, "", "")
	for i := range count {
		batch.Events = append(batch.Events, &gosight.Event{
			EventId: fmt.Sprintf("%s-%d", prefix, from+i), EventType: "click", Timestamp: began + int64(from+i)*150,
			Payload: `{"x":100,"y":100,"selector":"#buy","tag":"BUTTON","text":"Buy","interactive":true}`,
		})
	}
	return batch
}

// The edge saw half of a burst on one agent and half on another; the processor was restarted in between.
func TestOneBurstIsOneSignalAcrossAgentsAndRestarts(t *testing.T) {
	r := newRig(t)
	began := time.Now().UnixMilli()
	stop := r.start()
	first := rageClicks("s1", "k", 0, 6, began)
	first.Signals = []*gosight.Signal{{
		SignalId: detect.SignalID("default", "s1", "rage_click", "k-0"), Kind: "rage_click", Timestamp: began,
		FirstEventId: "k-0", Count: 6, Revision: 1, X: 100, Y: 100, Selector: "#buy",
	}}
	r.produce(first)
	r.until("SELECT count() FROM gosight.signals FINAL WHERE kind='rage_click' AND detected_by='centre'", 1)
	stop()
	second := rageClicks("s1", "k", 6, 3, began)
	second.AgentId = "edge-2"
	r.produce(second)
	r.start()
	r.until("SELECT count() FROM gosight.signals FINAL WHERE kind='rage_click' AND final AND count=9 AND user_id='u-s1'", 1)
	if got := r.number("SELECT count() FROM gosight.signals FINAL WHERE kind='rage_click'"); got != 1 {
		t.Errorf("%d rage clicks, want 1", got)
	}
}

// A client that sends a hundred thousand clicks in one session, at any times, must not hold up anybody.
func TestFloodInOneSessionHoldsNobodyUp(t *testing.T) {
	r := newRig(t)
	r.start()
	const batches, each = 100, 1000
	for b := range batches {
		batch := events("flood", fmt.Sprintf("b%d", b), each, "click", `{"x":5,"y":5,"interactive":true}`)
		for i, ev := range batch.Events {
			ev.Timestamp += int64(i * 7919 % 2000)
		}
		r.produce(batch)
	}
	r.produce(events("calm", "c", 10, "click", `{"x":1,"y":2,"interactive":true}`))
	r.until("SELECT count() FROM gosight.events FINAL WHERE session_id='calm'", 10)
	r.until("SELECT count() FROM gosight.events FINAL WHERE session_id='flood'", batches*each)
	r.until("SELECT sum(events) FROM gosight.sessions FINAL", batches*each+10)
}

// nobody is erased.
type nobody struct{}

func (nobody) AnyErased() bool            { return false }
func (nobody) Erased(_, _, _ string) bool { return false }
