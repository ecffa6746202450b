package ingest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/sync/semaphore"
)

// arrivalPatience is how long a message may take from its first byte to its last.
const arrivalPatience = 30 * time.Second

// boundArrivals is listener for a gRPC server that takes messages of up to largest bytes. grpc-go gathers one for
// every stream, before it asks anybody: this watches HTTP/2's frames as they pass, and what has come of messages
// that are not whole yet stays, over all connections, within the budget. A connection that would exceed it, or
// keeps a message open for too long, is cut off; clients send again. A message that comes in one piece, as those of
// SDKs do, needs nothing of the budget.
func boundArrivals(listener net.Listener, largest int, budget int64, refused func(reason string)) net.Listener {
	return &arrivalListener{Listener: listener, largest: largest, refused: refused,
		budget: semaphore.NewWeighted(max(budget, int64(largest)))}
}

type arrivalListener struct {
	net.Listener
	largest int
	budget  *semaphore.Weighted
	refused func(reason string)
}

// Accept implements net.Listener.
func (l *arrivalListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &arrivingConn{Conn: conn, limits: l, in: frames{skip: len(http2.ClientPreface)}, streams: map[uint32]*arrival{}}, nil
}

var errArrivals = errors.New("too many bytes of messages that are not whole")

// arrivingConn follows the streams of one connection.
type arrivingConn struct {
	net.Conn
	limits *arrivalListener

	mu      sync.Mutex // the server reads and writes at the same time
	in, out frames
	streams map[uint32]*arrival // that are open
	held    int64
	open    int // messages that have begun
	closed  bool
}

// arrival is the message that a stream is sending.
type arrival struct {
	head  [5]byte // of a gRPC message: whether it is compressed, and its length
	have  int     // of head
	left  int     // of the message
	held  int64   // of the budget
	since time.Time
}

// Read implements net.Conn.
func (c *arrivingConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			c.limits.refused("slow_message")
		}
		return n, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	open := c.open
	if err := c.in.feed(p[:n], c.received); err != nil {
		c.limits.refused("busy")
		return 0, fmt.Errorf("cut off %s: %w", c.RemoteAddr(), err)
	}
	if open > 0 || c.open > 0 {
		_ = c.SetReadDeadline(c.deadline()) // a connection that is closed says so at the next Read
	}
	return n, nil
}

// deadline is when the oldest message has to be whole; zero where there is none.
func (c *arrivingConn) deadline() (at time.Time) {
	if c.open == 0 {
		return at
	}
	for _, a := range c.streams {
		if a.have > 0 && (at.IsZero() || a.since.Before(at)) {
			at = a.since
		}
	}
	return at.Add(arrivalPatience)
}

// Write implements net.Conn.
func (c *arrivingConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	_ = c.out.feed(p, c.sent)
	c.mu.Unlock()
	return c.Conn.Write(p)
}

// Close implements net.Conn.
func (c *arrivingConn) Close() error {
	c.mu.Lock()
	c.closed = true
	for id := range c.streams {
		c.end(id)
	}
	c.mu.Unlock()
	return c.Conn.Close()
}

// received follows the client: streams open, bring bytes, end. mu is held.
func (c *arrivingConn) received(f *frames, part []byte, over bool) error {
	switch f.kind {
	case http2.FrameHeaders:
		if c.streams[f.stream] == nil && !c.closed {
			c.streams[f.stream] = &arrival{}
		}
	case http2.FrameData:
		if a := c.streams[f.stream]; a != nil {
			if err := c.gather(a, part); err != nil {
				return err
			}
		}
	case http2.FrameRSTStream:
		c.end(f.stream)
	}
	if over && f.flags.Has(http2.FlagDataEndStream) && (f.kind == http2.FrameData || f.kind == http2.FrameHeaders) {
		c.end(f.stream)
	}
	return nil
}

// sent follows the server: what it has ended, it no longer gathers. mu is held.
func (c *arrivingConn) sent(f *frames, _ []byte, over bool) error {
	if over && (f.kind == http2.FrameRSTStream || f.kind == http2.FrameHeaders && f.flags.Has(http2.FlagHeadersEndStream)) {
		c.end(f.stream)
	}
	return nil
}

// gather adds bytes to the stream's message, or to several.
func (c *arrivingConn) gather(a *arrival, part []byte) error {
	for len(part) > 0 {
		if a.have < len(a.head) {
			if a.have == 0 {
				a.since = time.Now()
				c.open++
			}
			n := copy(a.head[a.have:], part)
			a.have, part = a.have+n, part[n:]
			if a.have < len(a.head) {
				return nil
			}
			a.left = int(binary.BigEndian.Uint32(a.head[1:]))
			if a.left > c.limits.largest {
				a.left = c.limits.largest // the server refuses it and ends the stream
			}
		}
		n := min(len(part), a.left)
		if a.left -= n; a.left > 0 {
			if !c.limits.budget.TryAcquire(int64(n)) {
				return errArrivals
			}
			a.held += int64(n)
			c.held += int64(n)
			return nil
		}
		part = part[n:]
		c.whole(a)
	}
	return nil
}

// whole gives back what the message held: it is the server's now.
func (c *arrivingConn) whole(a *arrival) {
	if a.have > 0 {
		c.open--
	}
	c.limits.budget.Release(a.held)
	c.held -= a.held
	*a = arrival{}
}

func (c *arrivingConn) end(stream uint32) {
	if a := c.streams[stream]; a != nil {
		c.whole(a)
		delete(c.streams, stream)
	}
}

// frames finds HTTP/2's frames in the bytes of one direction, however they are cut.
type frames struct {
	skip   int // bytes before the first frame
	head   [9]byte
	have   int // of head
	left   int // of the payload
	pad    int // of it, at its end
	padded bool
	kind   http2.FrameType
	flags  http2.Flags
	stream uint32
}

// feed visits each frame, with the parts of its payload that are there, without padding; over marks the last.
func (f *frames) feed(data []byte, visit func(f *frames, part []byte, over bool) error) error {
	n := min(f.skip, len(data))
	f.skip -= n
	for data = data[n:]; len(data) > 0; {
		if f.have < len(f.head) {
			n := copy(f.head[f.have:], data)
			if f.have, data = f.have+n, data[n:]; f.have < len(f.head) {
				return nil
			}
			f.left = int(f.head[0])<<16 | int(f.head[1])<<8 | int(f.head[2])
			f.kind, f.flags = http2.FrameType(f.head[3]), http2.Flags(f.head[4])
			f.stream = binary.BigEndian.Uint32(f.head[5:]) & 0x7fffffff
			f.pad, f.padded = 0, f.kind == http2.FrameData && f.flags.Has(http2.FlagDataPadded) && f.left > 0
			if f.left > 0 && len(data) == 0 {
				return nil
			}
		}
		if f.padded {
			f.pad, f.padded = int(data[0]), false
			data = data[1:]
			f.left--
			f.pad = min(f.pad, f.left)
		}
		n := min(len(data), f.left)
		part := data[:min(n, max(0, f.left-f.pad))]
		data = data[n:]
		if f.left -= n; f.left == 0 {
			f.have = 0
		}
		if err := visit(f, part, f.left == 0); err != nil {
			return err
		}
	}
	return nil
}
