package fleet

import (
	"context"
	"encoding/base64"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// key returns a gossip key that is made of one letter.
func key(letter string) string {
	return base64.StdEncoding.EncodeToString([]byte(strings.Repeat(letter, 32)))
}

// member is a fleet's node in a test: what it says of itself can be changed.
type member struct {
	*Fleet
	stop func()

	mu   sync.Mutex
	says Node
}

func (m *member) say(change func(*Node)) {
	m.mu.Lock()
	change(&m.says)
	m.mu.Unlock()
	m.Tell()
}

// start runs a node on loopback with the key "a", as change has it.
func start(t *testing.T, says Node, change func(*Config), join ...string) *member {
	t.Helper()
	cfg := Default()
	cfg.Addr, cfg.Keys, cfg.Join, cfg.Rejoin = "127.0.0.1:0", []string{key("a")}, join, 500*time.Millisecond
	if change != nil {
		change(&cfg)
	}
	m := &member{says: says}
	self := func() Node {
		m.mu.Lock()
		defer m.mu.Unlock()
		return m.says
	}
	var err error
	if m.Fleet, err = New(cfg, self, prometheus.NewRegistry(), slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	m.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(m.stop)
	return m
}

func (m *member) names() string {
	var names []string
	for _, n := range m.Nodes() {
		names = append(names, n.name())
	}
	return strings.Join(names, " ")
}

// eventually waits for what gossip brings about in its own time.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

func TestNodesFindEachOtherAndSayWhatChanges(t *testing.T) {
	centre := start(t, Node{ID: "one", Role: Aggregator, Region: "eu", Relay: ":7720"}, nil)
	edge := start(t, Node{ID: "one", Role: Agent, Region: "eu", URL: "https://eu.example.com"}, nil, centre.Addr())
	other := start(t, Node{ID: "two", Role: Agent, Region: "us"}, nil, edge.Addr())

	all := "agent/one agent/two aggregator/one"
	for _, m := range []*member{centre, edge, other} {
		eventually(t, "all three know each other", func() bool { return m.names() == all })
	}
	got := other.Nodes()
	want := []Node{
		{ID: "one", Role: Agent, Region: "eu", URL: "https://eu.example.com"}, {ID: "two", Role: Agent, Region: "us"},
		{ID: "one", Role: Aggregator, Region: "eu", Relay: "127.0.0.1:7720"},
	}
	if !slices.Equal(got, want) {
		t.Errorf("agent two knows\n%+v, want\n%+v", got, want)
	}
	centre.say(func(n *Node) { n.Draining, n.Load = true, 57 })
	eventually(t, "the agents hear that the aggregator drains", func() bool {
		n := edge.Nodes()[2]
		return n.Draining && n.Load == 50
	})
	eventually(t, "counted by role", func() bool {
		return testutil.ToFloat64(other.m.members.WithLabelValues("agent")) == 2 &&
			testutil.ToFloat64(other.m.members.WithLabelValues("aggregator")) == 1
	})
	centre.stop()
	eventually(t, "who says goodbye is gone", func() bool { return edge.names() == "agent/one agent/two" })
}

func TestFollowersAreToldAtFirstAndOfEveryChange(t *testing.T) {
	edge := start(t, Node{ID: "edge", Role: Agent}, nil)
	told := make(chan int, 100)
	var cfg Config
	alone, err := New(cfg, func() Node { return Node{ID: "x", Role: Agent} }, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	alone.Follow(func(nodes []Node) { told <- len(nodes) })
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- alone.Run(ctx) }()
	if n := <-told; n != 1 {
		t.Errorf("a fleet of one has %d members", n)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}

	cfg = Default()
	cfg.Addr, cfg.Keys, cfg.Join = "127.0.0.1:0", []string{key("a")}, []string{edge.Addr()}
	pair, err := New(cfg, func() Node { return Node{ID: "y", Role: Agent} }, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	pair.Follow(func(nodes []Node) { told <- len(nodes) })
	ctx, cancel = context.WithCancel(t.Context())
	go func() { ended <- pair.Run(ctx) }()
	for n := range told {
		if n == 2 {
			break
		}
	}
	edge.stop()
	for n := range told {
		if n == 1 {
			break
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestStrangersAreRefusedAndCounted(t *testing.T) {
	for name, test := range map[string]struct {
		reason  string
		fleet   func(*Config)
		strange func(*Config)
	}{
		"no key":          {reason: "key", strange: func(c *Config) { c.Keys = nil }},
		"another key":     {reason: "key", strange: func(c *Config) { c.Keys = []string{key("b")} }},
		"another fleet":   {reason: "label", strange: func(c *Config) { c.Label = "staging" }},
		"another network": {reason: "network", fleet: func(c *Config) { c.Networks = []string{"10.0.0.0/8", "127.0.0.1/32"} }, strange: func(c *Config) { c.Addr = "127.0.0.9:0" }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ours := start(t, Node{ID: "ours", Role: Aggregator}, test.fleet)
			rogue := start(t, Node{ID: "rogue", Role: Aggregator, Relay: ":1"}, test.strange, ours.Addr())
			eventually(t, "the refusal is counted", func() bool {
				return testutil.ToFloat64(ours.m.refused.WithLabelValues(test.reason)) > 0
			})
			if got := ours.names(); got != "aggregator/ours" {
				t.Errorf("the fleet has %s", got)
			}
			if name != "another network" && rogue.names() != "aggregator/rogue" {
				t.Errorf("the stranger learned of %s", rogue.names())
			}
		})
	}
}

func TestANameIsTakenOnce(t *testing.T) {
	first := start(t, Node{ID: "edge", Role: Agent, Region: "eu"}, nil)
	centre := start(t, Node{ID: "centre", Role: Aggregator}, nil, first.Addr())
	eventually(t, "both are there", func() bool { return len(centre.Nodes()) == 2 })
	start(t, Node{ID: "edge", Role: Agent, Region: "us"}, nil, centre.Addr())
	eventually(t, "the second is refused", func() bool {
		return testutil.ToFloat64(centre.m.refused.WithLabelValues("name_taken")) > 0
	})
	if got := centre.Nodes()[0].Region; got != "eu" {
		t.Errorf("the name is now the one's in %s", got)
	}
}

// The whole of a rotation: the new key is accepted everywhere, then used everywhere, then the old one is dropped. In
// the middle of it the fleet falls apart, as after a partition, and becomes one again.
func TestKeysAreRotatedAndASplitFleetHeals(t *testing.T) {
	dir := t.TempDir()
	files := []string{filepath.Join(dir, "a"), filepath.Join(dir, "b")}
	write := func(i int, keys ...string) {
		t.Helper()
		if err := os.WriteFile(files[i], []byte(strings.Join(keys, "\n")), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(0, key("a"))
	write(1, key("a"))
	withFile := func(i int) func(*Config) { return func(c *Config) { c.Keys, c.KeyFile = nil, files[i] } }
	first := start(t, Node{ID: "first", Role: Aggregator}, withFile(0))
	second := start(t, Node{ID: "second", Role: Agent}, withFile(1), first.Addr())
	both := func() bool { return len(first.Nodes()) == 2 && len(second.Nodes()) == 2 }
	eventually(t, "they meet", both)

	change := func(i int, m *member, keys ...string) {
		t.Helper()
		write(i, keys...)
		if err := m.keys.load(); err != nil {
			t.Fatal(err)
		}
	}
	change(0, first, key("a"), key("b"))
	change(1, second, key("b"), key("a"))
	second.say(func(n *Node) { n.Region = "moved" })
	eventually(t, "gossip under the new key is understood", func() bool { return first.Nodes()[0].Region == "moved" })

	change(0, first, key("c")) // a mistake, which cuts it off
	eventually(t, "the fleet falls apart", func() bool { return len(first.Nodes()) == 1 && len(second.Nodes()) == 1 })
	change(0, first, key("b"))
	change(1, second, key("b"))
	eventually(t, "the fleet is one again", both)

	write(0, "not a key")
	if err := first.keys.load(); err == nil || !strings.Contains(err.Error(), "openssl") {
		t.Errorf("a bad key file: %v", err)
	}
}

func TestNamesAreResolvedAtEveryRejoin(t *testing.T) {
	late := start(t, Node{ID: "late", Role: Aggregator}, nil)
	host, number, _ := net.SplitHostPort(late.Addr())
	cfg := Default()
	cfg.Addr, cfg.Keys = "127.0.0.1:0", []string{key("a")}
	cfg.Join, cfg.Rejoin = []string{"fleet.internal:" + number, "127.0.0.1"}, 50*time.Millisecond
	early, err := New(cfg, func() Node { return Node{ID: "early", Role: Agent} }, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	lookups := 0
	early.lookup = func(_ context.Context, name string) ([]net.IPAddr, error) {
		if lookups++; name != "fleet.internal" || lookups < 6 {
			return nil, errors.New("no such host yet")
		}
		return []net.IPAddr{{IP: net.ParseIP(host)}}, nil
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- early.Run(ctx) }()
	eventually(t, "the name is there at last", func() bool { return len(late.Nodes()) == 2 })
	missing, err := early.missing(ctx)
	if len(missing) != 0 || err == nil {
		t.Errorf("still missing %v, %v", missing, err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
