package forward

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect"
	"github.com/cenkalti/backoff/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/gosight/gosight/agent/queue"
	"github.com/gosight/gosight/proto/wire"
)

func TestChoose(t *testing.T) {
	now := time.Unix(1000, 0)
	for name, test := range map[string]struct {
		members []*aggregator
		want    string
		wait    time.Duration
	}{
		"none": {nil, "", time.Minute},
		"fewest in flight": {[]*aggregator{
			{address: "a", inFlight: 2}, {address: "b", inFlight: 1}, {address: "c", inFlight: 3},
		}, "b", time.Minute},
		"not one that failed": {[]*aggregator{
			{address: "a", notUntil: now.Add(time.Second)}, {address: "b", inFlight: 9},
		}, "b", time.Second},
		"draining only without another": {[]*aggregator{
			{address: "a", drained: now.Add(time.Second)}, {address: "b", inFlight: 9},
		}, "b", time.Minute},
		"draining rather than none": {[]*aggregator{
			{address: "a", drained: now.Add(time.Second)}, {address: "b", notUntil: now.Add(time.Second)},
		}, "a", time.Second},
		"the one with more free": {[]*aggregator{
			{address: "a", inFlight: 1, target: target{load: 90}}, {address: "b", inFlight: 4, target: target{load: 30}},
		}, "b", time.Minute},
		"one that the fleet says is leaving": {[]*aggregator{
			{address: "a", target: target{draining: true}}, {address: "b", inFlight: 9, target: target{load: 100}},
		}, "b", time.Minute},
		"wait for the first": {[]*aggregator{
			{address: "a", notUntil: now.Add(3 * time.Second)}, {address: "b", notUntil: now.Add(2 * time.Second)},
		}, "", 2 * time.Second},
		"back again": {[]*aggregator{
			{address: "a", notUntil: now, drained: now}, {address: "b", inFlight: 1},
		}, "a", time.Minute},
	} {
		best, wait := choose(test.members, now)
		got := ""
		if best != nil {
			got = best.address
		}
		if got != test.want || wait != test.wait {
			t.Errorf("%s: %q, wait %s; want %q, %s", name, got, wait, test.want, test.wait)
		}
	}
}

func TestEqualsShareTheLoad(t *testing.T) {
	members := []*aggregator{{address: "a"}, {address: "b"}, {address: "c"}}
	chosen := map[string]int{}
	for range 3000 {
		best, _ := choose(members, time.Unix(1000, 0))
		chosen[best.address]++
	}
	for _, member := range members {
		if n := chosen[member.address]; n < 800 || n > 1200 {
			t.Errorf("%s was chosen %d times of 3000", member.address, n)
		}
	}
}

func testPool(addresses ...string) *pool {
	p := newPool(func(address string) *aggregator {
		pause := backoff.NewExponentialBackOff()
		pause.InitialInterval, pause.RandomizationFactor, pause.Multiplier = time.Second, 0, 2
		return &aggregator{address: address, backoff: pause, link: newLink(address, Default(), &tls.Config{}, nil, metrics{}, nil)}
	})
	p.set(configured(addresses))
	return p
}

func TestPauseGrowsAndEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := testPool("a:1")
		acquire := func() (*aggregator, time.Duration) {
			t.Helper()
			began := time.Now()
			a, err := p.acquire(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return a, time.Since(began)
		}
		for _, want := range []time.Duration{0, time.Second, 2 * time.Second, 4 * time.Second} {
			a, waited := acquire()
			if waited != want {
				t.Errorf("waited %s, want %s", waited, want)
			}
			p.release(a, outcome{failed: true})
		}
		a, _ := acquire()
		b, waited := acquire()
		if waited != 0 {
			t.Errorf("a second frame waited %s", waited)
		}
		p.release(a, outcome{failed: true, retryAfter: time.Minute})
		p.release(b, outcome{failed: true}) // the same failure
		if a, waited = acquire(); waited != time.Minute {
			t.Errorf("waited %s, asked for a minute", waited)
		}
		p.release(a, outcome{})
		a, _ = acquire()
		p.release(a, outcome{failed: true})
		if _, waited = acquire(); waited != time.Second {
			t.Errorf("waited %s after a success in between", waited)
		}
	})
}

func TestNewMemberEndsTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := testPool("a:1")
		a, err := p.acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		p.release(a, outcome{failed: true, retryAfter: time.Hour})
		got := make(chan string)
		go func() {
			b, err := p.acquire(t.Context())
			if err != nil {
				t.Error(err)
			}
			got <- b.address
		}()
		synctest.Wait()
		p.set(configured([]string{"a:1", "b:1"}))
		if address := <-got; address != "b:1" {
			t.Errorf("acquired %s", address)
		}
		p.set(configured([]string{"b:1"}))
		if !a.gone {
			t.Error("a member that is no longer there is kept")
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		p.set(nil)
		if _, err := p.acquire(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("acquire from nobody: %v", err)
		}
	})
}

func TestRetryAfter(t *testing.T) {
	for header, want := range map[string]time.Duration{
		"": 0, "3": 3 * time.Second, "-1": 0, "soon": 0, "99999": time.Minute,
	} {
		err := connect.NewError(connect.CodeUnavailable, errors.New("busy"))
		err.Meta().Set("Retry-After", header)
		if got := retryAfter(err); got != want {
			t.Errorf("%q: %s, want %s", header, got, want)
		}
	}
	if got := retryAfter(errors.New("no answer")); got != 0 {
		t.Errorf("without an answer: %s", got)
	}
}

func TestRejectedBatchCanBeSentAgain(t *testing.T) {
	spool := rejectedSpool{dir: filepath.Join(t.TempDir(), "rejected")}
	path, err := spool.keep([]byte("the batch"))
	if err != nil {
		t.Fatal(err)
	}
	frame, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	values, err := wire.DecodeFrame(frame, wire.DefaultLimits())
	if err != nil || len(values) != 1 || string(values[0]) != "the batch" {
		t.Fatalf("%q, %v", values, err)
	}
	blocked := rejectedSpool{dir: filepath.Join(path, "not a directory")}
	if _, err := blocked.keep([]byte("x")); err == nil {
		t.Error("kept below a file")
	}
}

func TestValidate(t *testing.T) {
	if err := Default().Validate(); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*Config){
		"missing port": func(c *Config) { c.Aggregators = []string{"host"} },
		"not both":     func(c *Config) { c.Token, c.TokenFile = "a", "b" },
		"in-flight":    func(c *Config) { c.InFlight = 0 },
		"backoff-min":  func(c *Config) { c.BackoffMax = 0 },
	} {
		bad := Default()
		change(&bad)
		if err := bad.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestCredentialsThatAreMissing(t *testing.T) {
	cfg := queue.Default()
	cfg.Dir = filepath.Join(t.TempDir(), "queue")
	q, err := queue.Open(cfg, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	missing := filepath.Join(t.TempDir(), "missing")
	for name, change := range map[string]func(*Config){
		"CA":          func(c *Config) { c.CAFile = missing },
		"certificate": func(c *Config) { c.CertFile, c.KeyFile = missing, missing },
		"token":       func(c *Config) { c.TokenFile = missing },
	} {
		cfg := Default()
		change(&cfg)
		_, err := New(cfg, q, "agent-1", prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
