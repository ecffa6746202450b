package ingest

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/fstest"

	"github.com/gosight/gosight/agent/queue"
	"github.com/gosight/gosight/internal/config"
	"github.com/gosight/gosight/proto/gen/gosight"
)

// referenceEvent is a click of about 460 B as the published contract has it: session, user and metadata with it.
func referenceEvent(i int) *gosight.Event {
	return &gosight.Event{
		SessionId: "0192f3a4-5b6c-7d8e-9f00-112233445566", UserId: "0192f3a4-aaaa-7bbb-8ccc-ddddeeeeffff",
		EventType: "click", EventId: fmt.Sprintf("0192f3a4-5b6c.%d", i), Timestamp: testNow + int64(i-1000)*1000, // at leisure: no rage
		Payload: fmt.Sprintf(`{"x":%d,"y":380,"vw":1280,"vh":720,"page_x":412,"page_y":1180,"selector":"main>div.products>article:nth-child(3)>button.buy","tag":"button","text":"Add to basket","interactive":true}`, 100+i%900),
		Metadata: map[string]string{
			"url": "https://shop.example/products/17", "browser": "Chrome", "os": "Windows", "language": "en-GB", "page_id": "p1",
		},
	}
}

// referenceBatch is events of one visit as the web SDK sends them: what they share stands once.
func referenceBatch(size int) *gosight.EventBatch {
	first := referenceEvent(0)
	batch := &gosight.EventBatch{SessionId: first.SessionId, UserId: first.UserId, Metadata: first.Metadata}
	for i := range size {
		ev := referenceEvent(i)
		ev.SessionId, ev.UserId, ev.Metadata = "", "", nil
		batch.Events = append(batch.Events, ev)
	}
	return batch
}

// BenchmarkSubmit is what an event costs the agent from decoded to queued, without the wait for the disk.
func BenchmarkSubmit(b *testing.B) {
	const size = 500
	shared := func() *gosight.EventBatch { return referenceBatch(size) }
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

// BenchmarkHTTP is what a request of 500 events costs the agent from the HTTP port's handler to the queue, with the wait
// for the disk.
func BenchmarkHTTP(b *testing.B) {
	for name, gzipped := range map[string]bool{"plain": false, "gzip": true} {
		b.Run(name, func(b *testing.B) {
			p, q := newTestPipeline(b, func(cfg *queue.Config) { cfg.Dir = b.TempDir() })
			server, err := NewHTTPServer(config.Default[Server](), p, fstest.MapFS{}, testFleet, slog.New(slog.DiscardHandler))
			if err != nil {
				b.Fatal(err)
			}
			request := func(i int) *http.Request { // each of another visit: one alone may not send so much
				batch := referenceBatch(500)
				batch.SessionId = fmt.Sprintf("0192f3a4-5b6c-7d8e-9f00-%012d", i)
				body, err := batch.MarshalVT()
				if err != nil {
					b.Fatal(err)
				}
				if gzipped {
					body = zip(b, body)
				}
				r := httptest.NewRequest(http.MethodPost, sendBatch+"?key=k1", bytes.NewReader(body))
				r.Header.Set("Content-Type", "application/proto")
				if gzipped {
					r.Header.Set("Content-Encoding", "gzip")
				}
				r.RemoteAddr = fmt.Sprintf("10.0.%d.%d:1", i>>8&255, i&255)
				return r
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				b.StopTimer()
				drain(q)
				r := request(i)
				b.StartTimer()
				answer := httptest.NewRecorder()
				if server.Handler.ServeHTTP(answer, r); answer.Code != http.StatusOK {
					b.Fatalf("%d %s", answer.Code, answer.Body)
				}
			}
		})
	}
}

// BenchmarkBody is the part of that before the pipeline: reading, decompressing, decoding and answering.
func BenchmarkBody(b *testing.B) {
	handler := answeringBodies(20 << 20)
	encoded, err := referenceBatch(500).MarshalVT()
	if err != nil {
		b.Fatal(err)
	}
	for encoding, body := range map[string][]byte{"identity": encoded, "gzip": zip(b, encoded)} {
		b.Run(encoding, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r := httptest.NewRequest(http.MethodPost, sendBatch, bytes.NewReader(body))
				r.Header.Set("Content-Type", "application/proto")
				r.Header.Set("Content-Encoding", encoding)
				answer := httptest.NewRecorder()
				if handler.ServeHTTP(answer, r); answer.Code != http.StatusOK {
					b.Fatalf("%d %s", answer.Code, answer.Body)
				}
			}
		})
	}
}
