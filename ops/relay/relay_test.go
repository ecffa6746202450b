package relay

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gosight/gosight/agent/queue"
	"github.com/gosight/gosight/proto/gen/gosight"
)

func TestDeliversOverHTTP3(t *testing.T) {
	certs, kafka := makeCertificates(t), newBroker()
	server := startAggregator(t, receiveConfig(certs), kafka)
	q := openQueue(t)
	_, metrics, _ := startForwarder(t, forwardConfig(certs, server.Addr()), q)
	putBatches(t, q, 0, 100)
	eventually(t, 10*time.Second, "the queue is empty", empty(q))
	if kafka.count() != 100 {
		t.Fatalf("%d batches arrived", kafka.count())
	}
	if n := value(t, metrics, "gosight_forward_requests_total", "http3"); n == 0 {
		t.Error("nothing went over HTTP/3")
	}
	if n := value(t, server.reg, "gosight_receive_requests_total", "HTTP/3.0"); n == 0 {
		t.Error("the server saw no HTTP/3")
	}
}

func TestFrameIsSentAgainUntilProduced(t *testing.T) {
	certs, kafka := makeCertificates(t), newBroker()
	kafka.set(errors.New("no leader"))
	cfg := receiveConfig(certs)
	server := startAggregator(t, cfg, kafka)
	q := openQueue(t)
	_, metrics, _ := startForwarder(t, forwardConfig(certs, server.Addr()), q)
	putBatches(t, q, 0, 10)
	eventually(t, 10*time.Second, "a retry", func() bool {
		return value(t, metrics, "gosight_forward_retries_total", "unavailable") > 0
	})
	if values, _ := q.Depth(gosight.Lane_LANE_EVENTS); values != 10 {
		t.Fatalf("%d of 10 batches left while nothing is acknowledged", values)
	}
	kafka.set(nil)
	eventually(t, 10*time.Second, "the queue is empty", empty(q))
	if n := value(t, server.reg, "gosight_receive_refused_total", "produce"); n == 0 {
		t.Error("refusals are not counted")
	}
}

func TestAggregatorAwayAndBack(t *testing.T) {
	certs, kafka := makeCertificates(t), newBroker()
	cfg := receiveConfig(certs)
	server := startAggregator(t, cfg, kafka)
	cfg.Addr = server.Addr()
	q := openQueue(t)
	startForwarder(t, forwardConfig(certs, server.Addr()), q)
	putBatches(t, q, 0, 20)
	eventually(t, 10*time.Second, "the queue is empty", empty(q))
	server.stop()
	putBatches(t, q, 20, 60)
	if values, _ := q.Depth(gosight.Lane_LANE_EVENTS); values != 40 {
		t.Fatalf("%d of 40 batches queued while the aggregator is away", values)
	}
	startAggregator(t, cfg, kafka)
	eventually(t, 10*time.Second, "the queue is empty", empty(q))
	if kafka.count() != 60 {
		t.Fatalf("%d of 60 batches arrived", kafka.count())
	}
}

// Events that never cease, and fill no frame, leave room for replay.
func TestReplayArrivesWhileEventsGoOn(t *testing.T) {
	certs, kafka := makeCertificates(t), newBroker()
	server := startAggregator(t, receiveConfig(certs), kafka)
	q := openQueue(t)
	cfg := forwardConfig(certs, server.Addr())
	startForwarder(t, cfg, q)
	ctx, stop := context.WithCancel(t.Context())
	var visits sync.WaitGroup
	defer visits.Wait()
	defer stop()
	visits.Go(func() {
		for n := 0; ctx.Err() == nil; n++ {
			put(t, q, batch(t, n))
			time.Sleep(cfg.Linger / 10) // the visits' pace: some events in each pause between frames
		}
	})
	eventually(t, 10*time.Second, "events arrive", func() bool { return kafka.count() > 0 })
	for n := range 100 {
		if err := q.Put(gosight.Lane_LANE_REPLAY, "shop", replayBatch(t, n)).Wait(ctx); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, 10*time.Second, "replay arrives while events go on", func() bool {
		values, _ := q.Depth(gosight.Lane_LANE_REPLAY)
		return values == 0
	})
}

