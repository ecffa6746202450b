package ingest

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"

	"golang.org/x/sync/semaphore"
	"google.golang.org/grpc/tap"
)

// LimitConnections is listener without the connections that are too many: of one client, or of all together. They
// are closed as soon as they are accepted, which a client sees as a reset and backs off from. Proxies that are
// trusted are many clients, and have no limit of their own.
func LimitConnections(listener net.Listener, cfg Server, p *Pipeline) (net.Listener, error) {
	limits, err := newLimiter(cfg, p)
	if err != nil {
		return nil, err
	}
	return &limitedListener{listener, limits}, nil
}

type limitedListener struct {
	net.Listener
	*limiter
}

// limiter counts the connections of one port.
type limiter struct {
	ofClient, ofAll int
	proxies         networkList
	refused         func(reason string)

	mu   sync.Mutex
	open map[netip.Addr]int
	all  int
}

func newLimiter(cfg Server, p *Pipeline) (*limiter, error) {
	proxies, err := networks(cfg.TrustedProxies)
	if err != nil {
		return nil, err
	}
	return &limiter{
		ofClient: cfg.MaxClientConnections, ofAll: cfg.MaxConnections, proxies: proxies,
		refused: p.metrics.refused, open: map[netip.Addr]int{},
	}, nil
}

// Accept implements net.Listener.
func (l *limitedListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		client := peerAddr(conn.RemoteAddr().String())
		if reason := l.admit(client); reason != "" {
			l.refused(reason)
			_ = conn.Close() // it is not wanted, however it closes
			continue
		}
		return &countedConn{Conn: conn, gone: sync.OnceFunc(func() { l.leave(client) })}, nil
	}
}

func (l *limiter) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all
}

func (l *limiter) admit(client netip.Addr) (refusal string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.all >= l.ofAll:
		return "connections"
	case l.open[client] >= l.ofClient && !l.proxies.contain(client):
		return "client_connections"
	}
	l.all++
	l.open[client]++
	return ""
}

func (l *limiter) leave(client netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all--
	if l.open[client]--; l.open[client] == 0 {
		delete(l.open, client)
	}
}

type countedConn struct {
	net.Conn
	gone func()
}

// Close implements net.Conn.
func (c *countedConn) Close() error {
	defer c.gone()
	return c.Conn.Close()
}

var errCalls = errors.New("too many requests and streams at once: come again later")

// limitCalls refuses calls over the limit before anything is kept for them.
func limitCalls(limit int64, refused func(reason string)) tap.ServerInHandle {
	calls := semaphore.NewWeighted(limit)
	return func(ctx context.Context, _ *tap.Info) (context.Context, error) {
		if !calls.TryAcquire(1) {
			refused("calls")
			return nil, retryLater(errCalls, busyDelay)
		}
		context.AfterFunc(ctx, func() { calls.Release(1) }) // it ends with the call, however that ends
		return ctx, nil
	}
}
