package ingest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"connectrpc.com/connect"

	"github.com/gosight/gosight/proto/gen/gosight"
	"github.com/gosight/gosight/proto/wire"
)

// bodies reads and decodes requests' batches: each within limit, which is all that one may take in memory, as it came,
// decompressed and decoded together, and all that are worked on within budget.
//
// Connect would gather a body in a buffer that doubles, and copy every text out of it. It is handed an empty message
// instead, and SendBatch asks received: so whatever is a protocol's (types, deadlines, answers) stays Connect's.
func bodies(limit int64, budget *Budget, refused func(reason string), next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b := &body{
			Closer: r.Body, from: r.Body, length: r.ContentLength, header: r.Header,
			limit: limit, left: limit, budget: budget, refused: refused,
		}
		defer func() { b.give(b.held) }()
		if r.Header.Get("Content-Encoding") == "gzip" {
			r.Header.Del("Content-Encoding")
			b.gzip = true
		}
		r = r.WithContext(context.WithValue(r.Context(), bodyKey{}, b))
		r.Body, r.ContentLength = b, -1
		next.ServeHTTP(w, r)
	})
}

type bodyKey struct{}

// received is the batch that the request of ctx brought. Its texts are parts of the request's memory: whoever keeps one
// for longer makes a copy.
func received(ctx context.Context) *gosight.EventBatch { return &ctx.Value(bodyKey{}).(*body).batch }

// body is a request's, decoded when it is first read, so that what Connect refuses is not read at all.
type body struct {
	io.Closer
	from    io.Reader
	length  int64 // -1: unknown
	gzip    bool
	header  http.Header
	limit   int64
	left    int64 // of limit: what was allocated counts until the end, also what nobody needs any more
	held    int64 // of budget
	budget  *Budget
	refused func(reason string)
	batch   gosight.EventBatch
	rest    io.Reader // what Connect reads instead
	err     error
}

func (b *body) Read(p []byte) (int, error) {
	if b.rest == nil && b.err == nil {
		b.rest, b.err = b.receive()
	}
	if b.err != nil {
		return 0, b.err
	}
	return b.rest.Read(p)
}

// What Connect is handed in place of a message: nothing, in each protocol's way to say so.
const (
	emptyJSON     = "{}"
	emptyEnvelope = "\x00\x00\x00\x00\x00"
)

// receive reads the batch, and says what there is to read after it.
func (b *body) receive() (rest io.Reader, err error) {
	contentType := b.header.Get("Content-Type")
	asJSON := strings.Contains(contentType, "json")
	if strings.HasPrefix(contentType, "application/grpc") {
		var head [len(emptyEnvelope)]byte
		n, _ := io.ReadFull(b.from, head[:])
		b.gzip = head[0] == 1 && b.header.Get("Grpc-Encoding") == "gzip"
		if n < len(head) || head[0] != 0 && !b.gzip { // no message: Connect knows what to say
			return io.MultiReader(bytes.NewReader(head[:n]), b.from), nil
		}
		b.length = int64(binary.BigEndian.Uint32(head[1:]))
		rest = io.MultiReader(strings.NewReader(emptyEnvelope), b.from)
	} else if asJSON {
		rest = strings.NewReader(emptyJSON)
	} else {
		rest = http.NoBody
	}
	data, err := b.read()
	if err == nil && b.gzip && len(data) > 0 {
		data, err = b.inflate(data)
	}
	if err == nil {
		err = b.decode(data, asJSON)
	}
	return rest, err
}

// A body is given room in steps, each eight times the one before: a client that announces much and sends little holds
// eight times what it sent, and a body takes an eighth more than it is long.
const (
	firstStep = 4 << 10
	stepBits  = 3
)

// read takes a body of b.length bytes into a buffer of just that size.
func (b *body) read() (data []byte, err error) {
	if b.length < 0 {
		return b.readToEnd()
	}
	shift, total := 0, b.length
	for b.length>>shift > firstStep {
		shift += stepBits
		total += b.length >> shift
	}
	if b.length > b.left || total > b.left {
		return nil, b.tooLarge() // nothing of it need be read
	}
	for ; shift >= 0; shift -= stepBits {
		have := len(data)
		if data, err = b.grow(data, b.length>>shift); err != nil {
			return nil, err
		}
		if _, err := io.ReadFull(b.from, data[have:]); err != nil {
			return nil, b.brokenOff(err)
		}
	}
	return data, nil
}

// readToEnd takes a body of unknown length, as far as buffers that double stay within the limit: a good third of it.
func (b *body) readToEnd() (data []byte, err error) {
	for have := 0; ; have = len(data) {
		size := min(max(firstStep, 2*int64(have)), b.left)
		if size <= int64(have) {
			return nil, b.tooLarge()
		}
		if data, err = b.grow(data, size); err != nil {
			return nil, err
		}
		n, err := io.ReadFull(b.from, data[have:])
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return data[:have+n], nil
		case err != nil:
			return nil, b.brokenOff(err)
		}
	}
}

func (b *body) decode(data []byte, asJSON bool) (err error) {
	if asJSON {
		err = wire.JSON{MaxDecoded: max(1, int(b.left))}.Unmarshal(data, &b.batch)
	} else { // texts stay where they are in data, which is weighed too
		err = wire.Codec{Alias: true, MaxDecoded: max(1, int(b.left)+len(data))}.Unmarshal(data, &b.batch)
	}
	switch {
	case errors.Is(err, wire.ErrHeavy):
		return b.fail("body_too_large", connect.CodeInvalidArgument, fmt.Errorf("unmarshal message: %w", err))
	case err != nil:
		return b.fail("body_broken", connect.CodeInvalidArgument, fmt.Errorf("unmarshal message: %w", err))
	case asJSON:
		return b.hold(memoryOf(b.batch.Events))
	}
	return b.hold(structures * int64(len(b.batch.Events)))
}

// grow moves data to a buffer of size bytes.
func (b *body) grow(data []byte, size int64) ([]byte, error) {
	if size > b.left {
		return nil, b.tooLarge()
	}
	if err := b.hold(size); err != nil {
		return nil, err
	}
	b.left -= size
	grown := make([]byte, size)
	copy(grown, data)
	b.give(int64(len(data)))
	return grown, nil
}

func (b *body) hold(n int64) error {
	if !b.budget.TryAcquire(n) {
		return b.fail("busy", connect.CodeResourceExhausted, errBusy)
	}
	b.held += n
	return nil
}

func (b *body) give(n int64) {
	b.budget.Release(n)
	b.held -= n
}

// tooLarge names no delay: the body will never be taken.
func (b *body) tooLarge() error {
	return b.fail("body_too_large", connect.CodeResourceExhausted,
		fmt.Errorf("the batch takes more than %d bytes: send it in smaller pieces", b.limit))
}

// brokenOff is for a body that has not come to its end. Where it was not the client that ended it, it may come again.
func (b *body) brokenOff(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return b.fail("body_broken", connect.CodeInvalidArgument, errors.New("the body is shorter than was announced"))
	}
	b.refused("client_gone")
	return err
}

func (b *body) fail(reason string, code connect.Code, err error) error {
	b.refused(reason)
	failure := connect.NewError(code, err)
	if reason == "busy" {
		failure.Meta().Set("Retry-After", strconv.Itoa(retrySeconds(busyDelay)))
	}
	return failure
}
