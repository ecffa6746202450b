// Package chdb runs the real ClickHouse engine inside this process, by way of libchdb (no cgo: purego).
//
// The engine is one per process and bound to one data directory; connections to it are cheap, keep their own
// settings and current database, and run one statement at a time, several connections in parallel. A fault in the
// engine ends the process, which is why GoSight loads it in a child process only.
package chdb

import (
	"errors"
	"runtime"
	"unsafe"
)

// Engine is the library loaded and started on a data directory.
type Engine struct {
	lib  *library
	path string
	// The engine shuts down when its last connection closes and must not be started twice in a process:
	// this connection is held until Close.
	keeper *Conn
}

// Open loads the library and starts the engine on the directory dataDir. Arguments are the engine's own
// ("--max_server_memory_usage=…", "--config-file=…").
func Open(libraryPath, dataDir string, arguments ...string) (*Engine, error) {
	lib, err := loadLibrary(libraryPath)
	if err != nil {
		return nil, err
	}
	lib.setSignalHandlers(0)
	e := &Engine{lib: lib, path: dataDir}
	if e.keeper, err = e.Connect(arguments...); err != nil {
		return nil, err
	}
	return e, nil
}

// Version is the version of the library, such as "26.7.3".
func (e *Engine) Version() string { return e.lib.version() }

// Close ends the engine. All connections must be closed.
func (e *Engine) Close() error {
	e.keeper.Close()
	if e.lib.shutdown() != 0 {
		return errors.New("stop the ClickHouse engine: a connection is still open")
	}
	return nil
}

// Connect opens a further connection. Arguments naming a query-level setting ("--max_threads=2") hold for this
// connection.
func (e *Engine) Connect(arguments ...string) (*Conn, error) {
	args := append([]string{"clickhouse", "--path=" + e.path}, arguments...)
	var pins runtime.Pinner
	defer pins.Unpin()
	argv := make([]*byte, len(args)+1)
	for i, arg := range args {
		c := append([]byte(arg), 0)
		pins.Pin(&c[0])
		argv[i] = &c[0]
	}
	handle := e.lib.connect(int32(len(args)), &argv[0])
	if handle == nil || *handle == 0 {
		return nil, errors.New("start the ClickHouse engine: connection refused by the engine on " + e.path +
			" (is the directory writable, and not in use by another engine?)")
	}
	return &Conn{lib: e.lib, handle: handle}, nil
}

// Conn is one connection: one statement at a time, not safe for concurrent use.
type Conn struct {
	lib    *library
	handle *uintptr
}

// Close closes the connection.
func (c *Conn) Close() {
	if c.handle != nil {
		c.lib.closeConnection(c.handle)
		c.handle = nil
	}
}

// Param is a value for a {name:Type} placeholder, in the engine's escaped text form.
type Param struct{ Name, Value string }

// Stats says what a statement read and wrote.
type Stats struct {
	Seconds               float64
	ResultRows            uint64
	ReadRows, ReadBytes   uint64
	WroteRows, WroteBytes uint64
}

func (s *Stats) add(o Stats) {
	s.Seconds += o.Seconds
	s.ResultRows += o.ResultRows
	s.ReadRows += o.ReadRows
	s.ReadBytes += o.ReadBytes
	s.WroteRows += o.WroteRows
	s.WroteBytes += o.WroteBytes
}

// Run runs one statement to its end and returns the whole result in the given output format (a FORMAT clause in
// the statement wins). The result lives in the engine's memory: close it.
func (c *Conn) Run(sql, format string, params ...Param) (*Result, error) {
	p := marshalParams(params)
	defer p.pins.Unpin()
	return c.lib.result(c.lib.query(*c.handle, unsafe.StringData(sql), uint(len(sql)), unsafe.StringData(format),
		uint(len(format)), p.names, p.nameLens, p.values, p.valueLens, p.count))
}

// Exec is Run for a statement whose result is small or of no interest; the result comes tab separated.
func (c *Conn) Exec(sql string, params ...Param) (string, error) {
	result, err := c.Run(sql, "TabSeparated", params...)
	if err != nil {
		return "", err
	}
	defer result.Close()
	return string(result.Bytes()), nil
}

// Query starts a SELECT and returns its result as a stream of chunks in the given output format, each chunk a
// document of its own, so the format must be one whose documents can be joined (TabSeparated, JSONEachRow, Native).
// The connection serves nothing else until the rows are closed.
func (c *Conn) Query(sql, format string, params ...Param) (*Rows, error) {
	p := marshalParams(params)
	defer p.pins.Unpin()
	stream := c.lib.streamQuery(*c.handle, unsafe.StringData(sql), uint(len(sql)), unsafe.StringData(format),
		uint(len(format)), p.names, p.nameLens, p.values, p.valueLens, p.count)
	if stream == 0 {
		return nil, errors.New("start the query: the engine gave no result")
	}
	if msg := c.lib.resultError(stream); msg != "" {
		c.lib.destroyResult(stream)
		return nil, parseError(msg)
	}
	return &Rows{conn: c, stream: stream}, nil
}

// Rows is a result that is being read.
type Rows struct {
	conn   *Conn
	stream uintptr
	chunk  *Result
	ended  bool
	// Stats grows as chunks are read.
	Stats Stats
}

