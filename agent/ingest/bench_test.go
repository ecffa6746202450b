package ingest

import (
	"fmt"
	"testing"

	"github.com/gosight/gosight/agent/queue"
	"github.com/gosight/gosight/proto/gen/gosight"
)

// referenceEvent is a click of about 460 B as the published contract has it: session, user and metadata with it.
func referenceEvent(i int) *gosight.Event {
	return &gosight.Event{
		SessionId: "0192f3a4-5b6c-7d8e-9f00-112233445566", UserId: "0192f3a4-aaaa-7bbb-8ccc-ddddeeeeffff",
		EventType: "click", EventId: fmt.Sprintf("0192f3a4-5b6c.%d", i), Timestamp: testNow - 1000,
		Payload: fmt.Sprintf(`{"x":%d,"y":380,"vw":1280,"vh":720,"page_x":412,"page_y":1180,"selector":"main>div.products>article:nth-child(3)>button.buy","tag":"button","text":"Add to basket","interactive":true}`, 100+i%900),
		Metadata: map[string]string{
			"url": "https://shop.example/products/17", "browser": "Chrome", "os": "Windows", "language": "en-GB", "page_id": "p1",
		},
	}
}

// BenchmarkSubmit is what an event costs the agent from decoded to queued, without the wait for the disk.
func BenchmarkSubmit(b *testing.B) {
	const size = 500
	shared := func() *gosight.EventBatch {
		first := referenceEvent(0)
		batch := &gosight.EventBatch{SessionId: first.SessionId, UserId: first.UserId, Metadata: first.Metadata}
		for i := range size {
			ev := referenceEvent(i)
			ev.SessionId, ev.UserId, ev.Metadata = "", "", nil
			batch.Events = append(batch.Events, ev)
		}
		return batch
	}
	repeated := func() *gosight.EventBatch {
		batch := &gosight.EventBatch{}
		for i := range size {
			batch.Events = append(batch.Events, referenceEvent(i))
		}
		return batch
	}
	for name, make := range map[string]func() *gosight.EventBatch{"batch": shared, "published": repeated} {
		b.Run(name, func(b *testing.B) {
			p, q := newTestPipeline(b, func(cfg *queue.Config) { cfg.Dir = b.TempDir() })
			encoded, err := make().MarshalVT()
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				var batch gosight.EventBatch
				if err := batch.UnmarshalVTUnsafe(encoded); err != nil {
					b.Fatal(err)
				}
				if _, err := p.Take(b.Context(), testSource, &batch); err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				drain(q)
				b.StartTimer()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*size), "ns/event")
		})
	}
}
