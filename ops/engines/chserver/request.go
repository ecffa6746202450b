package chserver

import (
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/ClickHouse/ch-go/compress"
	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"

	"github.com/gosight/gosight/ops/engines/chdb"
)

// maxQuerySize limits a query's text (an INSERT's data does not count), as ClickHouse's max_query_size does.
const maxQuerySize = 256 << 10

// request is one call of the HTTP interface, read as far as its query's text.
type request struct {
	statement
	body     io.Reader // what follows the text: an insert's data
	database string
	settings []chdb.Param // in order of name
	params   []chdb.Param
	readonly bool // a GET never changes anything

	defaultFormat string
	revision      uint64           // of the Native format, 0 is the plain one
	compress      *compress.Writer // nil: the answer goes out as it is
	encoding      string           // Content-Encoding for the answer, "gzip" or ""
	whole         bool             // wait_end_of_query: no answer before the end is known
}

// notSettings are URL parameters with a meaning of their own; every other one is a setting.
var notSettings = map[string]bool{
	"query": true, "database": true, "default_format": true, "query_id": true, "quota_key": true, "user": true,
	"password": true, "compress": true, "decompress": true, "client_protocol_version": true, "role": true,
	"wait_end_of_query": true, "buffer_size": true, "stacktrace": true, "close_session": true,
	"session_timeout": true, "session_check": true,
}

func readRequest(r *http.Request) (*request, error) {
	values := r.URL.Query()
	q := &request{
		database:      firstOf(values.Get("database"), r.Header.Get("X-ClickHouse-Database"), "default"),
		defaultFormat: firstOf(values.Get("default_format"), r.Header.Get("X-ClickHouse-Format"), "TabSeparated"),
		readonly:      r.Method != http.MethodPost,
		whole:         isOn(values.Get("wait_end_of_query")),
	}
	if values.Has("session_id") {
		return nil, exception(codeNotImplemented, "NOT_IMPLEMENTED",
			"The embedded engine keeps no HTTP sessions: leave session_id out")
	}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/form-data") {
		return nil, exception(codeNotImplemented, "NOT_IMPLEMENTED",
			"The embedded engine takes no external tables (multipart/form-data)")
	}
	if v := values.Get("client_protocol_version"); v != "" {
		revision, err := strconv.ParseUint(v, 10, 32)
		if err != nil {
			return nil, exception(codeBadArguments, "BAD_ARGUMENTS", "client_protocol_version is not a number: "+v)
		}
		q.revision = revision
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if param, ok := strings.CutPrefix(name, "param_"); ok {
			q.params = append(q.params, chdb.Param{Name: param, Value: values.Get(name)})
		} else if !notSettings[name] {
			q.settings = append(q.settings, chdb.Param{Name: name, Value: values.Get(name)})
		}
	}
	q.chooseEncoding(values, r.Header.Get("Accept-Encoding"))
	body, err := decodeBody(r, isOn(values.Get("decompress")))
	if err != nil {
		return nil, err
	}
	return q, q.readText(values, body)
}

func (q *request) chooseEncoding(values url.Values, accepted string) {
	if isOn(values.Get("compress")) {
		method := compress.LZ4
		if strings.EqualFold(values.Get("network_compression_method"), "zstd") {
			method = compress.ZSTD
		}
		q.compress = compress.NewWriter(compress.LevelZero, method)
	} else if isOn(values.Get("enable_http_compression")) && strings.Contains(accepted, "gzip") {
		q.encoding = "gzip"
	}
}

// readText reads the query's text, which is the URL's query followed by the body, and leaves an insert's data.
func (q *request) readText(values url.Values, body io.Reader) error {
	text := values.Get("query")
	if text != "" {
		// The text of an insert may stand in the URL alone, its data in the body, however large.
		if st := parseStatement([]byte(text)); st.insert {
			q.statement = st
			q.body = body
			return nil
		}
		text += "\n"
	}
	limit := maxQuerySize
	if v, err := strconv.Atoi(values.Get("max_query_size")); err == nil && v > limit {
		limit = min(v, 64<<20)
	}
	head, err := io.ReadAll(io.LimitReader(body, int64(limit)+1))
	if err != nil {
		return bodyError(err)
	}
	q.statement = parseStatement(append([]byte(text), head...))
	if q.insert {
		q.body = body // the rest of it; its beginning is inline
		return nil
	}
	if len(head) > limit {
		return exception(codeSyntaxError, "SYNTAX_ERROR",
			fmt.Sprintf("Max query size exceeded (%d bytes; setting max_query_size)", limit))
	}
	if strings.TrimSpace(q.sql) == "" {
		return exception(codeSyntaxError, "SYNTAX_ERROR", "Empty query")
	}
	return nil
}

// decodeBody undoes Content-Encoding and, inside it, ClickHouse's own block compression.
func decodeBody(r *http.Request, blocks bool) (io.Reader, error) {
	var body io.Reader = r.Body
	var err error
	switch encoding := r.Header.Get("Content-Encoding"); encoding {
	case "", "identity":
	case "gzip":
		body, err = gzip.NewReader(body)
	case "deflate":
		body, err = zlib.NewReader(body)
	case "br":
		body = brotli.NewReader(body)
	case "zstd":
		body, err = zstd.NewReader(body, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(128<<20))
	default:
		return nil, exception(codeNotImplemented, "NOT_IMPLEMENTED", "Unknown Content-Encoding "+encoding)
	}
	if err != nil {
		return nil, bodyError(err)
	}
	if blocks {
		body = blockReader{compress.NewReader(body)}
	}
	return body, nil
}

// blockReader reads ClickHouse's compressed blocks. The library wraps the end of its source in an error, whether it
// comes between two blocks, which is the end of the data, or inside one, which is a body cut short.
type blockReader struct{ blocks *compress.Reader }

func (b blockReader) Read(p []byte) (int, error) {
	n, err := b.blocks.Read(p)
	if errors.Is(err, io.EOF) {
		if strings.HasSuffix(err.Error(), "header: EOF") {
			return n, io.EOF
		}
		return n, io.ErrUnexpectedEOF
	}
	return n, err
}

func bodyError(err error) error {
	return exception(codeCannotDecompress, "CANNOT_DECOMPRESS", "Cannot read the request's body: "+err.Error())
}

func firstOf(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

func isOn(value string) bool { return value == "1" || strings.EqualFold(value, "true") }
