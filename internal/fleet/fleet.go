// Package fleet lets agents and aggregators find each other by gossip: who is alive, in which region, at which
// address, and how busy. A fleet without a gossip address knows its own node only, which is all that a program by
// itself needs; so nobody has to ask whether there is gossip.
package fleet

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"
	"github.com/prometheus/client_golang/prometheus"
)

const (
	// What a node says of itself is looked at this often, and told when it changed.
	selfInterval = time.Second
	// A replaced key file is noticed within this time.
	keyInterval = 10 * time.Second
	// Time for a goodbye to reach somebody.
	leaveTimeout = time.Second
)

// Fleet is one node's view of the fleet. It is safe for concurrent use.
type Fleet struct {
	cfg    Config
	self   func() Node
	log    *slog.Logger
	m      metrics
	gossip *memberlist.Memberlist // nil: no gossip
	keys   *keyring               // nil: plain gossip on loopback
	lookup func(ctx context.Context, host string) ([]net.IPAddr, error)

	changed chan struct{} // one place: something changed since the followers were told
	follow  []func([]Node)

	name string // this node's, in gossip
	addr string // where it gossips

	// The library calls the delegate with its own lock held: nothing of the library is called under this one.
	mu     sync.Mutex
	told   Node // what the others know of us
	others map[string]other
}

// other is a live member that is not this node, by its name.
type other struct {
	node Node
	at   string // its gossip address
}

// New binds the gossip port. self says what others are told of this node, whenever it is asked; its id and role must
// stay. Give the port back with Run.
func New(cfg Config, self func() Node, reg prometheus.Registerer, log *slog.Logger) (*Fleet, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	f := &Fleet{
		cfg: cfg, self: self, log: log, m: newMetrics(reg), told: self(), others: map[string]other{},
		lookup: net.DefaultResolver.LookupIPAddr, changed: make(chan struct{}, 1),
	}
	if _, err := f.told.encode(); err != nil {
		return nil, fmt.Errorf("fleet: %w", err)
	}
	if cfg.Addr == "" {
		f.count()
		return f, nil
	}
	if err := f.listen(); err != nil {
		return nil, fmt.Errorf("fleet: gossip on %s (--fleet-addr sets another): %w", cfg.Addr, err)
	}
	return f, nil
}

func (f *Fleet) listen() error {
	conf, err := f.cfg.gossip()
	if err != nil {
		return err
	}
	f.name = f.told.name()
	conf.Name = f.name
	d := delegate{f}
	conf.Delegate, conf.Events, conf.Alive = d, d, d
	conf.Logger = log.New(gossipLog{f.m.refused, f.log}, "", 0)
	if f.keys, err = openKeys(f.cfg); err != nil {
		return err
	}
	if f.keys != nil {
		conf.Keyring = f.keys.ring
	}
	if f.gossip, err = memberlist.Create(conf); err != nil {
		return err
	}
	f.addr = f.gossip.LocalNode().Address()
	return nil
}

// Addr is where this node gossips, as host:port; empty without gossip.
func (f *Fleet) Addr() string { return f.addr }

// Nodes are the live members, this node among them, by name.
func (f *Fleet) Nodes() []Node {
	nodes := []Node{f.self()}
	f.mu.Lock()
	for _, o := range f.others {
		nodes = append(nodes, o.node)
	}
	f.mu.Unlock()
	slices.SortFunc(nodes, func(a, b Node) int { return strings.Compare(a.name(), b.name()) })
	return nodes
}

// Follow calls fn from Run, with the live members: at first, and when they have changed. Call it before Run.
func (f *Fleet) Follow(fn func([]Node)) { f.follow = append(f.follow, fn) }

// Run gossips until ctx ends, then says goodbye.
func (f *Fleet) Run(ctx context.Context) error {
	if f.gossip != nil {
		defer f.leave()
	}
	var beside sync.WaitGroup
	defer beside.Wait()
	if f.keys != nil {
		beside.Go(func() { f.keys.files.Watch(ctx, keyInterval, f.m.reloadFailed.Inc, f.log) })
	}
	if f.gossip != nil {
		beside.Go(func() { f.rejoin(ctx) })
	}
	beside.Go(func() { f.tell(ctx) })
	f.notify()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-f.changed:
			f.notify()
		}
	}
}

func (f *Fleet) tell(ctx context.Context) {
	look := time.NewTicker(selfInterval)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
			f.Tell()
		}
	}
}

func (f *Fleet) notify() {
	f.count()
	nodes := f.Nodes()
	for _, fn := range f.follow {
		fn(nodes)
	}
}

func (f *Fleet) count() {
	alive := map[Role]int{Agent: 0, Aggregator: 0}
	for _, node := range f.Nodes() {
		alive[node.Role]++
	}
	for role, n := range alive {
		f.m.members.WithLabelValues(string(role)).Set(float64(n))
	}
}

