// Package chserver puts ClickHouse's HTTP interface in front of the embedded engine, so that clickhouse-go
// (Protocol: HTTP), Grafana, curl and any other client work on it as on a server.
//
// Each request runs on an engine connection of its own: its database, settings and parameters end with it. What a
// server has and this has not: users, HTTP sessions, external tables in a multipart body; asking for one of the
// last two is answered with NOT_IMPLEMENTED.
package chserver

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gosight/gosight/ops/engines/chdb"
)

// maxParallel bounds the queries that run at once; each holds an operating system thread and engine memory.
const maxParallel = 24

// Server answers ClickHouse's HTTP interface. It is an http.Handler.
type Server struct {
	engine   *chdb.Engine
	log      *slog.Logger
	slots    chan struct{}
	version  string
	zoneName string
	zone     *time.Location
}

// New asks the engine who it is and returns a server in front of it.
func New(engine *chdb.Engine, log *slog.Logger) (*Server, error) {
	s := &Server{engine: engine, log: log, slots: make(chan struct{}, maxParallel)}
	conn, err := engine.Connect()
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	answer, err := conn.Exec("SELECT version(), timezone()")
	if err != nil {
		return nil, fmt.Errorf("ask the engine for its version: %w", err)
	}
	s.version, s.zoneName, _ = strings.Cut(strings.TrimSpace(answer), "\t")
	if s.zone, err = time.LoadLocation(s.zoneName); err != nil {
		s.zone = time.UTC
	}
	return s, nil
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if reason := fromForeignPage(r); reason != "" {
		s.refuse(w, nil, exception(codeNotAllowed, "ACCESS_DENIED", reason))
		return
	}
	switch path := r.URL.Path; {
	case path == "/ping", path == "/replicas_status", path == "/" && isBareGet(r):
		w.Header().Set("Content-Type", "text/html; charset=UTF-8")
		io.WriteString(w, "Ok.\n")
	case path == "/", path == "/query":
		s.query(w, r)
	default:
		http.Error(w, "There is no handle "+path+"\n\nUse / or /ping for health checks.", http.StatusNotFound)
	}
}

func isBareGet(r *http.Request) bool {
	return r.Method != http.MethodPost && !r.URL.Query().Has("query")
}

// fromForeignPage keeps web pages that the user has open from reaching the database: the engine has no password.
// A name that an attacker points at 127.0.0.1 arrives in Host, a script of another site shows in Sec-Fetch-Site.
func fromForeignPage(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	if host != "localhost" && net.ParseIP(strings.Trim(host, "[]")) == nil {
		return "Use an IP address or localhost to reach the embedded engine, not " + host
	}
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "none" && site != "same-origin" {
		return "Web pages of other sites may not query the embedded engine"
	}
	return ""
}

func (s *Server) query(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	queryID := firstOf(r.URL.Query().Get("query_id"), newQueryID())
	header := w.Header()
	header.Set("X-ClickHouse-Server-Display-Name", "gosight-embedded")
	header.Set("X-ClickHouse-Query-Id", queryID)
	header.Set("X-ClickHouse-Timezone", s.zoneName)
	q, err := readRequest(r)
	if err != nil {
		s.refuse(w, q, asException(err))
		return
	}
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return
	}
	mark := newQueryID()
	conn, err := s.prepare(q, mark)
	if err != nil {
		s.refuse(w, q, asException(err))
		return
	}
	defer conn.Close()
	over := make(chan struct{})
	defer close(over)
	defer context.AfterFunc(ctx, func() { s.kill(mark, over) })()

	a := &answer{w: w, request: q, tag: newTag(), server: s}
	if q.insert {
		err = s.insert(ctx, conn, q, a)
	} else {
		err = s.run(conn, q, a)
	}
	if err == nil {
		err = a.finish()
	}
	switch {
	case ctx.Err() != nil: // the client is gone
		panic(http.ErrAbortHandler)
	case err != nil && !a.begun:
		s.refuse(w, q, asException(err))
	case err != nil:
		a.fail(asException(err))
	}
}

