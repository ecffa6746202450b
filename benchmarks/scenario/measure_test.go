package scenario

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"

	"connectrpc.com/connect"

	"github.com/gosight/gosight/benchmarks/target"
	"github.com/gosight/gosight/proto/gen/gosight"
	"github.com/gosight/gosight/proto/gen/gosight/gosightconnect"
)

// house is an agent, a Kafka and a ClickHouse in one: it keeps what it acks, and forgets or doubles on purpose.
type house struct {
	gosight.UnimplementedIngestorServer
	mu     sync.Mutex
	events map[string]bool // by session/id
	forget int             // every so many events is acked and not kept
	extra  int             // rows that nobody sent
	acked  int
}

func (h *house) SendBatch(_ context.Context, batch *gosight.EventBatch) (*gosight.Status, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, ev := range batch.Events {
		if h.acked++; h.forget > 0 && h.acked%h.forget == 0 {
			continue
		}
		h.events[batch.SessionId+"/"+ev.EventId] = true
	}
	return &gosight.Status{Accepted: uint64(len(batch.Events))}, nil
}

// browserHouse is the house's HTTP door.
type browserHouse struct {
	gosightconnect.UnimplementedIngestorHandler
	*house
}

func (b browserHouse) SendBatch(ctx context.Context, r *connect.Request[gosight.EventBatch]) (*connect.Response[gosight.Status], error) {
	answer, err := b.house.SendBatch(ctx, r.Msg)
	return connect.NewResponse(answer), err
}

func (b browserHouse) SendEvents(context.Context, *connect.ClientStream[gosight.Event]) (*connect.Response[gosight.Status], error) {
	return nil, connect.NewError(connect.CodeUnimplemented, nil)
}

var (
	countQuery = regexp.MustCompile(`startsWith\(session_id, '(\w+)'\)`)
	probeQuery = regexp.MustCompile(`session_id = '([\w-]+)' AND event_id IN \((.*)\)`)
)

func (h *house) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	text, _ := io.ReadAll(r.Body)
	h.mu.Lock()
	defer h.mu.Unlock()
	if m := countQuery.FindStringSubmatch(string(text)); m != nil {
		n := h.extra
		for key := range h.events {
			if strings.HasPrefix(key, m[1]) {
				n++
			}
		}
		fmt.Fprintln(w, n)
	} else if m := probeQuery.FindStringSubmatch(string(text)); m != nil {
		for _, id := range strings.Split(m[2], ",") {
			if id = strings.Trim(id, "'"); h.events[m[1]+"/"+id] {
				fmt.Fprintln(w, id)
			}
		}
	}
}

func (h *house) open(t *testing.T) *target.System {
	h.events = make(map[string]bool)
	port, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	gosight.RegisterIngestorServer(server, h)
	go func() { _ = server.Serve(port) }() // ends with Stop
	t.Cleanup(server.Stop)
	mux := http.NewServeMux()
	mux.Handle(gosightconnect.NewIngestorHandler(browserHouse{house: h}))
	mux.HandleFunc("/metrics", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "# TYPE gosight_forward_wire_bytes_total counter\ngosight_forward_wire_bytes_total 12")
	})
	web, store := httptest.NewServer(mux), httptest.NewServer(h)
	t.Cleanup(web.Close)
	t.Cleanup(store.Close)
	return &target.System{Project: "default", Shape: "attached", Ready: target.Ready{
		AgentGRPC: port.Addr().String(), AgentHTTP: web.URL, AgentAdmin: web.URL, ClickHouse: store.URL,
	}}
}

func TestMeasurementComparesAckedWithCounted(t *testing.T) {
	for name, test := range map[string]struct {
		house   *house
		failure string
	}{
		"exact":   {house: &house{}},
		"loses":   {house: &house{forget: 500}, failure: "ClickHouse counts"},
		"doubles": {house: &house{extra: 3}, failure: "ClickHouse counts"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bench := &Bench{System: test.house.open(t), Screen: io.Discard, Log: slog.New(slog.DiscardHandler), patience: 100 * time.Millisecond}
			for _, traffic := range []string{"visits", "reference"} {
				s := &Scenario{Name: name, Kind: "rate", Traffic: traffic, Visitors: 10, Batch: 10, Workers: 4, Connections: 2, Browsers: 0.5,
					Rates: []float64{2000}, Duration: 600 * time.Millisecond}
				r, err := bench.Run(t.Context(), s)
				if err != nil {
					t.Fatal(err)
				}
				run := r.Runs[0]
				if run.Acked < 1000 || run.SDKBytes == 0 || run.Processes["generator"].PeakRSS == 0 {
					t.Errorf("%s: %+v", traffic, run)
				}
				if test.failure == "" && (len(r.Failures) > 0 || run.Acked != run.Counted || run.Lag == nil) {
					t.Errorf("%s: acked %d, counted %d, lag %v: %v", traffic, run.Acked, run.Counted, run.Lag, r.Failures)
				}
				if test.failure != "" && !strings.Contains(strings.Join(r.Failures, "\n"), test.failure) {
					t.Errorf("%s: failures are %q", traffic, r.Failures)
				}
			}
		})
	}
}

func TestSearchSettlesBelowWhatFails(t *testing.T) {
	h := &house{}
	bench := &Bench{System: h.open(t), Screen: io.Discard, Log: slog.New(slog.DiscardHandler), patience: 100 * time.Millisecond}
	s := &Scenario{Name: "max", Kind: "max", Traffic: "reference", Batch: 10, Workers: 2, Connections: 1, Rates: []float64{500},
		Duration: 300 * time.Millisecond, Factor: 40, Refine: 1, Limits: Limits{Achieved: 0.9, AckP99: time.Nanosecond}}
	r, err := bench.Run(t.Context(), s)
	if err != nil || r.Best != nil || len(r.Failures) == 0 || len(r.Runs) != 2 {
		t.Errorf("an impossible limit was met: %+v, %v", r, err)
	}
}
