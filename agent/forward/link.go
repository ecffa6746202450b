package forward

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// link is the way to one aggregator: HTTP/3 where UDP gets through, HTTP/2 otherwise. The race is between the
// handshakes, not between requests: a frame is not sent twice to find out. Safe for concurrent use.
type link struct {
	address string
	cfg     Config
	tls     *tls.Config
	udp     *quic.Transport
	http3   *http3.Transport
	http2   *http.Transport
	m       metrics
	log     *slog.Logger

	mu      sync.Mutex
	conn    *http3.ClientConn // nil: none
	dialing chan struct{}     // closed when the present attempt is over; nil: no attempt
	next    time.Time         // when HTTP/3 may be tried again
	blocked bool              // the last attempt failed: nobody waits for the next one
	retry   *time.Timer       // starts that one; nil: the first is still to come, and a request starts it
	closed  bool
}

func newLink(address string, cfg Config, conf *tls.Config, udp *quic.Transport, m metrics, log *slog.Logger) *link {
	conf = conf.Clone()
	if host, _, err := net.SplitHostPort(address); err == nil && conf.ServerName == "" {
		conf.ServerName = host
	}
	return &link{
		address: address, cfg: cfg, tls: overQUIC(conf), udp: udp, m: m, log: log,
		http3: &http3.Transport{DisableCompression: true, Logger: slog.New(slog.DiscardHandler)},
		http2: &http.Transport{
			TLSClientConfig:     conf.Clone(), // which net/http changes at its first use
			ForceAttemptHTTP2:   true,
			DisableCompression:  true,
			TLSHandshakeTimeout: 3 * time.Second,
			DialContext:         (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
			IdleConnTimeout:     90 * time.Second,
			// A connection whose other end is gone without a word must not cost a whole request timeout.
			HTTP2: &http.HTTP2Config{
				SendPingTimeout: time.Second, PingTimeout: 2 * time.Second, WriteByteTimeout: 3 * time.Second,
			},
		},
	}
}

func overQUIC(conf *tls.Config) *tls.Config {
	conf = conf.Clone()
	conf.NextProtos = []string{http3.NextProtoH3}
	return conf
}

// Do implements connect.HTTPClient.
func (l *link) Do(req *http.Request) (*http.Response, error) {
	if conn := l.quicConn(req.Context()); conn != nil {
		l.m.requests.WithLabelValues(l.address, "http3").Inc()
		return conn.RoundTrip(req)
	}
	l.m.requests.WithLabelValues(l.address, "http2").Inc()
	return l.http2.RoundTrip(req)
}

// quicConn returns a living HTTP/3 connection, or nil where HTTP/2 is to be used. The first attempt gets TCPAfter to
// come up; later ones go on beside the requests.
func (l *link) quicConn(ctx context.Context) *http3.ClientConn {
	if !l.cfg.QUIC {
		return nil
	}
	l.mu.Lock()
	if l.conn != nil && l.conn.Context().Err() == nil {
		defer l.mu.Unlock()
		return l.conn
	}
	if l.conn != nil {
		// It was good and is gone: the aggregator is restarting, or UDP is blocked now. Frames have waited
		// long enough for us to notice.
		l.conn, l.blocked = nil, true
		l.m.http3.WithLabelValues(l.address).Set(0)
		l.dialLater()
	}
	if l.dialing == nil && l.retry == nil {
		l.dialNow()
	}
	dialing, wait := l.dialing, !l.blocked
	l.mu.Unlock()
	if dialing == nil || !wait {
		return nil
	}
	timer := time.NewTimer(l.cfg.TCPAfter)
	defer timer.Stop()
	select {
	case <-dialing:
	case <-timer.C:
		l.mu.Lock()
		l.blocked = l.conn == nil
		l.mu.Unlock()
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.conn
}

// dialNow starts an attempt. mu is held.
func (l *link) dialNow() {
	if l.conn == nil && l.dialing == nil && !l.closed {
		l.dialing = make(chan struct{})
		go l.dial(l.dialing)
	}
}

// dialLater starts an attempt when one may be made again, whether frames come this way by then or not: an aggregator
// that is busier than the others is chosen seldom, and would stay on HTTP/2. mu is held.
func (l *link) dialLater() {
	l.retry = time.AfterFunc(time.Until(l.next), func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.dialNow()
	})
}

// dial makes one attempt at a connection. It may outlast TCPAfter on a long way: requests change over then.
func (l *link) dial(over chan struct{}) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	conn, err := l.handshake(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dialing, l.conn, l.blocked = nil, conn, err != nil
	// Also after success: should this connection die at once, then HTTP/2 has its turn.
	l.next = time.Now().Add(l.cfg.QUICRetry)
	if l.closed {
		l.hangUp()
	} else if err != nil {
		l.dialLater()
		l.m.quicFailed.WithLabelValues(l.address).Inc()
		l.log.Info("forward: no HTTP/3, using HTTP/2", "aggregator", l.address, "error", err,
			"again_in", l.cfg.QUICRetry)
	} else {
		l.m.http3.WithLabelValues(l.address).Set(1)
	}
	close(over)
}

func (l *link) handshake(ctx context.Context) (*http3.ClientConn, error) {
	addr, err := resolve(ctx, l.address)
	if err != nil {
		return nil, err
	}
	// Dial, not DialEarly: 0-RTT can be replayed.
	conn, err := l.udp.Dial(ctx, addr, l.tls, &quic.Config{
		HandshakeIdleTimeout:       5 * time.Second,
		MaxIdleTimeout:             l.cfg.QUICIdle,
		KeepAlivePeriod:            l.cfg.QUICIdle / 3,
		InitialStreamReceiveWindow: 64 << 10, // answers are small
	})
	if err != nil {
		return nil, fmt.Errorf("dial HTTP/3: %w", err)
	}
	return l.http3.NewClientConn(conn), nil
}

func resolve(ctx context.Context, address string) (*net.UDPAddr, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("resolve: %w", err)
	}
	number, err := net.DefaultResolver.LookupPort(ctx, "udp", port)
	if err != nil {
		return nil, fmt.Errorf("resolve: %w", err)
	}
	addrs, err := net.DefaultResolver.LookupIPAddr(ctx, host)
	if err != nil {
		return nil, fmt.Errorf("resolve: %w", err)
	}
	return &net.UDPAddr{IP: addrs[0].IP, Port: number, Zone: addrs[0].Zone}, nil
}

func (l *link) close() {
	l.http2.CloseIdleConnections()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	if l.retry != nil {
		l.retry.Stop()
	}
	l.hangUp()
}

// hangUp ends the HTTP/3 connection, if there is one. mu is held.
func (l *link) hangUp() {
	if l.conn != nil {
		l.conn.CloseWithError(0, "")
		l.m.http3.WithLabelValues(l.address).Set(0)
	}
}
