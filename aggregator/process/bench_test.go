package process

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gosight/gosight/aggregator/bus"
	"github.com/gosight/gosight/aggregator/store"
	"github.com/gosight/gosight/internal/detect"
	"github.com/gosight/gosight/ops/engines/enginetest"
	"github.com/gosight/gosight/proto/gen/gosight"
	"github.com/prometheus/client_golang/prometheus"
)

// records are reference events (about 460 bytes each as published protobuf) of many sessions, in batches.
func records(tb testing.TB, total, each int) []bus.Record {
	tb.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	const began = 1_790_000_000_000
	var out []bus.Record
	for n := 0; n < total; n += each {
		session := fmt.Sprintf("%08x-0000-7000-8000-%012x", n/each, n)
		batch := &gosight.Batch{
			Project: "default", SessionId: session, Lane: gosight.Lane_LANE_EVENTS, UserId: "user-" + session[:8],
			Metadata: map[string]string{
				"browser": "Chrome", "os": "Linux", "device": "desktop", "country": "VN", "language": "vi-VN",
				"url": fmt.Sprintf("https://shop.example/products/%d", random.IntN(200)), "page_id": session[24:],
			},
			ReceivedAt: began + int64(n), AgentId: "edge-1", Region: "eu",
		}
		for i := range each {
			x, y := random.IntN(1280), random.IntN(720)
			batch.Events = append(batch.Events, &gosight.Event{
				EventId: fmt.Sprintf("%s-%d", session[:8], i), EventType: "click", Timestamp: began + int64(n+i*700),
				Payload: fmt.Sprintf(`{"x":%d,"y":%d,"vw":1280,"vh":720,"page_x":%d,"page_y":%d,"selector":`+
					`"main > div.grid > a.card:nth-child(%d)","tag":"A","text":"Product %d","button":0,"interactive":true}`,
					x, y, x, y+400, random.IntN(40), random.IntN(1000)),
			})
		}
		value, err := batch.MarshalVT()
		if err != nil {
			tb.Fatal(err)
		}
		out = append(out, bus.Record{Offset: int64(n), Time: batch.ReceivedAt, Value: value})
	}
	return out
}

// cpuTime is what this process and its children, of which the engine is the only one, have spent so far: unlike
// elapsed time it does not depend on what else the machine does.
func cpuTime(b *testing.B) (own, children time.Duration) {
	b.Helper()
	const tick = 10 * time.Millisecond // USER_HZ
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		b.Fatal(err)
	}
	for _, file := range stats {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // ended meanwhile
		}
		_, rest, _ := strings.Cut(string(text), ") ")
		fields := strings.Fields(rest) // from field 3, the state, on
		user, _ := strconv.Atoi(fields[11])
		system, _ := strconv.Atoi(fields[12])
		spent := time.Duration(user+system) * tick
		switch {
		case filepath.Base(filepath.Dir(file)) == strconv.Itoa(os.Getpid()):
			own = spent
		case fields[1] == strconv.Itoa(os.Getpid()):
			children += spent
		}
	}
	return own, children
}

func benchLane(b *testing.B, insert bool) {
	for _, each := range []int{1, 20, 500} {
		b.Run(fmt.Sprintf("events_per_batch=%d", each), func(b *testing.B) {
			const total = 50_000
			in := records(b, total, each)
			l := newLane(Default(), detect.MustLive(detect.Default()), nobody{}, gosight.Lane_LANE_EVENTS, nil, newMetrics(prometheus.NewRegistry()))
			if insert {
				cfg := store.Default()
				cfg.URL = enginetest.TestClickHouse(b)
				st, err := store.Open(context.Background(), cfg, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
				if err != nil {
					b.Fatal(err)
				}
				defer st.Close()
				l.store = st
			}
			own, engine := cpuTime(b)
			b.ResetTimer()
			for range b.N {
				if insert {
					if _, err := l.Handle(context.Background(), in); err != nil {
						b.Fatal(err)
					}
				} else {
					for _, record := range in {
						batch, _, err := decode(record.Value)
						if err != nil {
							b.Fatal(err)
						}
						if err := l.add(record, batch); err != nil {
							b.Fatal(err)
						}
					}
					l.clear()
				}
				l.Forget([]int32{0})
			}
			b.StopTimer()
			ownAfter, engineAfter := cpuTime(b)
			events := float64(b.N * total)
			b.ReportMetric(events/b.Elapsed().Seconds(), "events/s")
			b.ReportMetric(float64((ownAfter-own).Nanoseconds())/events, "cpu-ns/event")
			if insert {
				b.ReportMetric(float64((engineAfter-engine).Nanoseconds())/events, "engine-cpu-ns/event")
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkRows is decoding, making rows and detecting: what this process spends.
func BenchmarkRows(b *testing.B) { benchLane(b, false) }

// BenchmarkStore is the same and the insert into the real engine, which is another process on the same cores.
func BenchmarkStore(b *testing.B) { benchLane(b, true) }
