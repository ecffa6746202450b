package agent

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quic-go/quic-go/http3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/gosight/gosight/internal/devcert"
	"github.com/gosight/gosight/proto/gen/gosight"
)

func start(t *testing.T, change func(*Config)) (a *Agent, stop func()) {
	t.Helper()
	cfg := Default()
	cfg.ID, cfg.DataDir, cfg.AllowAnonymousLoopback = "agent-1", t.TempDir(), true
	cfg.GRPCAddr, cfg.HTTPAddr, cfg.AdminAddr = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	cfg.Forward.FlushTimeout = 0 // there is no aggregator
	if change != nil {
		change(&cfg)
	}
	a, err := New(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	<-a.Ready()
	return a, stop
}

// who is the serial number of the certificate that answers, over HTTP/3 or HTTP/2.
func who(t *testing.T, client *http.Client, address string) (serial, protocol, altSvc string) {
	t.Helper()
	response, err := client.Get("https://" + address + "/agents")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || !strings.Contains(string(text), `"self":true`) {
		t.Fatalf("%s, %v", text, err)
	}
	return response.TLS.PeerCertificates[0].SerialNumber.String(), response.Proto, response.Header.Get("Alt-Svc")
}

func TestPortsWithACertificate(t *testing.T) {
	dir := t.TempDir()
	cert, key, ca, err := devcert.Ensure(dir, "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	a, _ := start(t, func(c *Config) { c.Server.CertFile, c.Server.KeyFile = cert, key })
	text, err := os.ReadFile(ca)
	if err != nil {
		t.Fatal(err)
	}
	trust := &tls.Config{RootCAs: x509.NewCertPool()}
	trust.RootCAs.AppendCertsFromPEM(text)

	over3 := &http3.Transport{TLSClientConfig: trust.Clone()}
	defer over3.Close()
	first, protocol, _ := who(t, &http.Client{Transport: over3}, a.Addrs().HTTP)
	if protocol != "HTTP/3.0" {
		t.Errorf("over QUIC: %s", protocol)
	}
	over2 := func() *http.Client {
		return &http.Client{Transport: &http.Transport{TLSClientConfig: trust.Clone(), ForceAttemptHTTP2: true, DisableKeepAlives: true}}
	}
	_, protocol, altSvc := who(t, over2(), a.Addrs().HTTP)
	if port := a.Addrs().HTTP[strings.LastIndex(a.Addrs().HTTP, ":"):]; protocol != "HTTP/2.0" || !strings.Contains(altSvc, `h3="`+port+`"`) {
		t.Errorf("over TCP: %s, Alt-Svc %q", protocol, altSvc)
	}

	conn, err := grpc.NewClient(a.Addrs().GRPC, grpc.WithTransportCredentials(credentials.NewTLS(trust.Clone())))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	answer, err := gosight.NewIngestorClient(conn).SendBatch(t.Context(), &gosight.EventBatch{SessionId: "s",
		Events: []*gosight.Event{{EventType: "click", Payload: "{}", Timestamp: time.Now().UnixMilli()}}})
	if err != nil || answer.Accepted != 1 {
		t.Errorf("gRPC: %v, %v", answer, err)
	}

	// Renewed by the same CA, it is shown to whoever connects then, without a restart.
	for _, old := range []string{cert, key} {
		if err := os.Remove(old); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, _, err := devcert.Ensure(dir, "127.0.0.1"); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		if now, _, _ := who(t, over2(), a.Addrs().HTTP); now != first {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the renewed certificate is not shown within a minute")
		}
	}
	renewed := &http3.Transport{TLSClientConfig: trust.Clone()}
	defer renewed.Close()
	if now, _, _ := who(t, &http.Client{Transport: renewed}, a.Addrs().HTTP); now == first {
		t.Error("HTTP/3 shows the old certificate")
	}
}

func TestHalfACertificateNamesTheRemedy(t *testing.T) {
	cfg := Default()
	cfg.ID, cfg.DataDir, cfg.AllowAnonymousLoopback = "agent-1", t.TempDir(), true
	cfg.GRPCAddr, cfg.HTTPAddr, cfg.AdminAddr = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	for want, files := range map[string][2]string{
		"or neither":         {"cert.pem", ""},
		"--server-cert-file": {filepath.Join(t.TempDir(), "none"), "none"},
	} {
		cfg.Server.CertFile, cfg.Server.KeyFile = files[0], files[1]
		if _, err := New(cfg, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v", files, err)
		}
	}
}

func TestReadyzSaysDrainingWhileEventsAreStillTaken(t *testing.T) {
	a, stop := start(t, func(c *Config) { c.DrainGrace = time.Second })
	readyz := func() (int, error) {
		response, err := http.Get("http://" + a.Addrs().Admin + "/readyz")
		if err != nil {
			return 0, err
		}
		return response.StatusCode, response.Body.Close()
	}
	if code, err := readyz(); code != http.StatusOK {
		t.Fatalf("ready: %d, %v", code, err)
	}
	stopped := make(chan struct{})
	go func() { defer close(stopped); stop() }()
	for {
		code, err := readyz()
		if err != nil {
			t.Fatal(errors.Join(err, errors.New("gone before it said that it is draining")))
		}
		if code == http.StatusServiceUnavailable {
			break
		}
	}
	response, err := http.Get("http://" + a.Addrs().HTTP + "/agents")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if text, _ := io.ReadAll(response.Body); !strings.Contains(string(text), `"draining":true`) {
		t.Errorf("the list says %s", text)
	}
	<-stopped
}
