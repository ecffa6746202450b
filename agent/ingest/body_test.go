package ingest

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"connectrpc.com/connect"
	"golang.org/x/sync/semaphore"

	"github.com/gosight/gosight/internal/alloctest"
	"github.com/gosight/gosight/proto/gen/gosight"
	"github.com/gosight/gosight/proto/gen/gosight/gosightconnect"
	"github.com/gosight/gosight/proto/wire"
)

func deflated(t testing.TB, size int) []byte {
	t.Helper()
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write(make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}

func TestBodiesAreBoundedOneByOneAndTogether(t *testing.T) {
	whole := deflated(t, 1000)
	for name, c := range map[string]struct {
		body   []byte
		gzip   bool
		limit  int64 // 0: 1,000
		taken  int64 // of the budget, by others
		reason string
		delay  string
	}{
		"plain":        {body: make([]byte, 1000)},
		"compressed":   {body: whole, gzip: true},
		"too large":    {body: make([]byte, 1001), reason: "body_too_large"},
		"bomb":         {body: deflated(t, 100<<20), gzip: true, reason: "body_too_large"},
		"large bomb":   {body: deflated(t, 100<<20), gzip: true, limit: 20 << 20, reason: "bomb"},
		"not gzip":     {body: []byte("nonsense"), gzip: true, reason: "body_broken"},
		"torn":         {body: whole[:len(whole)-9], gzip: true, reason: "body_broken"},
		"others first": {body: make([]byte, 600), taken: 1500, reason: "busy", delay: "1"},
	} {
		t.Run(name, func(t *testing.T) {
			limit := max(c.limit, 1000)
			budget := &Budget{semaphore.NewWeighted(2 * limit)}
			budget.TryAcquire(c.taken)
			said, read, err := "", 0, error(nil)
			handler := bodies(limit, budget, func(reason string) { said += reason },
				http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					var body []byte
					body, err = io.ReadAll(r.Body)
					read = len(body)
				}))
			r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(c.body))
			if c.gzip {
				r.Header.Set("Content-Encoding", "gzip")
			}
			handler.ServeHTTP(httptest.NewRecorder(), r)
			if said != c.reason || (err != nil) != (c.reason != "") || int64(read) > min(limit, 2<<20) {
				t.Fatalf("%d bytes read, refused %q, error %v", read, said, err)
			}
			if refusal := new(connect.Error); err != nil && (!errors.As(err, &refusal) ||
				refusal.Meta().Get("Retry-After") != c.delay) {
				t.Errorf("the client is told %v", err)
			}
			if !budget.TryAcquire(2*limit - c.taken) {
				t.Error("something is kept of the budget")
			}
		})
	}
}

// A body that says that it is too large is believed.
func TestNothingIsReadOfABodyThatIsTooLarge(t *testing.T) {
	said := ""
	handler := bodies(1000, &Budget{semaphore.NewWeighted(2000)}, func(reason string) { said += reason },
		http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { io.ReadAll(r.Body) }))
	from := bytes.NewReader(make([]byte, 1001))
	handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/", from))
	if said != "body_too_large" || from.Len() != 1001 {
		t.Errorf("refused %q after %d bytes", said, 1001-from.Len())
	}
}

// answering is an Ingestor that takes everything, so that only the way to it is measured.
type answering struct {
	gosightconnect.UnimplementedIngestorHandler
}

func (answering) SendBatch(context.Context, *connect.Request[gosight.EventBatch]) (*connect.Response[gosight.Status], error) {
	return connect.NewResponse(&gosight.Status{}), nil
}

// Whatever a body holds and says that it is, reading it neither panics nor takes more memory than a message may: as it
// came, in a buffer that grows, and decoded.
func FuzzBody(f *testing.F) {
	const limit = 1 << 20
	_, ingestor := gosightconnect.NewIngestorHandler(answering{}, connect.WithReadMaxBytes(limit),
		connect.WithCodec(wire.Codec{MaxDecoded: limit}), connect.WithCodec(wire.JSON{MaxDecoded: limit}))
	handler := bodies(limit, &Budget{semaphore.NewWeighted(2 * limit)}, func(string) {}, ingestor)

	batch, err := (&gosight.EventBatch{SessionId: "s", Events: []*gosight.Event{{EventType: "click", Payload: `{"x":1}`}, {}}}).MarshalVT()
	if err != nil {
		f.Fatal(err)
	}
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, err = w.Write(batch)
	if err := errors.Join(err, w.Close()); err != nil {
		f.Fatal(err)
	}
	f.Add(batch, false, false, uint16(1))
	f.Add(packed.Bytes(), true, false, uint16(1))
	f.Add(deflated(f, 4<<20), true, false, uint16(1))
	f.Add([]byte("\x22\x00"), false, false, uint16(60_000))
	f.Add([]byte(`{"sessionId":"s","events":[{"eventType":"click","metadata":{"a":"b"}}]}`), false, true, uint16(1))
	f.Add([]byte(`{"events":[{}`), false, true, uint16(1))
	f.Fuzz(func(t *testing.T, body []byte, compressed, asJSON bool, times uint16) {
		body = bytes.Repeat(body, min(1+int(times), 1+2*limit/(len(body)+1)))
		r := httptest.NewRequest(http.MethodPost, "/gosight.Ingestor/SendBatch", bytes.NewReader(body))
		r.Header.Set("Content-Type", "application/proto")
		if asJSON {
			r.Header.Set("Content-Type", "application/json")
		}
		if compressed {
			r.Header.Set("Content-Encoding", "gzip")
		}
		answer := httptest.NewRecorder()
		if taken := alloctest.Bytes(func() { handler.ServeHTTP(answer, r) }); taken > alloctest.Growth*4*limit+1<<20 {
			t.Errorf("a body of %d bytes took %d", len(body), taken)
		}
		if answer.Code >= 500 && answer.Code != http.StatusNotImplemented { // which is what connect says to nothing at all
			t.Errorf("the answer is %d %s", answer.Code, answer.Body)
		}
	})
}
