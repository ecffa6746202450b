package gosight

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

const (
	// measureTime is how long the first call waits to know which agent is the nearest.
	measureTime = time.Second
	// patience is how long a call goes unanswered before its agent is asked whether it is well, and how long that
	// answer may take. It doubles with every agent that is left for this, up to Config.Timeout: where the way out is
	// full of what we send, no agent answers sooner.
	patience = 150 * time.Millisecond
	// lookInterval is how often a nearer agent that was left is asked whether it is well again; twice well is well.
	lookInterval = 5 * time.Second
	// listInterval is how often Config.Discover is asked.
	listInterval = time.Minute
	listBytes    = 1 << 20
	// nearer is by how much another agent must be nearer to be worth a change.
	nearer = 1.25
)

// nearest is the way to the agents: each call goes to the nearest that is well. It implements grpc.ClientConnInterface.
// With one agent it is that agent's connection and nothing more.
type nearest struct {
	cfg  Config
	dial func(addr string) (*grpc.ClientConn, error)
	log  *slog.Logger
	stop context.CancelFunc
	done chan struct{}

	measured chan struct{} // closed when the nearest is known, or nobody answered in time

	mu       sync.Mutex
	agents   []*agent // at least one
	use      *agent
	patience time.Duration
}

// agent is one of several. All but the first two fields are guarded by nearest.mu.
type agent struct {
	addr string
	conn *grpc.ClientConn

	away    bool          // it did not answer; calls go elsewhere if they can
	well    int           // answers in a row since then
	rtt     time.Duration // the shortest, for one may be delayed by anything; 0: not known
	calls   context.Context
	abandon context.CancelCauseFunc // ends the calls that are under way
}

func (a *agent) took(rtt time.Duration) {
	if a.rtt == 0 || rtt < a.rtt {
		a.rtt = rtt
	}
}

// errAway ends calls to an agent that does not answer any more.
var errAway = status.Error(codes.Unavailable, "the agent does not answer")

func newNearest(cfg Config, dial func(addr string) (*grpc.ClientConn, error), log *slog.Logger) (*nearest, error) {
	n := &nearest{cfg: cfg, dial: dial, log: log, done: make(chan struct{}), measured: make(chan struct{}), patience: patience}
	for _, addr := range cfg.addrs() {
		if err := n.add(addr); err != nil {
			return nil, errors.Join(err, n.disconnect())
		}
	}
	n.use = n.agents[0]
	ctx, stop := context.WithCancel(context.Background())
	n.stop = stop
	if len(n.agents) == 1 && cfg.Discover == "" {
		close(n.measured)
		close(n.done)
		return n, nil
	}
	go n.run(ctx)
	return n, nil
}

// addrs are the agents that are configured: without Agents it is the one at Addr.
func (c *Config) addrs() []string {
	if len(c.Agents) > 0 {
		return c.Agents
	}
	return []string{c.Addr}
}

func (n *nearest) add(addr string) error {
	conn, err := n.dial(addr)
	if err != nil {
		return fmt.Errorf("gosight: connect to %s: %w", addr, err)
	}
	a := &agent{addr: addr, conn: conn}
	a.calls, a.abandon = context.WithCancelCause(context.Background())
	n.mu.Lock()
	n.agents = append(n.agents, a)
	n.mu.Unlock()
	return nil
}

func (n *nearest) close() error {
	n.stop()
	<-n.done
	return n.disconnect()
}

func (n *nearest) disconnect() error {
	var errs []error
	for _, a := range n.agents {
		a.abandon(ErrClosed)
		errs = append(errs, a.conn.Close())
	}
	return errors.Join(errs...)
}

// Invoke implements grpc.ClientConnInterface.
func (n *nearest) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	a, ctx, end, err := n.begin(ctx)
	if err != nil {
		return err
	}
	return end(a.conn.Invoke(ctx, method, args, reply, opts...))
}

// NewStream implements grpc.ClientConnInterface, for streams that end with their one answer.
func (n *nearest) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	a, ctx, end, err := n.begin(ctx)
	if err != nil {
		return nil, err
	}
	stream, err := a.conn.NewStream(ctx, desc, method, opts...)
	if err != nil {
		return nil, end(err)
	}
	return &watched{ClientStream: stream, end: end}, nil
}

type watched struct {
	grpc.ClientStream
	end func(error) error
}

func (w *watched) RecvMsg(m any) error { return w.end(w.ClientStream.RecvMsg(m)) }

// begin chooses the agent of a call. end makes what the call came to into what the caller is told.
func (n *nearest) begin(ctx context.Context) (a *agent, calling context.Context, end func(error) error, err error) {
	select {
	case <-n.measured:
	case <-ctx.Done():
		return nil, nil, nil, status.FromContextError(ctx.Err()).Err()
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	a = n.use
	if len(n.agents) == 1 {
		return a, ctx, func(err error) error { return err }, nil
	}
	calling, cancel := context.WithCancelCause(ctx)
	calls := a.calls
	unlink := context.AfterFunc(calls, func() { cancel(context.Cause(calls)) })
	watching, unwatch := context.WithCancel(calling)
	go n.watch(watching, a)
	return a, calling, func(err error) error {
		unwatch()
		unlink()
		cause := context.Cause(calling)
		cancel(nil)
		switch {
		case err == nil:
			n.answered()
		case errors.Is(cause, errAway):
			return errAway
		case status.Code(err) == codes.Unavailable:
			n.leave(a, err)
		}
		return err
	}, nil
}

func (n *nearest) answered() {
	n.mu.Lock()
	n.patience = patience
	n.mu.Unlock()
}

// watch asks the agent whether it is well for as long as a call to it goes unanswered.
func (n *nearest) watch(ctx context.Context, a *agent) {
	for {
		n.mu.Lock()
		patient := max(n.patience, 3*a.rtt)
		n.mu.Unlock()
		timer := time.NewTimer(patient)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		if _, err := n.ask(ctx, a, patient); err != nil && ctx.Err() == nil {
			n.leave(a, err)
			return
		}
	}
}

// ask returns how long the agent took to say that it is well.
func (n *nearest) ask(ctx context.Context, a *agent, patient time.Duration) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, patient)
	defer cancel()
	began := time.Now()
	answer, err := grpc_health_v1.NewHealthClient(a.conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{})
	if err == nil && answer.Status != grpc_health_v1.HealthCheckResponse_SERVING {
		err = status.Error(codes.Unavailable, "the agent is going away")
	}
	return time.Since(began), err
}

