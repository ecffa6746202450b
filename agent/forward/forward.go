// Package forward empties the agent's queue into aggregators, at least once: a chunk of the queue is done only when
// an aggregator has acknowledged its frame, or when what no aggregator will ever take is set aside on disk.
package forward

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"connectrpc.com/connect"
	"github.com/cenkalti/backoff/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/quic-go/quic-go"

	"github.com/gosight/gosight/agent/queue"
	"github.com/gosight/gosight/internal/failpoint"
	"github.com/gosight/gosight/internal/fleet"
	"github.com/gosight/gosight/internal/registry"
	"github.com/gosight/gosight/proto/gen/gosight"
	"github.com/gosight/gosight/proto/gen/gosight/gosightconnect"
	"github.com/gosight/gosight/proto/wire"
)

// Forwarder sends a queue's chunks, several at a time, each to the aggregator that suits best.
type Forwarder struct {
	cfg     Config
	agentID string
	queue   *queue.Queue
	log     *slog.Logger
	m       metrics

	pool   *pool
	udp    *quic.Transport
	token  atomic.Pointer[string]
	spool  rejectedSpool
	frames sync.Pool
}

// New reads the credentials and opens the UDP socket; nothing is sent before Run.
func New(cfg Config, q *queue.Queue, agentID string, reg prometheus.Registerer, log *slog.Logger) (*Forwarder, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	conf, err := cfg.tlsConfig()
	if err != nil {
		return nil, fmt.Errorf("forward: %w", err)
	}
	token, err := cfg.readToken()
	if err != nil {
		return nil, fmt.Errorf("forward: %w", err)
	}
	if cfg.RejectedDir == "" {
		cfg.RejectedDir = filepath.Join(filepath.Dir(q.Dir()), "rejected")
	}
	f := &Forwarder{
		cfg: cfg, agentID: agentID, queue: q, log: log, m: newMetrics(reg),
		spool:  rejectedSpool{dir: cfg.RejectedDir},
		frames: sync.Pool{New: func() any { return new([]byte) }},
	}
	f.token.Store(&token)
	socket, err := net.ListenUDP("udp", nil)
	if err != nil {
		return nil, fmt.Errorf("forward: open a UDP socket: %w", err)
	}
	if err := errors.Join(socket.SetReadBuffer(udpBuffer), socket.SetWriteBuffer(udpBuffer)); err != nil {
		log.Warn("forward: UDP buffers stay small, HTTP/3 will be slower under load",
			"error", err, "remedy", "sysctl net.core.rmem_max=7500000 net.core.wmem_max=7500000")
	}
	f.udp = &quic.Transport{Conn: socket}
	f.pool = newPool(func(address string) *aggregator {
		link := newLink(address, cfg, conf, f.udp, f.m, log)
		pause := backoff.NewExponentialBackOff()
		pause.InitialInterval, pause.MaxInterval, pause.Multiplier = cfg.BackoffMin, cfg.BackoffMax, 2
		return &aggregator{address: address, link: link, backoff: pause,
			client: gosightconnect.NewRelayClient(link, "https://"+address,
				connect.WithCodec(wire.Codec{}),
				connect.WithAcceptCompression("gzip", nil, nil),
				connect.WithReadMaxBytes(registry.MaxSnapshotBytes+1<<10))}
	})
	f.pool.set(configured(cfg.Aggregators))
	return f, nil
}

const udpBuffer = 7 << 20

// Follow makes the configured aggregators and those among nodes the ones to send to. Frames in flight end where they
// are. Where nobody is left it keeps those it had: gossip may be cut off where frames are not.
func (f *Forwarder) Follow(nodes []fleet.Node) {
	targets := configured(f.cfg.Aggregators)
	for _, n := range nodes {
		if n.Role == fleet.Aggregator && n.Relay != "" {
			targets = append(targets, target{n.Relay, n.Load, n.Draining})
		}
	}
	if len(targets) > 0 {
		f.pool.set(targets)
	}
}

func configured(addresses []string) []target {
	targets := make([]target, len(addresses))
	for i, address := range addresses {
		targets[i].address = address
	}
	return targets
}