func TestDrainingAggregatorIsLeft(t *testing.T) {
	certs, kafka := makeCertificates(t), newBroker()
	cfg := receiveConfig(certs)
	cfg.DrainGrace = time.Minute
	one, two := startAggregator(t, cfg, kafka), startAggregator(t, cfg, kafka)
	q := openQueue(t)
	_, metrics, _ := startForwarder(t, forwardConfig(certs, one.Addr(), two.Addr()), q)
	n := 0
	eventually(t, 10*time.Second, "both aggregators get frames", func() bool {
		putBatches(t, q, n, n+1)
		n++
		return value(t, metrics, "gosight_forward_frames_total", one.Addr()) > 0 &&
			value(t, metrics, "gosight_forward_frames_total", two.Addr()) > 0
	})
	one.Drain()
	before := value(t, metrics, "gosight_forward_frames_total", one.Addr())
	for range 50 {
		putBatches(t, q, n, n+1)
		n++
		eventually(t, 10*time.Second, "the queue is empty", empty(q))
	}
	// The frames that were on their way, one of which brought the news.
	if after := value(t, metrics, "gosight_forward_frames_total", one.Addr()); after > before+5 {
		t.Errorf("%v frames to an aggregator that said it is draining", after-before)
	}
	if kafka.count() != n {
		t.Fatalf("%d of %d batches arrived", kafka.count(), n)
	}
	if failed := value(t, metrics, "gosight_forward_retries_total"); failed > 0 {
		t.Errorf("%v frames failed while an aggregator drained", failed)
	}
}

// An aggregator that takes frames and does not answer holds up none of them for its whole timeout, and is left alone.
func TestHangingAggregatorIsPassedBy(t *testing.T) {
	certs := makeCertificates(t)
	hanging, good := newBroker(), newBroker()
	hanging.hold = make(chan struct{})
	defer close(hanging.hold)
	cfg := receiveConfig(certs)
	slow, fast := startAggregator(t, cfg, hanging), startAggregator(t, cfg, good)
	q := openQueue(t)
	forwarding := forwardConfig(certs, slow.Addr(), fast.Addr())
	forwarding.Timeout, forwarding.HedgeAfter = time.Hour, 50*time.Millisecond
	_, reg, _ := startForwarder(t, forwarding, q)
	// Chance decides which one is asked first.
	for n := 0; value(t, reg, "gosight_forward_hedges_total", slow.Addr()) < 3; n++ {
		if n == 1000 {
			t.Fatal("the one that hangs was never asked first")
		}
		putBatches(t, q, n, n+1)
		eventually(t, 30*time.Second, "the batch is delivered", empty(q))
		if got := good.count(); got != n+1 {
			t.Fatalf("%d batches are stored of %d", got, n+1)
		}
	}
	if hedges := value(t, reg, "gosight_forward_hedges_total", fast.Addr()); hedges > 0 {
		t.Logf("the one that answers was hedged %v times: a loaded machine", hedges)
	}
	if failed := value(t, reg, "gosight_forward_retries_total"); failed > 0 {
		t.Errorf("%v attempts count as failed", failed)
	}
}

func TestWrongTokenKeepsTheQueue(t *testing.T) {
	certs, kafka := makeCertificates(t), newBroker()
	server := startAggregator(t, receiveConfig(certs), kafka)
	q := openQueue(t)
	cfg := forwardConfig(certs, server.Addr())
	cfg.Token = "not the token"
	_, metrics, _ := startForwarder(t, cfg, q)
	putBatches(t, q, 0, 3)
	eventually(t, 10*time.Second, "a refusal", func() bool {
		return value(t, metrics, "gosight_forward_retries_total", "unauthenticated") > 0
	})
	if values, _ := q.Depth(gosight.Lane_LANE_EVENTS); values != 3 || kafka.count() != 0 {
		t.Fatalf("%d batches queued, %d stored", values, kafka.count())
	}
	if n := value(t, server.reg, "gosight_receive_refused_total", "unauthenticated"); n == 0 {
		t.Error("refusals are not counted")
	}
}

