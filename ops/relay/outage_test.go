package relay

import (
	"context"
	"crypto/tls"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"
)

// TestOutage is a centre that is away, in small: the agent's memory does not grow with the backlog, and when the
// centre is back the backlog goes many times faster than new events come, which keep being taken meanwhile.
func TestOutage(t *testing.T) {
	const (
		backlog = 800 // batches of 500 events, about 100 MB
		rate    = 4   // batches a second afterwards: 2,000 events/s
	)
	certs, behind := makeCertificates(t), &sink{}
	cfg := receiveConfig(certs)
	server := startAggregator(t, cfg, behind)
	cfg.Addr = server.Addr()
	q := openQueue(t)
	startForwarder(t, forwardConfig(certs, cfg.Addr), q)
	values := referenceBatches(16)
	put(t, q, values[0])
	eventually(t, 10*time.Second, "connected", empty(q))
	server.stop()

	before := heap()
	var clients sync.WaitGroup
	for c := range 8 {
		clients.Go(func() {
			for n := c; n < backlog; n += 8 {
				put(t, q, values[n%len(values)])
			}
		})
	}
	clients.Wait()
	grown := heap() - before
	queued, bytes := q.Depth(1)
	t.Logf("%d batches, %d MB queued; heap grew by %d MB", queued, bytes>>20, grown>>20)
	if queued != backlog {
		t.Errorf("%d of %d batches queued", queued, backlog)
	}
	if grown > 32<<20 {
		t.Errorf("heap grew by %d bytes with the backlog", grown)
	}

	startAggregator(t, cfg, behind)
	began := time.Now()
	ticker := time.NewTicker(time.Second / rate)
	defer ticker.Stop()
	fresh := 0
	for values, _ := q.Depth(1); values > 2; values, _ = q.Depth(1) {
		put(t, q, batch(t, fresh))
		fresh++
		<-ticker.C
		if time.Since(began) > time.Minute {
			t.Fatalf("%d batches left after a minute", values)
		}
	}
	took := time.Since(began)
	speed := float64(backlog+fresh) / took.Seconds() / rate
	t.Logf("drained in %s: %.0f times the arriving rate", took.Round(time.Millisecond), speed)
	if speed < 5 {
		t.Errorf("drained at only %.1f times the arriving rate", speed)
	}
	eventually(t, 10*time.Second, "the queue is empty", empty(q))
	if got := behind.batches.Load(); got < int64(1+backlog+fresh) {
		t.Errorf("%d batches arrived of %d", got, 1+backlog+fresh)
	}
}

func heap() int64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

// Connections that never say anything, or stop in their handshake, are no burden to agents that work.
func TestIdleConnections(t *testing.T) {
	certs, kafka := makeCertificates(t), newBroker()
	server := startAggregator(t, receiveConfig(certs), kafka)
	var open []net.Conn
	defer func() {
		for _, conn := range open {
			conn.Close()
		}
	}()
	for n := range 300 {
		conn, err := net.Dial("tcp", server.Addr())
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, conn)
		if n%3 == 0 {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			if err := tls.Client(conn, &tls.Config{InsecureSkipVerify: true}).HandshakeContext(ctx); err != nil {
				t.Fatal(err)
			}
			cancel()
		} else if _, err := conn.Write([]byte{0x16, 3, 1}); err != nil {
			t.Fatal(err)
		}
	}
	for _, quic := range []bool{true, false} {
		q := openQueue(t)
		cfg := forwardConfig(certs, server.Addr())
		cfg.QUIC = quic
		startForwarder(t, cfg, q)
		putBatches(t, q, 0, 1)
		if took := eventually(t, 10*time.Second, "the queue is empty", empty(q)); took > time.Second {
			t.Errorf("HTTP/3 %v: %s beside idle connections", quic, took)
		}
	}
}
