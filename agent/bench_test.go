package agent

import (
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/gosight/gosight/proto/gen/gosight"
	"github.com/gosight/gosight/proto/wire"
)

// BenchmarkAgent is the whole way of the reference event through an agent: over gRPC, from the client's encoding to
// the acknowledgement after fsync, in batches of 500 from many connections. No aggregator is there, so it stays in
// the queue; the time of client and agent together is what is measured.
func BenchmarkAgent(b *testing.B) {
	const size = 500
	cfg := Default()
	cfg.GRPCAddr, cfg.HTTPAddr, cfg.AdminAddr = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	cfg.DataDir, cfg.AllowAnonymousLoopback = b.TempDir(), true
	cfg.Forward.Aggregators = []string{"127.0.0.1:1"} // nobody listens there
	a, err := New(cfg, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		b.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- a.Run(b.Context()) }()
	b.Cleanup(func() {
		if err := <-ended; err != nil {
			b.Error(err)
		}
	})
	<-a.Ready()

	payloads := make([]string, 256)
	for i := range payloads {
		payloads[i] = fmt.Sprintf(`{"x":%d,"y":%d,"vw":1280,"vh":720,"page_x":%[1]d,"page_y":%[2]d,"selector":"main>div.products>article:nth-child(%[3]d)>button","tag":"button","text":"Add item %[3]d to basket","interactive":true}`, i*397%1280, i*211%720, i%48)
	}
	var clients atomic.Int64
	b.SetParallelism(16)
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		client := clients.Add(1)
		conn, err := grpc.NewClient(a.Addrs().GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithDefaultCallOptions(grpc.ForceCodec(wire.Codec{})))
		if err != nil {
			b.Error(err)
			return
		}
		defer conn.Close()
		batch := &gosight.EventBatch{
			UserId: "0192f3a4-aaaa-7bbb-8ccc-ddddeeeeffff",
			Metadata: map[string]string{
				"url": "https://shop.example/en/outdoor/products/17", "browser": "Chrome 141.0", "os": "Windows 11",
				"language": "en-GB", "page_id": "0192f3a4-bbbb-7ccc-8ddd-eeeeffff0000",
			},
			Events: make([]*gosight.Event, size),
		}
		for n := uint64(0); pb.Next(); {
			batch.SessionId = fmt.Sprintf("0192f3a4-5b6c-7d8e-%04x-%012x", client, n)
			for i := range batch.Events {
				n++
				batch.Events[i] = &gosight.Event{EventId: strconv.FormatUint(n, 36), EventType: "click", Timestamp: 1_780_000_000_000 + int64(n)*200, Payload: payloads[n%256]}
			}
			answer, err := gosight.NewIngestorClient(conn).SendBatch(b.Context(), batch)
			if err != nil || answer.Accepted != size {
				b.Errorf("%v, %v", answer, err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N*size)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*size), "ns/event")
}
