package kafka

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/gosight/gosight/aggregator/bus"
	"github.com/gosight/gosight/aggregator/bus/bustest"
	"github.com/gosight/gosight/ops/engines/apachekafka"
	"github.com/gosight/gosight/proto/gen/gosight"
)

const events = gosight.Lane_LANE_EVENTS

// One cluster serves all tests; those that do harm to brokers come last, one after the other.
func TestApacheKafka(t *testing.T) {
	cluster := apachekafka.Start(t, 3)
	t.Run("contract", func(t *testing.T) { bustest.Contract(t, cluster.Plain()) })
	t.Run("security", func(t *testing.T) { security(t, cluster) })
	t.Run("too few replicas", func(t *testing.T) { tooFewReplicas(t, cluster) })
	t.Run("brokers die under load", func(t *testing.T) { underLoad(t, cluster) })
}

// With one of two replicas gone nothing is acknowledged, and what was not acknowledged can be sent again.
func tooFewReplicas(t *testing.T, cluster *apachekafka.Cluster) {
	cfg := bustest.Config(t, cluster.Plain())
	cfg.Replication = 2 // min.insync.replicas is 2
	cfg.ProduceTimeout = 10 * time.Second
	p := bustest.Producer(t, cfg)
	bustest.Produce(t, p, bustest.Batches(events, 0, 50))

	cluster.Kill(2)
	cluster.AwaitGone()
	dead, err := p.Produce(t.Context(), bustest.Batches(events, 50, 100))
	if err == nil || dead != 0 {
		t.Errorf("with too few replicas: %d dead letters and %v, want an error", dead, err)
	}
	t.Logf("as it should be: %v", err)
	cluster.Run(2)
	cluster.AwaitInSync()

	l := bustest.NewLedger()
	bustest.Consume(t, cfg, events, l)
	bustest.Produce(t, p, bustest.Batches(events, 50, 100))
	l.Until(t, "all 100", func() bool { return len(l.Fresh) == 100 })
}

// Each broker is killed in turn while records are produced, two consumers read, and a third joins. What was acknowledged is handled, and nothing twice: a producer that is idempotent
// writes each record once however often it has to send it, and commits follow rows.
func underLoad(t *testing.T, cluster *apachekafka.Cluster) {
	cfg := bustest.Config(t, cluster.Plain())
	cfg.Replication = 3
	cfg.SessionTimeout = 6 * time.Second
	p := bustest.Producer(t, cfg)
	ledgers := []*bustest.Ledger{bustest.NewLedger(), bustest.NewLedger(), bustest.NewLedger()}
	bustest.Consume(t, cfg, events, ledgers[0])
	bustest.Consume(t, cfg, events, ledgers[1])

	load, stop := context.WithCancel(t.Context())
	defer stop()
	acked, failed, longest := map[string]bool{}, 0, time.Duration(0)
	var producing sync.WaitGroup
	producing.Go(func() {
		for i := 0; load.Err() == nil; i += 20 {
			out := bustest.Batches(events, i, i+20)
			began := time.Now()
			// The context of the test: what was begun is brought to an end.
			if dead, err := p.Produce(t.Context(), out); err != nil || dead != 0 {
				failed += len(out)
				continue
			}
			longest = max(longest, time.Since(began))
			for _, batch := range out {
				acked[string(batch.Value)] = true
			}
			time.Sleep(5 * time.Millisecond) // the rate of the load, not a wait for anything
		}
	})
	leaders := leadersOf(t, cluster, cfg)
	for i := range cluster.Brokers {
		cluster.Kill(i)
		cluster.AwaitGone()
		if i == 1 {
			leave := bustest.Consume(t, cfg, events, ledgers[2])
			defer leave()
		}
		cluster.Run(i)
		cluster.AwaitInSync()
	}
	if after := leadersOf(t, cluster, cfg); fmt.Sprint(after) == fmt.Sprint(leaders) {
		t.Errorf("no partition has another leader than before: %v", after)
	}
	stop()
	producing.Wait()
	union := func() map[string]int { return bustest.Union(ledgers[0], ledgers[1:]...) }
	ledgers[0].Until(t, "all that was acknowledged is handled", func() bool {
		have := union()
		for value := range acked {
			if have[value] == 0 {
				return false
			}
		}
		return true
	})
	twice := 0
	for value, times := range union() {
		if acked[value] && times > 1 {
			twice++
		}
	}
	t.Logf("%d batches acknowledged, %d not; handled as new more than once: %d; the longest acknowledgement took %s",
		len(acked), failed, twice, longest.Round(time.Millisecond))
	if len(acked) < 1000 {
		t.Error("this shows nothing: hardly anything was acknowledged")
	}
}

func leadersOf(t *testing.T, cluster *apachekafka.Cluster, cfg bus.Config) map[int32]int32 {
	t.Helper()
	topics, err := bustest.Admin(t, cluster.Plain()).ListTopics(t.Context(), cfg.Topic(events))
	if err != nil {
		t.Fatal(err)
	}
	leaders := map[int32]int32{}
	for number, partition := range topics[cfg.Topic(events)].Partitions {
		leaders[number] = partition.Leader
	}
	return leaders
}
