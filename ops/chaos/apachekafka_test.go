package chaos

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/gosight/gosight/ops/engines/apachekafka"
)

// TestApacheKafka is the whole system on three brokers of Apache Kafka under steady load: a broker is killed, an
// aggregator leaves and comes back, then brokers are restarted one after the other. `make test-kafka` runs it.
func TestApacheKafka(t *testing.T) {
	if err := apachekafka.Missing(); err != nil {
		t.Skip(err)
	}
	began := time.Now()
	h := newHouse(t, shape{roomy: true, brokers: apacheKafka,
		aggregatorArgs: []string{"--kafka-replication", "3", "--kafka-produce-timeout", "10s"}})
	d := newDriver(t, h.agentGRPC, h.agentHTTP, filepath.Join(h.dir, "journal"), *rate, block, false)
	t.Logf("up after %s", time.Since(began).Round(time.Second))
	// What is sent while nothing is done to anybody, so that each step finds and leaves a system at work.
	const between = 3000
	flow := func(after string) {
		target := d.sent() + between
		eventually(t, "events flow after "+after, func() bool { return d.sent() >= target })
		t.Logf("%s: %d events sent, %.0f batches wait at the agent, %s", after, d.sent(), h.queued(),
			time.Since(began).Round(time.Second))
	}
	flow("the start")
	h.brokers[0].kill()
	flow("kill of " + h.brokers[0].name)
	h.brokers[0].await()
	h.aggregators[1].leave()
	flow("an aggregator left")
	h.aggregators[1].release()
	h.aggregators[1].await()
	flow("it came back")
	for _, broker := range h.brokers {
		broker.leave()
		broker.release()
		broker.await()
		flow("restart of " + broker.name)
	}
	d.stop()
	h.quiet()
	r := h.check(d)
	t.Log(r)
	if !r.holds(0) || r.acked < 5*between {
		t.Error("the promise is broken, or hardly anything was acked")
	}
}

// apacheKafka makes a cluster whose brokers are up when every replica is in sync: then the next one may go.
func apacheKafka(h *house) []*process {
	cluster, err := apachekafka.Prepare(h.t.Context(), filepath.Join(h.dir, "kafka"), 3)
	if err != nil {
		h.t.Fatal(err)
	}
	h.kafkaAddrs = cluster.Plain()
	var brokers []*process
	for _, broker := range cluster.Brokers {
		inSync := func() bool { return cluster.InSync(h.t.Context()) == nil }
		brokers = append(brokers, h.process(broker.Name, nil, inSync, broker.Command...))
	}
	return brokers
}