// Run forwards until ctx ends, then goes on for FlushTimeout at most, until the queue is empty. What is left stays
// in the queue.
func (f *Forwarder) Run(ctx context.Context) error {
	sending, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	context.AfterFunc(ctx, func() { time.AfterFunc(f.cfg.FlushTimeout, stop) })

	chunks := make(chan queue.Chunk)
	var workers sync.WaitGroup
	for range f.cfg.InFlight {
		workers.Go(func() {
			for chunk := range chunks {
				f.forward(sending, chunk)
			}
		})
	}
	err := f.read(ctx, sending, chunks)
	close(chunks)
	workers.Wait()
	f.pool.set(nil)
	f.udp.Close()
	f.udp.Conn.Close()
	return err
}

// read hands out chunks, events before replay. Once ctx has ended, Read returns what is there and no more.
func (f *Forwarder) read(ctx, sending context.Context, chunks chan<- queue.Chunk) error {
	var released error
	hand := func(chunk queue.Chunk) bool {
		select {
		case chunks <- chunk:
			return true
		case <-sending.Done():
			released = f.queue.Release(chunk)
			return false
		}
	}
	full := func(chunk queue.Chunk) bool { return chunk.Bytes >= f.cfg.FrameBytes/2 }
	var replay time.Time // when its next frame that is not full may go
	for {
		chunk, err := f.queue.Read(ctx, f.cfg.FrameBytes)
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, queue.ErrClosed) {
				return nil
			}
			return fmt.Errorf("forward: read queue: %w", err)
		}
		if !hand(chunk) {
			return released
		}
		if full(chunk) {
			continue
		}
		// While events gather for the next frame it is replay's turn, or events that never cease would starve it.
		gathered := time.Now().Add(f.cfg.Linger)
		for chunk.Lane == gosight.Lane_LANE_EVENTS || full(chunk) {
			if now := time.Now(); now.Before(replay) || now.After(gathered) {
				break
			}
			var some bool
			if chunk, some = f.queue.TryRead(gosight.Lane_LANE_REPLAY, f.cfg.FrameBytes); !some {
				break
			}
			if !hand(chunk) {
				return released
			}
			if !full(chunk) {
				replay = time.Now().Add(f.cfg.ReplayLinger)
			}
		}
		select {
		case <-time.After(time.Until(gathered)):
		case <-ctx.Done():
		}
	}
}

// forward is done with a chunk when all of it is delivered or set aside.
func (f *Forwarder) forward(ctx context.Context, chunk queue.Chunk) {
	f.m.inFlight.Inc()
	defer f.m.inFlight.Dec()
	err := errors.Join(failpoint.Hit("forward/send"), f.deliver(ctx, chunk.Values), failpoint.Hit("forward/sent"))
	if err == nil {
		if err = f.queue.Done(chunk); err == nil {
			_ = failpoint.Hit("forward/done")
			return
		}
	} else {
		err = errors.Join(err, f.queue.Release(chunk))
	}
	if ctx.Err() == nil {
		f.log.Error("forward: chunk is left in the queue", "values", len(chunk.Values), "error", err)
	}
}

// deliver sends values as one frame until an aggregator acknowledges it. Values that are refused for good are
// isolated by halving the frame, and set aside. An error means that ctx has ended.
func (f *Forwarder) deliver(ctx context.Context, values [][]byte) error {
	buf := f.frames.Get().(*[]byte)
	frame, err := wire.AppendFrame((*buf)[:0], values)
	if err != nil {
		return fmt.Errorf("pack frame: %w", err)
	}
	*buf = frame
	err = f.send(ctx, frame, values)
	f.frames.Put(buf) // connect has its own copy
	var refusal *permanentError
	if !errors.As(err, &refusal) {
		return err
	}
	if len(values) == 1 {
		return f.setAside(ctx, values[0], refusal)
	}
	half := len(values) / 2
	if err := f.deliver(ctx, values[:half]); err != nil {
		return err
	}
	return f.deliver(ctx, values[half:])
}

// permanentError is an aggregator's word that the same frame will never be taken.
type permanentError struct{ err error }

func (e *permanentError) Error() string { return e.err.Error() }
func (e *permanentError) Unwrap() error { return e.err }