func TestOneBadBatchIsSetAside(t *testing.T) {
	certs, kafka := makeCertificates(t), newBroker()
	server := startAggregator(t, receiveConfig(certs), kafka)
	q := openQueue(t)
	values := [][]byte{}
	for n := range 50 {
		values = append(values, batch(t, n))
	}
	values[17] = []byte("no batch at all")
	put(t, q, values...)
	cfg := forwardConfig(certs, server.Addr())
	cfg.RejectedDir = filepath.Join(t.TempDir(), "rejected")
	_, metrics, _ := startForwarder(t, cfg, q)
	eventually(t, 10*time.Second, "the queue is empty", empty(q))
	if kafka.count() != 49 {
		t.Errorf("%d of 49 good batches arrived", kafka.count())
	}
	kept, err := filepath.Glob(filepath.Join(cfg.RejectedDir, "*.frame"))
	if err != nil || len(kept) != 1 {
		t.Errorf("set aside: %v, %v", kept, err)
	}
	if n := value(t, metrics, "gosight_forward_rejected_total"); n != 1 {
		t.Errorf("%v rejected batches counted", n)
	}
}

func TestStopLeavesTheRestOnDisk(t *testing.T) {
	certs, kafka := makeCertificates(t), newBroker()
	kafka.hold = make(chan struct{})
	server := startAggregator(t, receiveConfig(certs), kafka)
	q := openQueue(t)
	cfg := forwardConfig(certs, server.Addr())
	cfg.FlushTimeout = 100 * time.Millisecond
	_, _, stop := startForwarder(t, cfg, q)
	putBatches(t, q, 0, 10)
	<-kafka.entered
	began := time.Now()
	stop()
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("stopping took %s", took)
	}
	if values, _ := q.Depth(gosight.Lane_LANE_EVENTS); values != 10 {
		t.Fatalf("%d of 10 unacknowledged batches left", values)
	}
	close(kafka.hold)
}

func TestStopFlushes(t *testing.T) {
	certs, kafka := makeCertificates(t), newBroker()
	server := startAggregator(t, receiveConfig(certs), kafka)
	q := openQueue(t)
	_, _, stop := startForwarder(t, forwardConfig(certs, server.Addr()), q)
	putBatches(t, q, 0, 50)
	stop()
	if !empty(q)() || kafka.count() != 50 {
		t.Fatalf("%d of 50 batches arrived", kafka.count())
	}
}

// TestKilledMidWay goes on from copies of the queue's files, taken at any moment, as an agent does after kill -9:
// what was acknowledged to the client arrives, once or more often.
func TestKilledMidWay(t *testing.T) {
	certs, kafka := makeCertificates(t), newBroker()
	server := startAggregator(t, receiveConfig(certs), kafka)
	dir := filepath.Join(t.TempDir(), "0")
	n := 0
	for run := range 5 {
		cfg := queue.Default()
		cfg.Dir = dir
		q, err := queue.Open(cfg, prometheus.NewRegistry(), testLog(t, "queue"))
		if err != nil {
			t.Fatal(err)
		}
		_, _, stop := startForwarder(t, forwardConfig(certs, server.Addr()), q)
		putBatches(t, q, n, n+40)
		n += 40
		dir = filepath.Join(t.TempDir(), fmt.Sprint(run+1))
		if err := os.CopyFS(dir, os.DirFS(cfg.Dir)); err != nil {
			t.Fatal(err)
		}
		kafka.set(errors.New("the agent is dead, this never happened"))
		stop()
		if err := q.Close(); err != nil {
			t.Fatal(err)
		}
		kafka.set(nil)
	}
	cfg := queue.Default()
	cfg.Dir = dir
	q, err := queue.Open(cfg, prometheus.NewRegistry(), testLog(t, "queue"))
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	_, _, stop := startForwarder(t, forwardConfig(certs, server.Addr()), q)
	defer stop()
	eventually(t, 10*time.Second, "the queue is empty", empty(q))
	if kafka.count() != n {
		t.Fatalf("%d of %d batches arrived", kafka.count(), n)
	}
}
