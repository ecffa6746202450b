package aggregator_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/gosight/gosight/aggregator"
	"github.com/gosight/gosight/aggregator/store"
	"github.com/gosight/gosight/internal/freeport"
	"github.com/gosight/gosight/ops/engines/enginetest"
	"github.com/gosight/gosight/proto/gen/gosight"
	"github.com/gosight/gosight/proto/gen/gosight/gosightconnect"
	"github.com/gosight/gosight/proto/wire"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kfake"
)

func config(t *testing.T) aggregator.Config {
	t.Helper()
	cfg := aggregator.Default()
	cfg.RelayAddr, cfg.APIAddr, cfg.AdminAddr = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	cfg.DataDir = t.TempDir()
	cfg.Receive.AllowAnonymousLoopback = true
	cfg.Receive.DrainGrace = 100 * time.Millisecond
	cfg.API.AllowLoopback = true
	return cfg
}

func run(t *testing.T, a *aggregator.Aggregator) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Errorf("aggregator ended with %v", err)
		}
	}
	t.Cleanup(stop)
	return stop
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// It starts before Kafka is there, says so, becomes ready, and stores what is relayed to it before it leaves.
func TestFromRelayToRowsWithEnginesThatComeLate(t *testing.T) {
	kafkas, err := freeport.Addrs(1)
	if err != nil {
		t.Fatal(err)
	}
	cfg := config(t)
	cfg.Kafka.Brokers = kafkas
	cfg.Kafka.Partitions = 2
	cfg.ClickHouse.URL = enginetest.TestClickHouse(t)
	a, err := aggregator.New(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	stop := run(t, a)
	if status, why := get(t, "http://"+a.Addrs().Admin+"/readyz"); status != 503 || !strings.Contains(why, "waiting") {
		t.Errorf("readyz without kafka: %d %s", status, why)
	}
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(int(netip.MustParseAddrPort(kafkas[0]).Port())))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	select {
	case <-a.Ready():
	case <-time.After(30 * time.Second):
		t.Fatal("not ready after 30 s")
	}
	if status, why := get(t, "http://"+a.Addrs().Admin+"/readyz"); status != 200 {
		t.Errorf("readyz when ready: %d %s", status, why)
	}

	batch := &gosight.Batch{
		Project: "default", SessionId: "s", Lane: gosight.Lane_LANE_EVENTS, ReceivedAt: time.Now().UnixMilli(),
		Events: []*gosight.Event{{EventId: "e", EventType: "custom", Payload: `{"name":"n"}`, Timestamp: 1}},
	}
	forward(t, a.Addrs().Relay, filepath.Join(cfg.DataDir, "tls"), batch)
	stop() // stores what Kafka has acknowledged and it had read; the rest is read by whoever comes next

	again, err := aggregator.New(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	run(t, again)
	<-again.Ready()
	cfgStore := cfg.ClickHouse
	st, err := store.Open(t.Context(), cfgStore, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	deadline := time.Now().Add(20 * time.Second)
	for {
		var count uint64
		if err := st.Conn().QueryRow(t.Context(), "SELECT count() FROM events FINAL WHERE name='n'").Scan(&count); err != nil {
			t.Fatal(err)
		}
		if count == 1 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d rows after 20 s, want 1", count)
		}
	}
	// A project's own days reach the tables, whatever they had before.
	if err := st.PutRegistry(t.Context(), time.Now(), store.Document{Kind: "project", ID: "site", JSON: `{"id":"site","event_days":7}`}); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		var tables uint64
		if err := st.Conn().QueryRow(t.Context(), "SELECT count() FROM system.tables WHERE engine_full LIKE '%transform(project, [\\'site\\'], [7], 90)%'").Scan(&tables); err != nil {
			t.Fatal(err)
		}
		if tables == 6 { // all but replay
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d tables know the project's days after 2 minutes, want 6", tables)
		}
	}
	_, metrics := get(t, "http://"+again.Addrs().Admin+"/metrics")
	for _, name := range []string{"gosight_bus_assigned_partitions", "gosight_bus_consumed_records_total", "go_goroutines"} {
		if !strings.Contains(metrics, name) {
			t.Errorf("no metric %s", name)
		}
	}
}