// Tell tells the others what has changed of this node. Run does so every second; who must not be sent to any more
// says so at once.
func (f *Fleet) Tell() {
	if f.gossip == nil {
		return
	}
	now := f.self()
	f.mu.Lock()
	was, _ := f.told.encode()
	is, err := now.encode()
	if err == nil {
		f.told = now
	}
	f.mu.Unlock()
	switch {
	case err != nil:
		f.log.Error("fleet: tell of this node", "error", err)
	case string(was) != string(is):
		if err := f.gossip.UpdateNode(leaveTimeout); err != nil {
			f.log.Debug("fleet: tell of this node", "error", err)
		}
	}
}

func (f *Fleet) leave() {
	if err := f.gossip.Leave(leaveTimeout); err != nil {
		f.log.Debug("fleet: leave", "error", err)
	}
	if err := f.gossip.Shutdown(); err != nil {
		f.log.Warn("fleet: close the gossip port", "error", err)
	}
}

// Close gives the port back where Run was never called.
func (f *Fleet) Close() error {
	if f.gossip == nil {
		return nil
	}
	return f.gossip.Shutdown()
}

// rejoin asks the seeds that are not members: at first until one answers, later to heal a fleet that fell apart.
func (f *Fleet) rejoin(ctx context.Context) {
	soon := 250 * time.Millisecond
	for {
		missing, err := f.missing(ctx)
		if err != nil {
			f.log.Warn("fleet: resolve members to join", "error", err)
		}
		joined := 0
		if len(missing) > 0 && ctx.Err() == nil {
			if joined, err = f.gossip.Join(missing); err != nil {
				f.log.Info("fleet: members do not answer", "members", missing, "error", err)
			}
		}
		pause := f.cfg.Rejoin
		if joined == 0 && len(missing) > 0 && len(f.Nodes()) == 1 {
			// Alone: the others are starting, perhaps.
			pause, soon = min(soon, pause), 2*soon
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// missing are the seeds' addresses, resolved anew, at which no live member is.
func (f *Fleet) missing(ctx context.Context) ([]string, error) {
	here := []string{f.addr}
	f.mu.Lock()
	for _, o := range f.others {
		here = append(here, o.at)
	}
	f.mu.Unlock()
	var missing []string
	var errs []error
	for _, seed := range f.cfg.Join {
		host, number, err := net.SplitHostPort(seed)
		if err != nil {
			host, number = strings.Trim(seed, "[]"), port
		}
		addrs, err := f.lookup(ctx, host)
		if err != nil {
			errs = append(errs, err)
		}
		for _, addr := range addrs {
			if at := net.JoinHostPort(addr.String(), number); !slices.Contains(here, at) {
				missing = append(missing, at)
			}
		}
	}
	return missing, errors.Join(errs...)
}

// delegate is what gossip asks and tells.
type delegate struct{ *Fleet }

// NodeMeta implements memberlist.Delegate.
func (d delegate) NodeMeta(int) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	meta, _ := d.told.encode() // it was encoded before it was told
	return meta
}

// NotifyAlive implements memberlist.AliveDelegate: it refuses nodes that we would not understand.
func (d delegate) NotifyAlive(node *memberlist.Node) error {
	if _, err := decodeNode(node.Name, node.Meta); err != nil {
		return fmt.Errorf("%s: %w", badMeta, err)
	}
	return nil
}

// NotifyJoin implements memberlist.EventDelegate.
func (d delegate) NotifyJoin(node *memberlist.Node) {
	d.log.Info("fleet: member joined", "member", node.Name, "at", node.Address())
	d.note(node)
}

// NotifyUpdate implements memberlist.EventDelegate.
func (d delegate) NotifyUpdate(node *memberlist.Node) { d.note(node) }

func (d delegate) note(node *memberlist.Node) {
	said, err := decodeNode(node.Name, node.Meta)
	if err != nil || node.Name == d.name {
		return // who cannot be understood was refused
	}
	if port, ok := strings.CutPrefix(said.Relay, ":"); ok {
		said.Relay = net.JoinHostPort(node.Addr.String(), port)
	}
	d.mu.Lock()
	d.others[node.Name] = other{said, node.Address()}
	d.mu.Unlock()
	d.change()
}

// NotifyLeave implements memberlist.EventDelegate.
func (d delegate) NotifyLeave(node *memberlist.Node) {
	d.log.Info("fleet: member left or died", "member", node.Name, "at", node.Address())
	d.mu.Lock()
	delete(d.others, node.Name)
	d.mu.Unlock()
	d.change()
}

func (d delegate) change() {
	select {
	case d.changed <- struct{}{}:
	default:
	}
}

// NotifyMsg implements memberlist.Delegate: there are no messages but what nodes say of themselves.
func (delegate) NotifyMsg([]byte) {}

// GetBroadcasts implements memberlist.Delegate.
func (delegate) GetBroadcasts(int, int) [][]byte { return nil }

// LocalState implements memberlist.Delegate.
func (delegate) LocalState(bool) []byte { return nil }

// MergeRemoteState implements memberlist.Delegate.
func (delegate) MergeRemoteState([]byte, bool) {}