// Next returns the next chunk of the result, nil at the end. The bytes are valid until the next call.
func (r *Rows) Next() ([]byte, error) {
	r.chunk.Close()
	r.chunk = nil
	if r.ended {
		return nil, nil
	}
	chunk, err := r.conn.lib.result(r.conn.lib.fetch(*r.conn.handle, r.stream))
	if err != nil {
		r.ended = true
		return nil, err
	}
	r.chunk = chunk
	r.Stats.add(chunk.Stats)
	bytes := chunk.Bytes()
	r.ended = len(bytes) == 0
	return bytes, nil
}

// Close ends the query, if it is still running, and frees it.
func (r *Rows) Close() {
	if r.stream == 0 {
		return
	}
	r.chunk.Close()
	if !r.ended {
		r.conn.lib.cancelQuery(*r.conn.handle, r.stream)
	}
	r.conn.lib.destroyResult(r.stream)
	r.stream = 0
}

// Insert starts an INSERT whose data follows in the given input format; the statement has no FORMAT clause.
func (c *Conn) Insert(sql, format string, params ...Param) (*Insert, error) {
	p := marshalParams(params)
	defer p.pins.Unpin()
	stream := c.lib.streamInsert(*c.handle, unsafe.StringData(sql), uint(len(sql)), unsafe.StringData(format),
		uint(len(format)), p.names, p.nameLens, p.values, p.valueLens, p.count)
	if stream == 0 {
		return nil, errors.New("start the insert: the engine gave no stream")
	}
	if msg := c.lib.insertError(stream); msg != "" {
		c.lib.destroyInsert(stream)
		return nil, parseError(msg)
	}
	return &Insert{lib: c.lib, stream: stream}, nil
}

// Insert is an INSERT in progress.
type Insert struct {
	lib    *library
	stream uintptr
}

// Write hands data to the insert; it blocks while the engine is behind.
func (i *Insert) Write(data []byte) (int, error) {
	if len(data) == 0 {
		return 0, nil
	}
	if i.lib.appendInsert(i.stream, unsafe.SliceData(data), uint(len(data))) != 0 {
		// The engine's reason is only complete once the stream is ended.
		if _, err := i.Commit(); err != nil {
			return 0, err
		}
		return 0, errors.New("insert: the engine ended the stream early")
	}
	return len(data), nil
}

// Commit ends the data and waits until the rows are stored.
func (i *Insert) Commit() (Stats, error) {
	result, err := i.lib.result(i.lib.doneInsert(i.stream))
	if err != nil {
		return Stats{}, err
	}
	defer result.Close()
	return result.Stats, nil
}

// Close frees the insert; without Commit it is given up.
func (i *Insert) Close() {
	if i.stream != 0 {
		i.lib.destroyInsert(i.stream)
		i.stream = 0
	}
}

// Result is a finished statement's result, or a chunk of one, in the engine's memory.
type Result struct {
	Stats  Stats
	lib    *library
	handle uintptr
}

// Bytes returns the result's bytes; they are gone after Close.
func (r *Result) Bytes() []byte {
	return unsafe.Slice(r.lib.resultBuffer(r.handle), r.lib.resultLength(r.handle))
}

// Close frees the result.
func (r *Result) Close() {
	if r != nil && r.handle != 0 {
		r.lib.destroyResult(r.handle)
		r.handle = 0
	}
}

// result wraps the engine's result handle; an error result is freed and becomes an *Error.
func (l *library) result(handle uintptr) (*Result, error) {
	if handle == 0 {
		return nil, errors.New("query: the engine gave no result")
	}
	if msg := l.resultError(handle); msg != "" {
		l.destroyResult(handle)
		return nil, parseError(msg)
	}
	return &Result{lib: l, handle: handle, Stats: Stats{
		Seconds: l.resultElapsed(handle), ResultRows: l.rowsRead(handle),
		ReadRows: l.storageRows(handle), ReadBytes: l.storageBytes(handle),
		WroteRows: l.rowsWritten(handle), WroteBytes: l.bytesWritten(handle),
	}}, nil
}

type cParams struct {
	names, nameLens, values, valueLens *uintptr
	count                              uint
	pins                               runtime.Pinner
}

// marshalParams lays parameters out as the engine's four parallel arrays.
func marshalParams(params []Param) *cParams {
	p := &cParams{count: uint(len(params))}
	if len(params) == 0 {
		return p
	}
	words := make([]uintptr, 4*len(params))
	n := len(params)
	for i, param := range params {
		name, value := append([]byte(param.Name), 0), append([]byte(param.Value), 0)
		p.pins.Pin(&name[0])
		p.pins.Pin(&value[0])
		words[i], words[n+i] = uintptr(unsafe.Pointer(&name[0])), uintptr(len(param.Name))
		words[2*n+i], words[3*n+i] = uintptr(unsafe.Pointer(&value[0])), uintptr(len(param.Value))
	}
	p.pins.Pin(&words[0])
	p.names, p.nameLens, p.values, p.valueLens = &words[0], &words[n], &words[2*n], &words[3*n]
	return p
}
