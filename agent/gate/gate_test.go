package gate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gosight/gosight/internal/registry"
)

var (
	visitor  = netip.MustParseAddr("203.0.113.7")
	loopback = netip.MustParseAddr("::ffff:127.0.0.1")
)

func open(t testing.TB, change func(*Parts)) *Gate {
	t.Helper()
	parts := Parts{
		Config: Default(), Keys: map[string]string{"gs_configured": "shop"}, Now: time.Now,
		Registerer: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&parts)
	}
	g, err := New(parts)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// centre answers as an aggregator does.
func centre(s *registry.Snapshot) Fetch {
	return func(_ context.Context, have string) (string, []byte, error) {
		version, document, err := s.Encode()
		if have == version {
			document = nil
		}
		return version, document, err
	}
}

func TestWhoMayWrite(t *testing.T) {
	now := time.Now()
	g := open(t, func(p *Parts) { p.AnonymousLoopback = true; p.Keys["gs_old"] = "shop" })
	must(t, g.poll(t.Context(), centre(&registry.Snapshot{
		Projects: []registry.Project{{ID: "site", AllowedOrigins: []string{"https://site.example"}}},
		Keys: []registry.Key{
			{ID: "1", Project: "site", Sum: registry.SumOf("gs_site")},
			{ID: "2", Project: "site", Sum: registry.SumOf("gs_gone"), RevokedAt: now.Add(-time.Second).UnixMilli()},
			{ID: "3", Project: "site", Sum: registry.SumOf("gs_rotated"), RevokedAt: now.Add(time.Hour).UnixMilli()},
			{ID: "4", Project: "shop", Sum: registry.SumOf("gs_old"), RevokedAt: now.Add(-time.Second).UnixMilli()},
		},
	})))
	for _, tc := range []struct {
		key, origin string
		peer        netip.Addr
		project     string
		err         error
	}{
		{"gs_configured", "https://any.example", visitor, "shop", nil},
		{"gs_site", "https://site.example", visitor, "site", nil},
		{"gs_site", "", visitor, "site", nil},
		{"gs_site", "https://evil.example", visitor, "", ErrOrigin},
		{"gs_gone", "https://site.example", visitor, "", ErrRevokedKey},
		{"gs_rotated", "https://site.example", visitor, "site", nil},
		{"gs_old", "", visitor, "", ErrRevokedKey},
		{"gs_unheard", "", visitor, "", ErrUnknownKey},
		{"", "", visitor, "", ErrNoKey},
		{"", "", loopback, AnonymousProject, nil},
	} {
		project, err := g.Project(tc.key, tc.origin, tc.peer)
		if project != tc.project || !errors.Is(err, tc.err) {
			t.Errorf("%q from %q: %q, %v; want %q, %v", tc.key, tc.origin, project, err, tc.project, tc.err)
		}
	}
}