// send tries one aggregator after the other, pausing as they fail, until one acknowledges the frame or refuses it
// for good.
func (f *Forwarder) send(ctx context.Context, frame []byte, values [][]byte) error {
	for {
		to, err := f.pool.acquire(ctx)
		if err != nil {
			return err
		}
		var settled *attempt
		for _, one := range f.attempt(ctx, to, frame, len(values)) {
			switch {
			case settled != nil: // it was given up: too slow, unless it was the second anyway
				f.pool.release(one.to, outcome{failed: one.to == to})
			case one.settled():
				settled = &one
				f.pool.release(one.to, f.outcomeOf(one))
			default:
				f.failed(ctx, one)
			}
		}
		switch {
		case settled == nil && ctx.Err() != nil:
			return fmt.Errorf("send frame: %w", ctx.Err())
		case settled == nil:
			continue
		case settled.refused():
			return &permanentError{settled.err}
		}
		f.m.acknowledged(settled.to.address, values, len(frame), settled.took)
		return nil
	}
}

// outcomeOf is of an attempt that is settled.
func (f *Forwarder) outcomeOf(one attempt) outcome {
	if one.err == nil && one.answer.Draining {
		return outcome{draining: f.cfg.DrainPause}
	}
	return outcome{}
}

// failed takes note of an attempt that has to be repeated.
func (f *Forwarder) failed(ctx context.Context, one attempt) {
	pause := f.pool.release(one.to, outcome{failed: true, retryAfter: retryAfter(one.err)})
	code := connect.CodeOf(one.err)
	f.m.retries.WithLabelValues(one.to.address, code.String()).Inc()
	if ctx.Err() != nil {
		return
	}
	if pause > 0 { // once for all frames that fail together
		f.log.Warn("forward: frames are not taken, trying again", "aggregator", one.to.address, "error", one.err,
			"pause", pause)
	}
	if code == connect.CodeUnauthenticated {
		f.reloadToken()
	}
}

func retryAfter(err error) time.Duration {
	var refusal *connect.Error
	if !errors.As(err, &refusal) {
		return 0
	}
	seconds, err := strconv.Atoi(refusal.Meta().Get("Retry-After"))
	if err != nil || seconds < 0 {
		return 0
	}
	return min(time.Duration(seconds)*time.Second, time.Minute)
}

// Registry asks an aggregator for the registry; have is the version that the agent has, and document is nil where
// that is the present one.
func (f *Forwarder) Registry(ctx context.Context, have string) (version string, document []byte, err error) {
	to, err := f.pool.acquire(ctx)
	if err != nil {
		return "", nil, err
	}
	defer f.pool.release(to, outcome{silent: true})
	req := connect.NewRequest(&gosight.RegistryRequest{AgentId: f.agentID, Version: have})
	f.authorize(req.Header())
	answer, err := to.client.Registry(ctx, req)
	if err != nil {
		return "", nil, fmt.Errorf("ask %s for the registry: %w", to.address, err)
	}
	return answer.Msg.Version, answer.Msg.Snapshot, nil
}

func (f *Forwarder) authorize(header http.Header) {
	if token := *f.token.Load(); token != "" {
		header.Set("Authorization", "Bearer "+token)
	}
}

func (f *Forwarder) reloadToken() {
	token, err := f.cfg.readToken()
	if err != nil {
		f.log.Error("forward: token", "error", err)
		return
	}
	f.token.Store(&token)
}

// setAside keeps a value that no aggregator takes where people can find it. Only then is it out of the queue.
func (f *Forwarder) setAside(ctx context.Context, value []byte, refusal error) error {
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = f.cfg.BackoffMin, f.cfg.BackoffMax
	for {
		path, err := f.spool.keep(value)
		if err == nil {
			f.m.rejected.WithLabelValues(connect.CodeOf(refusal).String()).Inc()
			f.log.Error("forward: batch refused for good and set aside", "file", path, "bytes", len(value),
				"reason", refusal)
			return nil
		}
		f.log.Error("forward: set a refused batch aside, trying again", "error", err)
		select {
		case <-time.After(pause.NextBackOff()):
		case <-ctx.Done():
			return fmt.Errorf("set a refused batch aside: %w", ctx.Err())
		}
	}
}
