package relay

import (
	"context"
	"crypto/rand"
	"fmt"
	mrand "math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gosight/gosight/aggregator/receive"
	"github.com/gosight/gosight/proto/gen/gosight"
)

const eventsPerBatch = 500

// referenceBatches are visits of the reference event: a click of about 180 bytes of payload, five metadata entries
// and the session shared by the batch.
func referenceBatches(n int) (values [][]byte) {
	random := mrand.New(mrand.NewPCG(1, 2))
	for range n {
		var id [16]byte
		rand.Read(id[:])
		batch := &gosight.Batch{
			Project: "shop", SessionId: fmt.Sprintf("%x-%x", id[:8], id[8:]), Lane: gosight.Lane_LANE_EVENTS,
			UserId: fmt.Sprintf("user-%d", random.IntN(100000)),
			Metadata: map[string]string{
				"browser": "Chrome", "browser_version": "141.0", "os": "Windows 11", "device": "desktop", "country": "VN",
			},
			ReceivedAt: 1795000000000, AgentId: "agent-1", Region: "local",
		}
		at := int64(1795000000000)
		for range eventsPerBatch {
			at += random.Int64N(900)
			rand.Read(id[:])
			batch.Events = append(batch.Events, &gosight.Event{
				EventId: fmt.Sprintf("%x", id[:10]), EventType: "click", Timestamp: at,
				Payload: fmt.Sprintf(`{"x":%d,"y":%d,"vw":1440,"vh":900,"page_x":%d,"page_y":%d,"selector":"main > `+
					`div.products > article:nth-child(%d) > button.add","tag":"button","role":"button","text":"Add to `+
					`cart","button":0,"interactive":true}`, random.IntN(1440), random.IntN(900), random.IntN(1440),
					random.IntN(5000), random.IntN(40)),
			})
		}
		value, err := batch.MarshalVT()
		if err != nil {
			panic(err)
		}
		values = append(values, value)
	}
	return values
}

// sink acknowledges everything at once.
type sink struct{ batches, bytes atomic.Int64 }

func (s *sink) Produce(_ context.Context, records []receive.Record) (int, error) {
	s.batches.Add(int64(len(records)))
	for _, record := range records {
		s.bytes.Add(int64(len(record.Value)))
	}
	return 0, nil
}

// BenchmarkRelay takes batches of 500 reference events through the fsynced queue, the forwarder and the receiver.
// An operation is a batch. cpu-s/Mevents counts both sides, TLS, and making nothing but the queue's own work.
func BenchmarkRelay(b *testing.B) {
	for _, transport := range []string{"http3", "http2"} {
		b.Run(transport, func(b *testing.B) {
			certs, behind := makeCertificates(b), &sink{}
			server := startAggregator(b, receiveConfig(certs), behind)
			q := openQueue(b)
			cfg := forwardConfig(certs, server.Addr())
			cfg.QUIC = transport == "http3"
			_, metrics, _ := startForwarder(b, cfg, q)
			values := referenceBatches(64)
			put(b, q, values[0])
			eventually(b, 10*time.Second, "connected", empty(q))
			b.SetBytes(int64(len(values[0])))
			b.ReportAllocs()
			before, sent := cpu(), behind.batches.Load()
			wireBefore := value(b, metrics, "gosight_forward_wire_bytes_total")
			b.ResetTimer()
			var next atomic.Int64
			var clients sync.WaitGroup
			for range 32 {
				clients.Go(func() {
					for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
						put(b, q, values[n%int64(len(values))])
					}
				})
			}
			clients.Wait()
			for behind.batches.Load()-sent < int64(b.N) {
				time.Sleep(time.Millisecond)
			}
			b.StopTimer()
			events := float64(b.N * eventsPerBatch)
			b.ReportMetric((cpu()-before).Seconds()/events*1e6, "cpu-s/Mevents")
			b.ReportMetric(events/b.Elapsed().Seconds(), "events/s")
			b.ReportMetric((value(b, metrics, "gosight_forward_wire_bytes_total")-wireBefore)/events, "wire-B/event")
		})
	}
}

// cpu is what this process has used.
func cpu() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