func forward(t *testing.T, relay, tlsDir string, batch *gosight.Batch) {
	t.Helper()
	value, err := batch.MarshalVT()
	if err != nil {
		t.Fatal(err)
	}
	frame, err := wire.AppendFrame(nil, [][]byte{value})
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	files, _ := filepath.Glob(filepath.Join(tlsDir, "*.pem"))
	for _, file := range files {
		pem, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		pool.AppendCertsFromPEM(pem)
	}
	client := &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true,
	}}
	answer, err := gosightconnect.NewRelayClient(client, "https://"+relay).Forward(t.Context(),
		connect.NewRequest(&gosight.ForwardRequest{AgentId: "edge-1", Frame: frame}))
	if err != nil {
		t.Fatal(err)
	}
	if answer.Msg.Batches != 1 || answer.Msg.DeadLettered != 0 {
		t.Fatalf("relay answered %v", answer.Msg)
	}
}

func TestRolesNeedOnlyTheirOwn(t *testing.T) {
	cfg := config(t)
	cfg.Roles = []string{aggregator.API}
	cfg.Kafka.Brokers = nil // of no concern to this role
	cfg.ClickHouse.URL = enginetest.TestClickHouse(t)
	a, err := aggregator.New(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	run(t, a)
	<-a.Ready()
	if addrs := a.Addrs(); addrs.Relay != "" || addrs.API == "" {
		t.Errorf("listens on %+v", addrs)
	}
	if status, _ := get(t, "http://"+a.Addrs().API+"/api/v1/sessions"); status != 200 {
		t.Errorf("sessions: %d", status)
	}
}

func TestWrongSettingsNameTheirRemedy(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for name, test := range map[string]struct {
		change func(*aggregator.Config)
		want   string
	}{
		"role":   {func(c *aggregator.Config) { c.Roles = []string{"cook"} }, "receive, process, api"},
		"broker": {func(c *aggregator.Config) { c.Kafka.Brokers = nil }, "kafka brokers"},
		"url":    {func(c *aggregator.Config) { c.ClickHouse.URL = "clickhouse:9000" }, "http://host:port"},
		"port":   {func(c *aggregator.Config) { c.APIAddr = taken.Addr().String() }, "--api-addr"},
		"relay":  {func(c *aggregator.Config) { c.RelayAddr = taken.Addr().String() }, "--relay-addr"},
		"handle": {func(c *aggregator.Config) { c.Kafka.HandleTimeout = time.Hour }, "handle-timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config(t)
			test.change(&cfg)
			_, err := aggregator.New(cfg, slog.New(slog.DiscardHandler))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want it to say %q", err, test.want)
			}
		})
	}
}

func TestPlainPortsStayOnLoopback(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*aggregator.Config)
		want   []string // of the error; none where it starts
	}{
		"as it comes":                {func(*aggregator.Config) {}, nil},
		"API on all addresses":       {func(c *aggregator.Config) { c.APIAddr = "0.0.0.0:0" }, []string{"api-addr 0.0.0.0:0", "proxy", "--insecure-public"}},
		"API in the open":            {func(c *aggregator.Config) { c.APIAddr = "203.0.113.7:443" }, []string{"api-addr 203.0.113.7:443"}},
		"admin port in the open":     {func(c *aggregator.Config) { c.AdminAddr = "[::]:0" }, []string{"admin-addr [::]:0", "loopback", "--insecure-public"}},
		"an API that is not its job": {func(c *aggregator.Config) { c.Roles, c.APIAddr = []string{aggregator.Receive}, "0.0.0.0:0" }, nil},
		"the relay has TLS":          {func(c *aggregator.Config) { c.RelayAddr = "0.0.0.0:0" }, nil},
		"said in words":              {func(c *aggregator.Config) { c.APIAddr, c.AdminAddr, c.InsecurePublic = ":0", ":0", true }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config(t)
			test.change(&cfg)
			err := cfg.Validate()
			if (err != nil) != (test.want != nil) {
				t.Fatalf("got %v, want it to say %q", err, test.want)
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
		})
	}
}
