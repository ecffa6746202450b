package fleet

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc"

	gosight "github.com/gosight/gosight/sdk/go"
)

// visitor sends all the time, with the Go SDK, and knows what was acknowledged.
type visitor struct {
	client *gosight.Client
	stop   context.CancelFunc
	done   chan struct{}

	mu      sync.Mutex
	acked   uint64
	slowest time.Duration // of the batches since the last look
}

// client is the Go SDK at a place; a program there would need no dialler.
func (f *fleet) sdk(p *place, agents ...*place) *gosight.Client {
	f.t.Helper()
	cfg := gosight.Default()
	cfg.Key, cfg.Log = "k", slog.New(slog.DiscardHandler)
	for _, a := range agents {
		cfg.Agents = append(cfg.Agents, a.at(grpcPort))
	}
	cfg.DialOptions = []grpc.DialOption{grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
		return p.dial(ctx, "tcp", address)
	})}
	client, err := gosight.New(cfg)
	if err != nil {
		f.t.Fatal(err)
	}
	return client
}

func (f *fleet) visit() *visitor {
	v := &visitor{client: f.sdk(f.visitor, f.us, f.eu), done: make(chan struct{})}
	ctx, stop := context.WithCancel(context.Background())
	v.stop = stop
	go func() {
		defer close(v.done)
		for n := 0; ctx.Err() == nil; n++ {
			events := make([]*gosight.Event, 5)
			for i := range events {
				events[i] = &gosight.Event{SessionId: fmt.Sprintf("visit-%d", n/100), EventType: "custom", Payload: `{"name":"tick"}`}
			}
			began := time.Now()
			answer, err := v.client.SendBatch(context.WithoutCancel(ctx), &gosight.EventBatch{Events: events})
			if err != nil {
				f.t.Error(err)
				return
			}
			v.mu.Lock()
			v.acked += answer.Accepted
			v.slowest = max(v.slowest, time.Since(began))
			v.mu.Unlock()
			select {
			case <-ctx.Done():
			case <-time.After(10 * time.Millisecond):
			}
		}
	}()
	f.t.Cleanup(func() { v.end() })
	return v
}

// end stops sending and returns how many events were acknowledged.
func (v *visitor) end() uint64 {
	v.stop()
	<-v.done
	_ = v.client.Close(context.Background()) // perhaps once more
	return v.acked
}

// look returns the longest that a batch took since the last look.
func (v *visitor) look() time.Duration {
	v.mu.Lock()
	defer v.mu.Unlock()
	slowest := v.slowest
	v.slowest = 0
	return slowest
}

// fill puts so many bytes that do not compress into an agent's queue, and returns how many events that were.
func (f *fleet) fill(p *place, bytes int) uint64 {
	f.t.Helper()
	client := f.sdk(p, p)
	defer client.Close(f.t.Context())
	const size = 48 << 10
	noise := make([]byte, size*3/4)
	var events uint64
	for range bytes / size {
		if _, err := rand.Read(noise); err != nil {
			f.t.Fatal(err)
		}
		payload := `{"name":"noise","props":"` + base64.StdEncoding.EncodeToString(noise) + `"}`
		answer, err := client.SendBatch(f.t.Context(), &gosight.EventBatch{Events: []*gosight.Event{
			{SessionId: "noise", EventType: "custom", Payload: payload},
		}})
		if err != nil {
			f.t.Fatal(err)
		}
		events += answer.Accepted
	}
	return events
}
