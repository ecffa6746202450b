package load

import (
	"context"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// Wire counts what connections carry, in bytes above TCP.
type Wire struct{ Sent, Received atomic.Int64 }

// Dial opens a counted TCP connection.
func (w *Wire) Dial(ctx context.Context, addr string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return &countedConn{Conn: conn, wire: w}, nil
}

// HTTPClient keeps up to connections open.
func (w *Wire) HTTPClient(connections int) *http.Client {
	return &http.Client{Timeout: time.Minute, Transport: &http.Transport{
		DialContext:         func(ctx context.Context, _, addr string) (net.Conn, error) { return w.Dial(ctx, addr) },
		MaxIdleConnsPerHost: connections, MaxConnsPerHost: connections,
	}}
}

type countedConn struct {
	net.Conn
	wire *Wire
}

func (c *countedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.wire.Received.Add(int64(n))
	return n, err
}

func (c *countedConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.wire.Sent.Add(int64(n))
	return n, err
}