// prepare opens a connection with the request's database and settings; kill finds its query by the mark.
func (s *Server) prepare(q *request, mark string) (*chdb.Conn, error) {
	conn, err := s.engine.Connect()
	if err != nil {
		return nil, err
	}
	settings := []string{"log_comment=" + quote(mark)}
	for _, setting := range q.settings {
		if setting.Name != "log_comment" && setting.Name != "readonly" {
			settings = append(settings, quoteName(setting.Name)+"="+quote(setting.Value))
		}
	}
	if q.readonly {
		settings = append(settings, "readonly=2")
	}
	if q.database != "default" {
		if _, err = conn.Exec("USE " + quoteName(q.database)); err != nil {
			conn.Close()
			return nil, err
		}
	}
	if _, err := conn.Exec("SET " + strings.Join(settings, ", ")); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// kill ends a query whose client has gone away. It repeats, because the engine may not have begun it yet.
func (s *Server) kill(mark string, over <-chan struct{}) {
	conn, err := s.engine.Connect()
	if err != nil {
		s.log.Warn("cannot stop a query whose client has gone", "error", err)
		return
	}
	defer conn.Close()
	for {
		_, err = conn.Exec("KILL QUERY WHERE Settings['log_comment']={mark:String} ASYNC",
			chdb.Param{Name: "mark", Value: mark})
		if err != nil {
			s.log.Warn("cannot stop a query whose client has gone", "error", err)
		}
		select {
		case <-over:
			return
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func (s *Server) run(conn *chdb.Conn, q *request, a *answer) error {
	if !q.streams || q.whole || !joinable[strings.ToLower(a.format())] {
		result, err := conn.Run(q.sql, q.defaultFormat, q.params...)
		if err != nil {
			return err
		}
		defer result.Close()
		a.stats = result.Stats
		return a.write(result.Bytes())
	}
	rows, err := conn.Query(q.sql, q.defaultFormat, q.params...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for {
		chunk, err := rows.Next()
		a.stats = rows.Stats
		if err != nil || chunk == nil {
			return err
		}
		if err := a.write(chunk); err != nil {
			return err
		}
	}
}

func (s *Server) insert(ctx context.Context, conn *chdb.Conn, q *request, a *answer) error {
	insert, err := conn.Insert(q.sql, q.format, q.params...)
	if err != nil {
		return err
	}
	defer insert.Close()
	if _, err := insert.Write(q.inline); err != nil {
		return err
	}
	if _, err := io.CopyBuffer(struct{ io.Writer }{insert}, q.body, make([]byte, 256<<10)); err != nil {
		if ctx.Err() == nil && asException(err).Code == codeUnknownException {
			return bodyError(err)
		}
		return err
	}
	a.stats, err = insert.Commit()
	return err
}

// refuse answers with an exception before anything else was sent.
func (s *Server) refuse(w http.ResponseWriter, q *request, e *chdb.Error) {
	header := w.Header()
	header.Set("Content-Type", "text/plain; charset=UTF-8")
	header.Set("X-ClickHouse-Exception-Code", strconv.Itoa(e.Code))
	header.Del("Content-Encoding")
	text := []byte(e.Message + " (version " + s.version + " (embedded))\n")
	w.WriteHeader(statusOf(e))
	if q != nil && q.compress != nil && q.compress.Compress(text) == nil {
		text = q.compress.Data // a client that asked for compressed blocks expects its error in one too
	}
	w.Write(text)
}

// summary is what ClickHouse reports in X-ClickHouse-Summary; numbers are strings there.
func summary(stats chdb.Stats) string {
	number := func(n uint64) string { return strconv.FormatUint(n, 10) }
	text, _ := json.Marshal(map[string]string{
		"read_rows": number(stats.ReadRows), "read_bytes": number(stats.ReadBytes),
		"written_rows": number(stats.WroteRows), "written_bytes": number(stats.WroteBytes),
		"result_rows": number(stats.ResultRows), "elapsed_ns": number(uint64(stats.Seconds * 1e9)),
	})
	return string(text)
}

func newQueryID() string {
	b := make([]byte, 16)
	rand.Read(b)
	h := hex.EncodeToString(b)
	return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
}

// newTag makes the random mark, 16 characters, by which a client tells an exception in the body from data.
func newTag() string {
	b := make([]byte, 8)
	rand.Read(b)
	return hex.EncodeToString(b)
}

func quote(value string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(value) + "'"
}

func quoteName(name string) string {
	return "`" + strings.NewReplacer(`\`, `\\`, "`", "\\`").Replace(name) + "`"
}
