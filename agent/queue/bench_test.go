package queue

import (
	"fmt"
	"sync"
	"testing"
)

// BenchmarkPut is fsynced throughput: many goroutines, each waiting for its commit, with nothing delivered.
func BenchmarkPut(b *testing.B) {
	for _, size := range []int{2 << 10, 20 << 10, 60 << 10, 256 << 10} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			q := openTest(b, benchConfig(b))
			done := deliver(b, q)
			value := make([]byte, size)
			for i := range value {
				value[i] = byte(i * 31)
			}
			b.SetBytes(int64(size))
			b.SetParallelism(64)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := q.Put(events, "shop", value).Wait(b.Context()); err != nil {
						b.Error(err)
						return
					}
				}
			})
			b.StopTimer()
			done()
		})
	}
}

// BenchmarkPutAlone is the ack latency of one client on an idle queue.
func BenchmarkPutAlone(b *testing.B) {
	q := openTest(b, benchConfig(b))
	done := deliver(b, q)
	value := make([]byte, 20<<10)
	for b.Loop() {
		if err := q.Put(events, "shop", value).Wait(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	done()
}

// BenchmarkRead is reading and finishing a backlog.
func BenchmarkRead(b *testing.B) {
	q := openTest(b, benchConfig(b))
	value := make([]byte, 20<<10)
	var wait sync.WaitGroup
	for range 64 {
		wait.Go(func() {
			for range 100 {
				if err := q.Put(events, "shop", value).Wait(b.Context()); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wait.Wait()
	b.ReportAllocs()
	b.SetBytes(1 << 20)
	for b.Loop() {
		chunk, ok := tryRead(q, 1<<20)
		if !ok {
			q.lanes[0].mu.Lock()
			q.lanes[0].nextRead = 1
			q.lanes[0].inFlight = map[uint64]reference{}
			q.lanes[0].mu.Unlock()
			continue
		}
		b.SetBytes(int64(chunk.Bytes))
	}
}

func benchConfig(b *testing.B) Config {
	cfg := testConfig(b)
	cfg.PendingBytes = 64 << 20
	return cfg
}

// deliver empties the queue as fast as it fills, so that the disk does not fill.
func deliver(b *testing.B, q *Queue) (stop func()) {
	var wait sync.WaitGroup
	stopped := make(chan struct{})
	wait.Go(func() {
		for {
			chunk, ok := tryRead(q, 1<<20)
			if ok {
				if err := q.Done(chunk); err != nil {
					b.Error(err)
				}
				continue
			}
			select {
			case <-stopped:
				return
			case <-q.readable:
			}
		}
	})
	return func() {
		close(stopped)
		signal(q.readable)
		wait.Wait()
	}
}
