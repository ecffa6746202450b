package ingest

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"

	"connectrpc.com/connect"
)

// What people do on a page shrinks to a tenth or a thirtieth. A body that is larger than bombBytes and grows by
// more than bombRatio was made to cost us.
const (
	bombBytes = 1 << 20
	bombRatio = 100
)

var inflaters = sync.Pool{New: func() any { return new(gzip.Reader) }}

// bodies decompresses request bodies itself, and counts each byte while it comes: one that grows over limit is cut
// off there, where connect would inflate it to its end, and all that are worked on together stay within budget.
func bodies(limit int64, budget *Budget, refused func(reason string), next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := &meteredBody{Closer: r.Body, from: r.Body, limit: limit, left: limit, budget: budget, refused: refused}
		if r.ContentLength > limit {
			body.left = -1 // nothing of it need be read
		}
		defer body.release()
		if r.Header.Get("Content-Encoding") == "gzip" {
			r.Header.Del("Content-Encoding")
			body.inflate = true
		}
		r.Body, r.ContentLength = body, -1
		next.ServeHTTP(w, r)
	})
}

type meteredBody struct {
	io.Closer
	from    io.Reader
	inflate bool // from is still compressed
	gzip    *gzip.Reader
	packed  int64 // read of the compressed body
	limit   int64
	left    int64 // of limit
	held    int64 // of budget
	budget  *Budget
	refused func(reason string)
	err     error
}

func (b *meteredBody) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if b.left < 0 {
		return 0, b.tooLarge()
	}
	if b.inflate {
		b.inflate = false
		b.gzip = inflaters.Get().(*gzip.Reader)
		if err := b.gzip.Reset(&countingReader{b.from, &b.packed}); err != nil {
			return 0, b.fail("body_broken", connect.CodeInvalidArgument, fmt.Errorf("decompress: %w", err))
		}
		b.from = b.gzip
	}
	n, err := b.from.Read(p)
	b.left -= int64(n)
	switch {
	case b.left < 0:
		return 0, b.tooLarge()
	case b.gzip != nil && b.limit-b.left > max(bombBytes, bombRatio*b.packed):
		return 0, b.fail("bomb", connect.CodeInvalidArgument,
			fmt.Errorf("the body is %d times as large as it came", bombRatio))
	case !b.budget.TryAcquire(int64(n)):
		busy := b.fail("busy", connect.CodeResourceExhausted, errBusy)
		busy.Meta().Set("Retry-After", strconv.Itoa(retrySeconds(busyDelay)))
		return 0, busy
	case b.gzip != nil && err != nil && !errors.Is(err, io.EOF):
		err = b.fail("body_broken", connect.CodeInvalidArgument, fmt.Errorf("decompress: %w", err))
	}
	b.held += int64(n)
	return n, err
}

type countingReader struct {
	io.Reader
	n *int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	*c.n += int64(n)
	return n, err
}

// tooLarge names no delay: the body will never be taken.
func (b *meteredBody) tooLarge() *connect.Error {
	return b.fail("body_too_large", connect.CodeResourceExhausted,
		fmt.Errorf("the batch is larger than %d bytes: send it in smaller pieces", b.limit))
}

func (b *meteredBody) fail(reason string, code connect.Code, err error) *connect.Error {
	b.refused(reason)
	failure := connect.NewError(code, err)
	b.err = failure
	return failure
}

func (b *meteredBody) release() {
	b.budget.Release(b.held)
	if b.gzip != nil {
		inflaters.Put(b.gzip)
		b.gzip = nil
	}
}
