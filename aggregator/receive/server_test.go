package receive

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/quic-go/quic-go/http3"

	"github.com/gosight/gosight/internal/devcert"
	"github.com/gosight/gosight/proto/gen/gosight"
	"github.com/gosight/gosight/proto/gen/gosight/gosightconnect"
	"github.com/gosight/gosight/proto/wire"
)

// kafka is what these tests have behind the server.
type kafka func(ctx context.Context, records []Record) (int, error)

func (k kafka) Produce(ctx context.Context, records []Record) (int, error) { return k(ctx, records) }

func takes(context.Context, []Record) (int, error) { return 0, nil }

type running struct {
	*Server
	http2, http3 gosightconnect.RelayClient
	raw          *http.Client
	roots        *x509.CertPool
}

func start(t *testing.T, producer kafka, change ...func(*Config)) *running {
	t.Helper()
	return startWith(t, producer, NoRegistry{}, change...)
}

func startWith(t *testing.T, producer kafka, known Registry, change ...func(*Config)) *running {
	t.Helper()
	cert, key, ca, err := devcert.Ensure(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	cfg := Default()
	cfg.Addr, cfg.CertFile, cfg.KeyFile = "127.0.0.1:0", cert, key
	cfg.Tokens = map[string]string{"agent-1": "one", "agent-2": "two"}
	for _, c := range change {
		c(&cfg)
	}
	server, err := New(cfg, producer, known, prometheus.NewRegistry(), slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx) }()

	roots := x509.NewCertPool()
	text, err := os.ReadFile(ca)
	if err != nil || !roots.AppendCertsFromPEM(text) {
		t.Fatal(err)
	}
	over2 := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}
	over3 := &http3.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	t.Cleanup(func() {
		over2.CloseIdleConnections()
		over3.Close()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	client := func(transport http.RoundTripper) gosightconnect.RelayClient {
		return gosightconnect.NewRelayClient(&http.Client{Transport: transport}, "https://"+server.Addr())
	}
	return &running{server, client(over2), client(over3), &http.Client{Transport: over2}, roots}
}

func frame(t *testing.T, values ...[]byte) []byte {
	t.Helper()
	data, err := wire.AppendFrame(nil, values)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func send(t *testing.T, client gosightconnect.RelayClient, token string, data []byte) (*gosight.ForwardResponse, error) {
	t.Helper()
	req := connect.NewRequest(&gosight.ForwardRequest{AgentId: "agent-1", Frame: data})
	req.Header().Set("Authorization", "Bearer "+token)
	answer, err := client.Forward(t.Context(), req)
	if err != nil {
		return nil, err
	}
	return answer.Msg, nil
}

func (r *running) refusals(reason string) float64 {
	return testutil.ToFloat64(r.m.refusals.WithLabelValues(reason))
}

func TestAnswersAfterTheProducer(t *testing.T) {
	var mu sync.Mutex
	var got []Record
	var fail error
	r := start(t, func(_ context.Context, records []Record) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		got = records
		return 1, fail
	})
	set := func(err error) {
		mu.Lock()
		defer mu.Unlock()
		fail = err
	}
	data := frame(t, marshal(t, testBatch("s-1")), marshal(t, testBatch("s-2")))
	for name, client := range map[string]gosightconnect.RelayClient{"HTTP/2": r.http2, "HTTP/3": r.http3} {
		set(errors.New("not enough replicas"))
		_, err := send(t, client, "two", data)
		var refusal *connect.Error
		if !errors.As(err, &refusal) || refusal.Code() != connect.CodeUnavailable || refusal.Meta().Get("Retry-After") != "1" {
			t.Errorf("%s, producer failed: %v", name, err)
		}
		set(nil)
		answer, err := send(t, client, "two", data)
		if err != nil || answer.Batches != 2 || answer.DeadLettered != 1 || answer.Draining {
			t.Errorf("%s: %v, %v", name, answer, err)
		}
		mu.Lock()
		if len(got) != 2 || string(got[1].Key) != "shop/s-2" {
			t.Errorf("%s: produced %v", name, got)
		}
		mu.Unlock()
	}
}

func TestRefusals(t *testing.T) {
	r := start(t, takes, func(cfg *Config) { cfg.MaxFrameBytes, cfg.MaxRawBytes, cfg.MaxRecords = 64<<10, 128<<10, 10 })
	good := marshal(t, testBatch("s-1"))
	flipped := frame(t, good)
	flipped[len(flipped)-1] ^= 1
	bomb := frame(t, make([]byte, 60<<10))
	binary.LittleEndian.PutUint32(bomb[4:], 1<<30)
	noise := make([]byte, 65<<10)
	for i := range noise {
		noise[i] = byte(i * i >> 3)
	}
	many := make([][]byte, 11)
	for i := range many {
		many[i] = good
	}
	for name, test := range map[string]struct {
		token  string
		frame  []byte
		code   connect.Code
		reason string
	}{
		"no token":            {"", frame(t, good), connect.CodeUnauthenticated, "unauthenticated"},
		"wrong token":         {"three", frame(t, good), connect.CodeUnauthenticated, "unauthenticated"},
		"no frame":            {"one", nil, connect.CodeInvalidArgument, "frame_corrupt"},
		"not a frame":         {"one", []byte("what is this"), connect.CodeInvalidArgument, "frame_corrupt"},
		"flipped":             {"one", flipped, connect.CodeInvalidArgument, "frame_corrupt"},
		"lz4 bomb":            {"one", bomb, connect.CodeInvalidArgument, "frame_too_large"},
		"large when unpacked": {"one", frame(t, make([]byte, 129<<10)), connect.CodeInvalidArgument, "frame_too_large"},
		"large as sent":       {"one", bytes.Repeat(noise, 2), connect.CodeInvalidArgument, "frame_too_large"},
		"many records":        {"one", frame(t, many...), connect.CodeInvalidArgument, "frame_too_large"},
		"not a batch":         {"one", frame(t, good, []byte("text")), connect.CodeInvalidArgument, "batch_corrupt"},
	} {
		for transport, client := range map[string]gosightconnect.RelayClient{"HTTP/2": r.http2, "HTTP/3": r.http3} {
			before := r.refusals(test.reason)
			_, err := send(t, client, test.token, test.frame)
			if connect.CodeOf(err) != test.code || err == nil {
				t.Errorf("%s over %s: %v", name, transport, err)
			}
			if n := r.refusals(test.reason) - before; n != 1 {
				t.Errorf("%s over %s: %v refusals counted as %s", name, transport, n, test.reason)
			}
		}
	}
	if _, err := send(t, r.http2, "one", frame(t, good)); err != nil {
		t.Errorf("a good frame after all that: %v", err)
	}
}

// A body without a length is cut off at the limit, and gzip is not spoken at all.
func TestBodyTricks(t *testing.T) {
	r := start(t, takes, func(cfg *Config) { cfg.MaxFrameBytes = 64 << 10 })
	post := func(body io.Reader, header ...string) int {
		t.Helper()
		req, err := http.NewRequest(http.MethodPost, "https://"+r.Addr()+gosightconnect.RelayForwardProcedure, body)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer one")
		req.Header.Set("Content-Type", "application/proto")
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		answer, err := r.raw.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		return answer.StatusCode
	}
	endless := io.LimitReader(zeros{}, 1<<30)
	if status := post(io.MultiReader(endless)); status < 400 || r.refusals("frame_too_large") != 1 {
		t.Errorf("endless body: %d, %v refusals", status, r.refusals("frame_too_large"))
	}
	if status := post(strings.NewReader("x"), "Content-Encoding", "gzip"); status < 400 {
		t.Errorf("gzip: %d", status)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestMemoryIsBounded(t *testing.T) {
	hold, entered := make(chan struct{}), make(chan struct{}, 10)
	r := start(t, func(ctx context.Context, _ []Record) (int, error) {
		entered <- struct{}{}
		<-hold
		return 0, nil
	}, func(cfg *Config) {
		cfg.MaxFrameBytes, cfg.MaxRawBytes = 64<<10, 64<<10
		cfg.MaxInFlightBytes = cfg.requestCost(64 << 10)
	})
	data := frame(t, marshal(t, testBatch("s-1")))
	results := make(chan error, 2)
	for range 2 {
		go func() {
			_, err := send(t, r.http2, "one", data)
			results <- err
		}()
		<-entered
	}
	if _, err := send(t, r.http3, "one", data); connect.CodeOf(err) != connect.CodeUnavailable || r.refusals("busy") != 1 {
		t.Errorf("third request: %v, %v refusals", err, r.refusals("busy"))
	}
	close(hold)
	for range 2 {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	if _, err := send(t, r.http3, "one", data); err != nil {
		t.Errorf("after the others: %v", err)
	}
}

func TestSlowBody(t *testing.T) {
	r := start(t, takes, func(cfg *Config) { cfg.BodyTimeout = 50 * time.Millisecond })
	body, writer := io.Pipe()
	defer writer.Close()
	req, err := http.NewRequest(http.MethodPost, "https://"+r.Addr()+gosightconnect.RelayForwardProcedure, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer one")
	req.Header.Set("Content-Type", "application/proto")
	began := time.Now()
	answer, err := r.raw.Do(req)
	if err == nil {
		answer.Body.Close()
		if answer.StatusCode < 400 {
			t.Errorf("status %d", answer.StatusCode)
		}
	}
	if took := time.Since(began); took > 5*time.Second || r.refusals("body_timeout") != 1 {
		t.Errorf("a body that never comes held the request for %s, %v refusals", took, r.refusals("body_timeout"))
	}
}

func TestDraining(t *testing.T) {
	r := start(t, takes, func(cfg *Config) { cfg.DrainGrace = time.Minute })
	data := frame(t, marshal(t, testBatch("s-1")))
	r.Drain()
	if answer, err := send(t, r.http2, "one", data); err != nil || !answer.Draining {
		t.Errorf("within the grace: %v, %v", answer, err)
	}
	r.drainingSince.Add(-int64(2 * time.Minute))
	if _, err := send(t, r.http2, "one", data); connect.CodeOf(err) != connect.CodeUnavailable {
		t.Errorf("after it: %v", err)
	}
	if n := r.refusals("draining"); n != 1 {
		t.Errorf("%v refusals", n)
	}
}

func TestStopLetsRequestsFinish(t *testing.T) {
	hold, entered := make(chan struct{}), make(chan struct{})
	cert, key, ca, err := devcert.Ensure(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	cfg := Default()
	cfg.Addr, cfg.CertFile, cfg.KeyFile = "127.0.0.1:0", cert, key
	cfg.AllowAnonymousLoopback = true
	server, err := New(cfg, kafka(func(context.Context, []Record) (int, error) {
		close(entered)
		<-hold
		return 0, nil
	}), NoRegistry{}, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx) }()
	roots := x509.NewCertPool()
	text, _ := os.ReadFile(ca)
	roots.AppendCertsFromPEM(text)
	over3 := &http3.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	defer over3.Close()
	client := gosightconnect.NewRelayClient(&http.Client{Transport: over3}, "https://"+server.Addr())
	result := make(chan error, 1)
	go func() {
		answer, err := send(t, client, "", frame(t, marshal(t, testBatch("s-1"))))
		if err == nil && !answer.Draining {
			err = errors.New("the answer does not say that the server drains")
		}
		result <- err
	}()
	<-entered
	cancel()
	for server.drainingSince.Load() == 0 {
		runtime.Gosched()
	}
	close(hold)
	if err := <-result; err != nil {
		t.Error(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestPortIsTaken(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	cert, key, _, err := devcert.Ensure(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	cfg := Default()
	cfg.Addr, cfg.CertFile, cfg.KeyFile, cfg.AllowAnonymousLoopback = listener.Addr().String(), cert, key, true
	if _, err := New(cfg, kafka(takes), NoRegistry{}, prometheus.NewRegistry(), slog.New(slog.DiscardHandler)); err == nil {
		t.Fatal("no error")
	}
}

func TestValidate(t *testing.T) {
	good := Default()
	good.Addr = "127.0.0.1:0"
	good.CertFile, good.KeyFile, good.Tokens = "cert", "key", map[string]string{"a": "b"}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*Config){
		"cert-file":           func(c *Config) { c.CertFile = "" },
		"empty token":         func(c *Config) { c.Tokens = map[string]string{"a": ""} },
		"addr":                func(c *Config) { c.Addr = "no port" },
		"above zero":          func(c *Config) { c.MaxRecords = 0 },
		"max-in-flight-bytes": func(c *Config) { c.MaxInFlightBytes = 1 },
		"allow-anonymous":     func(c *Config) { c.Tokens, c.AllowAnonymousLoopback, c.Addr = nil, true, "0.0.0.0:1" },
	} {
		bad := good
		change(&bad)
		if err := bad.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}
