package receive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"

	"connectrpc.com/connect"

	"github.com/gosight/gosight/internal/failpoint"
	"github.com/gosight/gosight/proto/gen/gosight"
	"github.com/gosight/gosight/proto/wire"
)

// A ForwardRequest is its frame, the agent's id and some tags.
const frameOverhead = 1 << 10

// admit decides on a request before any of its body is read: who sends it, whether there is memory for it, and
// how long its body may take.
func (s *Server) admit(next http.Handler) http.Handler {
	refuse := connect.NewErrorWriter()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reject := func(reason string, code connect.Code, err error) {
			s.m.refused(reason)
			answer := connect.NewError(code, err)
			if code == connect.CodeUnavailable {
				answer.Meta().Set("Retry-After", retryAfter(s.cfg.RetryAfter))
			}
			// Nothing reads the body, so the connection is told not to wait for it.
			if err := refuse.Write(w, r, answer); err != nil {
				s.log.Debug("receive: answer a refused request", "error", err)
			}
		}
		if _, err := s.keys.authenticate(r); err != nil {
			reject("unauthenticated", connect.CodeUnauthenticated, err)
			return
		}
		if _, refusing := s.draining(time.Now()); refusing {
			reject("draining", connect.CodeUnavailable, errors.New("this aggregator is shutting down"))
			return
		}
		limit := int64(s.cfg.MaxFrameBytes + frameOverhead)
		if r.ContentLength > limit {
			reject("frame_too_large", connect.CodeInvalidArgument,
				fmt.Errorf("frame of %d bytes, limit %d", r.ContentLength, s.cfg.MaxFrameBytes))
			return
		}
		body := r.ContentLength
		if body < 0 {
			body = limit
		}
		cost := s.cfg.requestCost(body)
		if !s.memory.TryAcquire(cost) {
			reject("busy", connect.CodeUnavailable, errors.New("too many bytes in flight"))
			return
		}
		defer s.memory.Release(cost)
		defer s.m.enter(r, cost)()
		if err := http.NewResponseController(w).SetReadDeadline(time.Now().Add(s.cfg.BodyTimeout)); err != nil {
			s.log.Debug("receive: set a deadline for the body", "error", err)
		}
		// connect would read an endless body to its end.
		r.Body = &countedBody{ReadCloser: http.MaxBytesReader(w, r.Body, limit), refused: s.m.refused}
		next.ServeHTTP(w, r)
	})
}

// countedBody counts a body that did not come as it should.
type countedBody struct {
	io.ReadCloser
	refused func(reason string)
	failed  bool
}

func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == nil || errors.Is(err, io.EOF) || b.failed {
		return n, err
	}
	b.failed = true
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		b.refused("frame_too_large")
	case errors.Is(err, os.ErrDeadlineExceeded):
		b.refused("body_timeout")
	default:
		b.refused("body_broken")
	}
	return n, err
}

func retryAfter(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}

// relay implements gosightconnect.RelayHandler.
type relay struct{ *Server }

// Forward answers once the producer has all of the frame. InvalidArgument means that the same frame will never be
// taken; every other error asks for another try.
func (s relay) Forward(ctx context.Context, req *connect.Request[gosight.ForwardRequest]) (
	*connect.Response[gosight.ForwardResponse], error,
) {
	records, err := s.decode(req.Msg.Frame)
	if err != nil {
		s.log.Warn("receive: frame refused", "agent", req.Msg.AgentId, "peer", req.Peer().Addr, "error", err)
		return nil, connect.NewError(connect.CodeInvalidArgument, err)
	}
	taken := uint32(len(records)) // those that are dropped are done with, too
	records = s.dropErased(records)
	ctx, cancel := context.WithTimeout(ctx, s.cfg.ProduceTimeout)
	defer cancel()
	began := time.Now()
	dead, err := s.produce(ctx, records)
	if err != nil {
		s.m.refused("produce")
		s.log.Warn("receive: produce", "agent", req.Msg.AgentId, "batches", len(records), "error", err)
		refusal := connect.NewError(connect.CodeUnavailable, fmt.Errorf("produce: %w", err))
		refusal.Meta().Set("Retry-After", retryAfter(s.cfg.RetryAfter))
		return nil, refusal
	}
	s.m.took(records, len(req.Msg.Frame), dead, time.Since(began))
	draining, _ := s.draining(time.Now())
	return connect.NewResponse(&gosight.ForwardResponse{
		Batches: taken, DeadLettered: uint32(dead), Draining: draining,
	}), nil
}

// Registry hands an agent what it needs to know of projects, keys and erasures, where that is not what it has.
func (s relay) Registry(_ context.Context, req *connect.Request[gosight.RegistryRequest]) (
	*connect.Response[gosight.RegistryResponse], error,
) {
	version, document, ok := s.registry.Snapshot()
	if !ok {
		return nil, connect.NewError(connect.CodeUnavailable, errors.New("the registry was not read yet"))
	}
	if version == req.Msg.Version {
		document = nil
	}
	return connect.NewResponse(&gosight.RegistryResponse{Version: version, Snapshot: document}), nil
}

// dropErased leaves out what an agent still had of those who are erased.
func (s relay) dropErased(records []Record) []Record {
	if !s.registry.AnyErased() {
		return records
	}
	kept := records[:0]
	for _, record := range records {
		project, session, _ := bytes.Cut(record.Key, []byte{'/'})
		if s.registry.Erased(string(project), string(record.user), string(session)) {
			s.m.erased.Inc()
			continue
		}
		kept = append(kept, record)
	}
	return kept
}

func (s relay) produce(ctx context.Context, records []Record) (deadLettered int, err error) {
	if err := failpoint.Hit("receive/produce"); err != nil {
		return 0, err
	}
	deadLettered, err = s.producer.Produce(ctx, records)
	return deadLettered, errors.Join(err, failpoint.Hit("receive/answer"))
}

func (s relay) decode(frame []byte) ([]Record, error) {
	batches, err := wire.DecodeFrame(frame, wire.Limits{MaxRaw: s.cfg.MaxRawBytes, MaxRecords: s.cfg.MaxRecords})
	if err != nil {
		reason := "frame_corrupt"
		if errors.Is(err, wire.ErrTooLarge) {
			reason = "frame_too_large"
		}
		s.m.refused(reason)
		return nil, fmt.Errorf("decode frame: %w", err)
	}
	records := make([]Record, len(batches))
	for i, batch := range batches {
		if records[i], err = newRecord(batch); err != nil {
			s.m.refused("batch_corrupt")
			return nil, fmt.Errorf("decode batch %d of %d: %w", i, len(batches), err)
		}
	}
	return records, nil
}