// leave ends all calls to an agent that is not well, and goes to the nearest of the others; where none is known to be
// well, they take turns.
func (n *nearest) leave(a *agent, why error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	a.well, a.away = 0, true
	if n.use != a {
		return
	}
	others := slices.DeleteFunc(slices.Clone(n.agents), func(b *agent) bool { return b == a })
	n.use = slices.MinFunc(others, before)
	n.use.away = false
	n.patience = min(2*n.patience, n.cfg.Timeout)
	a.abandon(errAway)
	a.calls, a.abandon = context.WithCancelCause(context.Background())
	n.log.Warn("gosight: agent left", "agent", a.addr, "for", n.use.addr, "error", why)
}

// before orders agents: those that are well, then those whose distance is known, then the nearest.
func before(a, b *agent) int {
	rank := func(a *agent) int {
		switch {
		case a.away:
			return 2
		case a.rtt == 0:
			return 1
		}
		return 0
	}
	return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.rtt, b.rtt))
}

// run measures, and from then on looks for better agents than the one in use.
func (n *nearest) run(ctx context.Context) {
	defer close(n.done)
	n.discover(ctx)
	n.measure(ctx)
	look, list := time.NewTicker(lookInterval), time.NewTicker(listInterval)
	defer look.Stop()
	defer list.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-list.C:
			n.discover(ctx)
		case <-look.C:
			n.look(ctx)
		}
	}
}

// measure asks all agents twice at the same time, the first time to connect. The first to be done is the nearest.
func (n *nearest) measure(ctx context.Context) {
	var asking sync.WaitGroup
	first := sync.OnceFunc(func() { close(n.measured) })
	defer first()
	timer := time.AfterFunc(measureTime, first)
	defer timer.Stop()
	for _, a := range n.known() {
		asking.Go(func() {
			if _, err := n.ask(ctx, a, measureTime); err != nil {
				return
			}
			rtt, err := n.ask(ctx, a, measureTime)
			if err != nil {
				return
			}
			n.mu.Lock()
			if a.took(rtt); n.use.rtt == 0 || rtt < n.use.rtt {
				n.use = a
			}
			n.mu.Unlock()
			first()
		})
	}
	asking.Wait()
}

func (n *nearest) known() []*agent {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.agents)
}

// look asks the agents that may be better than the one in use.
func (n *nearest) look(ctx context.Context) {
	var asking sync.WaitGroup
	for _, a := range n.known() {
		n.mu.Lock()
		worth := a != n.use && (a.rtt == 0 || n.use.rtt == 0 || float64(a.rtt)*nearer < float64(n.use.rtt))
		n.mu.Unlock()
		if !worth {
			continue
		}
		asking.Go(func() {
			rtt, err := n.ask(ctx, a, measureTime)
			n.mu.Lock()
			defer n.mu.Unlock()
			if err != nil {
				a.well = 0
				return
			}
			if a.well++; a.well < 2 {
				return
			}
			a.away = false
			a.took(rtt) // of the first answer, connecting was a part
			if n.use.rtt == 0 || float64(a.rtt)*nearer < float64(n.use.rtt) {
				n.use = a
				n.log.Info("gosight: a nearer agent is well", "agent", a.addr, "away", a.rtt)
			}
		})
	}
	asking.Wait()
}

// discover adds the agents that another agent knows. Those that are gone stay, and are not used while they are away.
func (n *nearest) discover(ctx context.Context) {
	if n.cfg.Discover == "" {
		return
	}
	addrs, err := n.list(ctx)
	if err != nil {
		n.log.Warn("gosight: list of agents", "url", n.cfg.Discover, "error", err)
		return
	}
	known := n.known()
	for _, addr := range addrs {
		if slices.ContainsFunc(known, func(a *agent) bool { return a.addr == addr }) {
			continue
		}
		if err := n.add(addr); err != nil {
			n.log.Warn("gosight: agent of the list", "error", err)
		}
	}
}

func (n *nearest) list(ctx context.Context) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, measureTime)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, n.cfg.Discover, nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, errors.New(response.Status)
	}
	var list struct {
		Agents []struct {
			GRPC     string `json:"grpc"`
			Draining bool   `json:"draining"`
		} `json:"agents"`
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, listBytes)).Decode(&list); err != nil {
		return nil, fmt.Errorf("decode: %w", err)
	}
	var addrs []string
	for _, a := range list.Agents {
		if a.GRPC != "" && !a.Draining {
			addrs = append(addrs, a.GRPC)
		}
	}
	return addrs, nil
}
