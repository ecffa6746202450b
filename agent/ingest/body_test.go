package ingest

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"connectrpc.com/connect"
	"golang.org/x/sync/semaphore"

	"github.com/gosight/gosight/internal/alloctest"
	"github.com/gosight/gosight/proto/gen/gosight"
	"github.com/gosight/gosight/proto/gen/gosight/gosightconnect"
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

// named is a batch that takes size bytes, all of them its session's name.
func named(t testing.TB, size int) []byte {
	t.Helper()
	batch := &gosight.EventBatch{SessionId: strings.Repeat("s", size)}
	batch.SessionId = batch.SessionId[:2*size-batch.SizeVT()]
	data, err := batch.MarshalVT()
	if err != nil || len(data) != size {
		t.Fatal(len(data), err)
	}
	return data
}

func TestBodiesAreBoundedOneByOneAndTogether(t *testing.T) {
	const size = 200_000
	whole := zip(t, named(t, size))
	lying := func(by int) []byte {
		packed := slices.Clone(whole)
		binary.LittleEndian.PutUint32(packed[len(packed)-4:], uint32(size+by))
		return packed
	}
	sized := func(announced int64) *int64 { return &announced }
	for name, c := range map[string]struct {
		body   []byte
		length *int64 // nil: as long as it is
		gzip   bool
		limit  int64 // 0: 240,000
		taken  int64 // of the budget, by others
		reason string
		delay  string
	}{
		"plain":                 {body: named(t, size)},
		"compressed":            {body: whole, gzip: true},
		"of unknown length":     {body: named(t, 60_000), length: sized(-1)},
		"too large":             {body: named(t, 240_001), reason: "body_too_large"},
		"too large to step to":  {body: named(t, 220_000), reason: "body_too_large"},
		"unknown and too large": {body: named(t, size), length: sized(-1), reason: "body_too_large"},
		"shorter than it says":  {body: named(t, size), length: sized(size + 1), reason: "body_broken"},
		"longer than it says":   {body: named(t, size), length: sized(size - 1), reason: "body_broken"},
		"of a negative size":    {body: named(t, size), length: sized(math.MaxInt64), reason: "body_too_large"},
		"heavy when decoded":    {body: bytes.Repeat([]byte("\x22\x00"), 2000), reason: "body_too_large"},
		"bomb":                  {body: deflated(t, 100<<20), gzip: true, reason: "body_too_large"},
		"large bomb":            {body: deflated(t, 100<<20), gzip: true, limit: 20 << 20, reason: "bomb"},
		"not gzip":              {body: []byte("nonsense"), gzip: true, reason: "body_broken"},
		"torn":                  {body: whole[:len(whole)-9], gzip: true, reason: "body_broken"},
		"less in it than said":  {body: lying(1), gzip: true, reason: "body_broken"},
		"more in it than said":  {body: lying(-1), gzip: true, reason: "body_broken"},
		"much more than said":   {body: lying(-size), gzip: true, reason: "body_broken"},
		"impossibly much said":  {body: lying(100 << 20), gzip: true, reason: "body_broken"},
		"two members":           {body: append(slices.Clone(whole), whole...), gzip: true, reason: "body_broken"},
		"garbage behind":        {body: append(slices.Clone(whole), whole[len(whole)-4:]...), gzip: true, reason: "body_broken"},
		"larger in gzip":        {body: zip(t, zip(t, named(t, 1000))), gzip: true, reason: "body_broken"}, // a batch it is not
		"others first":          {body: named(t, size), taken: 300_000, reason: "busy", delay: "1"},
	} {
		t.Run(name, func(t *testing.T) {
			limit := max(c.limit, 240_000)
			budget := &Budget{semaphore.NewWeighted(2 * limit)}
			budget.TryAcquire(c.taken)
			said, err, session := "", error(nil), ""
			handler := bodies(limit, budget, func(reason string) { said += reason },
				http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					_, err = io.ReadAll(r.Body)
					session = received(r.Context()).SessionId
				}))
			r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(c.body))
			if c.length != nil {
				r.ContentLength = *c.length
			}
			if c.gzip {
				r.Header.Set("Content-Encoding", "gzip")
			}
			taken := alloctest.Bytes(func() { handler.ServeHTTP(httptest.NewRecorder(), r) })
			if int64(taken) > limit+1<<20 {
				t.Errorf("%d bytes were allocated", taken)
			}
			if said != c.reason || (err != nil) != (c.reason != "") || (session != "") != (c.reason == "") {
				t.Fatalf("refused %q, error %v, %d bytes of session", said, err, len(session))
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

// A client that announces much and sends little holds little.
func TestAnAnnouncedBodyHoldsWhatCame(t *testing.T) {
	const limit, size = 2 << 20, 1 << 20
	budget := &Budget{semaphore.NewWeighted(limit)}
	handler := bodies(limit, budget, func(reason string) { t.Error(reason) },
		http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { io.ReadAll(r.Body) }))
	from, client := io.Pipe()
	r := httptest.NewRequest(http.MethodPost, "/", from)
	r.ContentLength = size
	var served sync.WaitGroup
	served.Go(func() { handler.ServeHTTP(httptest.NewRecorder(), r) })
	for sent, data := 0, named(t, size); len(data) > 0; {
		n, err := client.Write(data[:min(len(data), 10_000)]) // until it is read
		if err != nil {
			t.Fatal(err)
		}
		sent, data = sent+n, data[n:]
		allowed := int64(firstStep + 8*sent + sent/7)
		if free := max(0, limit-allowed); !budget.TryAcquire(free) {
			t.Fatalf("more than %d bytes are held after %d came", allowed, sent)
		} else {
			budget.Release(free)
		}
	}
	served.Wait()
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

func (answering) SendBatch(ctx context.Context, _ *connect.Request[gosight.EventBatch]) (*connect.Response[gosight.Status], error) {
	return connect.NewResponse(&gosight.Status{Accepted: uint64(len(received(ctx).Events))}), nil
}

// answeringBodies is the way to answering.
func answeringBodies(limit int64) http.Handler {
	_, ingestor := gosightconnect.NewIngestorHandler(answering{}, leftToConnect()...)
	return bodies(limit, &Budget{semaphore.NewWeighted(2 * limit)}, func(string) {}, ingestor)
}

// How FuzzBody sends a body.
const (
	inGzip    = 1 << iota // it says so
	packed                // and it is so
	asJSON                // it says so
	enveloped             // in gRPC-Web
	endless               // without a length
)

// Whatever a body holds and says that it is, reading it neither panics nor takes more memory than a message may: as it
// came, decompressed and decoded, together.
func FuzzBody(f *testing.F) {
	const limit = 1 << 20
	handler := answeringBodies(limit)
	batch, err := (&gosight.EventBatch{SessionId: "s", Events: []*gosight.Event{{EventType: "click", Payload: `{"x":1}`}, {}}}).MarshalVT()
	if err != nil {
		f.Fatal(err)
	}
	small, noise := zip(f, batch), make([]byte, 100_000)
	rand.NewChaCha8([32]byte{}).Read(noise) //nolint:errcheck // never fails
	for _, seed := range []struct {
		body  []byte
		how   uint8
		lie   int32
		times uint16
	}{
		{batch, 0, 0, 1},
		{batch, 0, 0, 60_000},
		{batch, 0, -1, 1},                              // longer than it says
		{batch, 0, 1, 1},                               // shorter
		{batch, 0, 1 << 19, 1},                         // much shorter
		{batch, 0, math.MaxInt32, 1},                   // and more than is taken
		{batch, endless, 0, 1},                         // chunked
		{batch, endless, 0, 10_000},                    //
		{batch, endless, 0, 60_000},                    //
		{small, inGzip, 0, 0},                          //
		{small, inGzip, 0, 1},                          // two members
		{small, inGzip | endless, 0, 0},                //
		{append(slices.Clone(small), 7), inGzip, 0, 0}, // garbage behind
		{batch, inGzip | packed, 0, 10_000},            //
		{batch, inGzip | packed, 1, 1},                 // a trailer that says more
		{batch, inGzip | packed, -1, 1},                // and less
		{batch, inGzip | packed, 500_000, 1000},        //
		{noise, inGzip | packed, 0, 0},                 // larger than it was
		{deflated(f, 4<<20), inGzip, 0, 0},             //
		{[]byte("\x22\x00"), 0, 0, 60_000},
		{[]byte("\x22\x00"), inGzip | packed, 0, 4000},
		{[]byte(`{"sessionId":"s","events":[{"eventType":"click","metadata":{"a":"b"}}]}`), asJSON, 0, 0},
		{[]byte(`{"events":[{}`), asJSON, 0, 1},
		{[]byte(`{"events":[{},{},{},{},{},{},{},{}]}`), asJSON | inGzip | packed, 0, 0},
		{batch, enveloped, 0, 1},
		{batch, enveloped, 100, 1},
		{batch, enveloped, -7, 60_000}, // another message behind it
		{batch, enveloped | inGzip | packed, 0, 20_000},
		{batch, enveloped | inGzip, 0, 1},
	} {
		f.Add(seed.body, seed.how, seed.lie, seed.times)
	}
	f.Fuzz(func(t *testing.T, body []byte, how uint8, lie int32, times uint16) {
		body = bytes.Repeat(body, min(1+int(times), 1+2*limit/(len(body)+1)))
		if how&packed != 0 {
			body = zip(t, body)
			trailer := body[len(body)-4:]
			binary.LittleEndian.PutUint32(trailer, binary.LittleEndian.Uint32(trailer)+uint32(lie))
			lie = 0
		}
		length, contentType, encoding := max(0, int64(len(body))+int64(lie)), "application/", "Content-Encoding"
		if how&enveloped != 0 {
			head := binary.BigEndian.AppendUint32([]byte{how & inGzip}, uint32(length))
			body = append(head, body...)
			length, contentType, encoding = int64(len(body)), "application/grpc-web+", "Grpc-Encoding"
		}
		r := httptest.NewRequest(http.MethodPost, sendBatch, bytes.NewReader(body))
		if r.ContentLength = length; how&endless != 0 {
			r.ContentLength = -1
		}
		if how&asJSON != 0 {
			contentType += "json"
		} else {
			contentType += "proto"
		}
		r.Header.Set("Content-Type", contentType)
		if how&inGzip != 0 {
			r.Header.Set(encoding, "gzip")
		}
		answer := httptest.NewRecorder()
		if taken := alloctest.Bytes(func() { handler.ServeHTTP(answer, r) }); taken > limit+1<<20 {
			t.Errorf("a body of %d bytes took %d", len(body), taken)
		}
		if answer.Code >= 500 && answer.Code != http.StatusNotImplemented { // which is what connect says to nothing at all
			t.Errorf("the answer is %d %s", answer.Code, answer.Body)
		}
	})
}
