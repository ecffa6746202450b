package ingest

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"connectrpc.com/connect"
	"golang.org/x/sync/semaphore"
)

func deflated(t *testing.T, size int) []byte {
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