// A revoked key is refused within ten seconds; while the centre is away, and after a restart, what is known stands.
func TestFollowsTheCentreAndDoesWithoutIt(t *testing.T) {
	cache := filepath.Join(t.TempDir(), "registry.json")
	synctest.Test(t, func(t *testing.T) {
		var now atomic.Pointer[registry.Snapshot] // nil: the centre is away
		now.Store(&registry.Snapshot{Keys: []registry.Key{{ID: "1", Project: "site", Sum: registry.SumOf("gs_site")}}})
		fetch := func(ctx context.Context, have string) (string, []byte, error) {
			snapshot := now.Load()
			if snapshot == nil {
				return "", nil, errors.New("no aggregator answers")
			}
			return centre(snapshot)(ctx, have)
		}
		ctx, stop := context.WithCancel(t.Context())
		g := open(t, func(p *Parts) { p.CacheFile = cache })
		go g.Follow(ctx, fetch)
		synctest.Wait()
		if _, err := g.Project("gs_site", "", visitor); err != nil {
			t.Fatal(err)
		}
		now.Store(&registry.Snapshot{Keys: []registry.Key{{ID: "1", Project: "site", Sum: registry.SumOf("gs_site"), RevokedAt: 1}}})
		changed := time.Now()
		for {
			if _, err := g.Project("gs_site", "", visitor); errors.Is(err, ErrRevokedKey) {
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
		if took := time.Since(changed); took > 10*time.Second {
			t.Errorf("refused after %s", took)
		}
		now.Store(&registry.Snapshot{Keys: []registry.Key{{ID: "2", Project: "site", Sum: registry.SumOf("gs_next")}}})
		time.Sleep(5 * time.Second)
		now.Store(nil)
		time.Sleep(time.Minute)
		if _, err := g.Project("gs_next", "", visitor); err != nil {
			t.Errorf("with the centre away: %v", err)
		}
		stop()
		synctest.Wait()
	})
	again := open(t, func(p *Parts) { p.CacheFile = cache })
	if _, err := again.Project("gs_next", "", visitor); err != nil {
		t.Errorf("after a restart: %v", err)
	}
	must(t, os.WriteFile(cache, []byte("{damaged"), 0o600))
	damaged := open(t, func(p *Parts) { p.CacheFile = cache })
	if _, err := damaged.Project("gs_configured", "", visitor); err != nil {
		t.Errorf("with a damaged cache: %v", err)
	}
}

func TestLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := open(t, func(p *Parts) {
			p.Address, p.AddressBurst, p.Session, p.SessionBurst = 100, 1000, 10, 50
		})
		must(t, g.poll(t.Context(), centre(&registry.Snapshot{Projects: []registry.Project{{ID: "shop", EventsPerSecond: 50, Burst: 500}}})))
		limited := func(err error, by string, after time.Duration) {
			t.Helper()
			var early *LimitError
			if !errors.As(err, &early) || early.By != by || early.RetryAfter != after {
				t.Fatalf("%v, want %s after %s", err, by, after)
			}
		}
		must(t, g.Take("shop", "k1", loopback.Unmap(), 500))
		limited(g.Take("shop", "k1", loopback.Unmap(), 100), "key", 2*time.Second)
		limited(g.Take("shop", "k1", loopback.Unmap(), 100), "key", 2*time.Second) // asking costs nothing
		must(t, g.Take("shop", "k2", loopback.Unmap(), 500))                       // another key is not held back
		must(t, g.Take("site", "k3", loopback.Unmap(), 1_000_000))                 // nor a project without a limit
		time.Sleep(2 * time.Second)
		must(t, g.Take("shop", "k1", loopback.Unmap(), 100))

		must(t, g.Take("site", "k3", visitor, 5000)) // larger than the bucket: needs a full one
		limited(g.Take("site", "k3", visitor, 100), "address", time.Second)
		limited(g.Take("site", "k3", visitor, 1_000_000), "address", 10*time.Second)
		must(t, g.Take("site", "k3", netip.MustParseAddr("203.0.113.8"), 100))

		must(t, g.TakeSession("site", "s1", 50))
		limited(g.TakeSession("site", "s1", 1), "session", 100*time.Millisecond)
		must(t, g.TakeSession("shop", "s1", 1))
	})
}

// What a batch costs, whatever its size: the key's sum, and three buckets.
func BenchmarkBatch(b *testing.B) {
	g := open(b, func(p *Parts) { p.Address, p.AddressBurst, p.Session, p.SessionBurst = 1<<30, 1<<30, 1<<30, 1<<30 })
	s := &registry.Snapshot{}
	for i := range 1000 {
		s.Projects = append(s.Projects, registry.Project{ID: fmt.Sprint("p", i), EventsPerSecond: 1 << 30, Burst: 1 << 30})
		s.Keys = append(s.Keys, registry.Key{ID: fmt.Sprint(i), Project: fmt.Sprint("p", i), Sum: registry.SumOf(fmt.Sprint("gs_", i))})
	}
	must(b, g.poll(b.Context(), centre(s)))
	b.ReportAllocs()
	for b.Loop() {
		project, err := g.Project("gs_500", "", visitor)
		must(b, err)
		must(b, g.Take(project, "gs_500", visitor, 100))
		must(b, g.TakeSession(project, "s", 100))
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
