package chserver

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"

	"github.com/gosight/gosight/ops/engines/chdb"
)

// answer is the response to one query: its headers go out with the first bytes of the result, so that an error
// before those is still a plain error, and one after them is marked in the body.
type answer struct {
	w       http.ResponseWriter
	request *request
	server  *Server
	tag     string
	stats   chdb.Stats

	begun bool
	out   io.Writer    // where the result goes: w, by way of the encodings asked for
	gzip  *gzip.Writer // in that way, or nil
}

// format is the name of the result's format.
func (a *answer) format() string { return firstOf(a.request.format, a.request.defaultFormat) }

func (a *answer) begin() {
	a.begun = true
	header, q := a.w.Header(), a.request
	header.Set("X-ClickHouse-Summary", summary(a.stats))
	header.Set("X-ClickHouse-Exception-Tag", a.tag)
	if !q.insert {
		header.Set("X-ClickHouse-Format", a.format())
		header.Set("Content-Type", contentType(a.format()))
	}
	a.out = a.w
	if q.encoding == "gzip" {
		header.Set("Content-Encoding", "gzip")
		a.gzip = gzip.NewWriter(a.w)
		a.out = a.gzip
	}
	if q.compress != nil {
		a.out = blockWriter{a.out, q}
	}
	if a.format() == "Native" && q.revision > 0 {
		a.out = newNativeWriter(a.out, q.revision, a.server.zone)
	}
}

func (a *answer) write(chunk []byte) error {
	if len(chunk) == 0 {
		return nil
	}
	if !a.begun {
		a.begin()
	}
	if _, err := a.out.Write(chunk); err != nil {
		return fmt.Errorf("send the result: %w", err)
	}
	return nil
}

func (a *answer) finish() error {
	if !a.begun {
		a.begin()
		if a.gzip == nil {
			a.w.Header().Set("Content-Length", "0")
		}
	}
	if a.gzip != nil {
		return a.gzip.Close()
	}
	return nil
}

// fail marks an exception in a body that has begun, as ClickHouse does, and breaks the response off so that no
// client takes it for a whole one. The mark is outside of compressed blocks.
func (a *answer) fail(e *chdb.Error) {
	message := e.Message
	if len(message) > 8<<10 {
		message = message[:8<<10]
	}
	var out io.Writer = a.w
	if a.gzip != nil {
		out = a.gzip
	}
	fmt.Fprintf(out, "\r\n__exception__\r\n%s\r\n%s\n%d %s\r\n__exception__\r\n", a.tag, message, len(message)+1, a.tag)
	if a.gzip != nil {
		a.gzip.Flush()
	}
	http.NewResponseController(a.w).Flush()
	panic(http.ErrAbortHandler)
}

// blockWriter sends ClickHouse's compressed blocks, each with its checksum.
type blockWriter struct {
	out io.Writer
	q   *request
}

func (b blockWriter) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		piece := rest[:min(len(rest), 1<<20)]
		rest = rest[len(piece):]
		if err := b.q.compress.Compress(piece); err != nil {
			return 0, err
		}
		if _, err := b.out.Write(b.q.compress.Data); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}
