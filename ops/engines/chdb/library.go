package chdb

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"github.com/ebitengine/purego"
)

// LibraryVariable names the environment variable that points at the engine library.
const LibraryVariable = "GOSIGHT_CHDB_LIB"

// ErrNoLibrary says that the engine library is not on this machine; the message names the remedy.
var ErrNoLibrary = errors.New("the ClickHouse engine library (libchdb) was not found: run `npm install` in the " +
	"project's root, or point " + LibraryVariable + " at libchdb.so")

// library holds the entry points of libchdb that GoSight uses. Strings travel with their length, so a query may
// hold any byte. Handles are opaque pointers of the engine.
type library struct {
	version           func() string
	setSignalHandlers func(enabled int32)
	connect           func(argc int32, argv **byte) *uintptr
	closeConnection   func(conn *uintptr)
	shutdown          func() int32
	query             func(conn uintptr, sql *byte, n uint, format *byte, formatLen uint,
		names, nameLens, values, valueLens *uintptr, count uint) uintptr
	streamQuery func(conn uintptr, sql *byte, n uint, format *byte, formatLen uint,
		names, nameLens, values, valueLens *uintptr, count uint) uintptr
	fetch        func(conn, result uintptr) uintptr
	cancelQuery  func(conn, result uintptr)
	streamInsert func(conn uintptr, sql *byte, n uint, format *byte, formatLen uint,
		names, nameLens, values, valueLens *uintptr, count uint) uintptr
	appendInsert  func(stream uintptr, data *byte, n uint) int32
	doneInsert    func(stream uintptr) uintptr
	cancelInsert  func(stream uintptr)
	insertError   func(stream uintptr) string
	destroyInsert func(stream uintptr)

	resultBuffer  func(result uintptr) *byte
	resultLength  func(result uintptr) uint
	resultError   func(result uintptr) string
	resultElapsed func(result uintptr) float64
	rowsRead      func(result uintptr) uint64
	storageRows   func(result uintptr) uint64
	storageBytes  func(result uintptr) uint64
	rowsWritten   func(result uintptr) uint64
	bytesWritten  func(result uintptr) uint64
	destroyResult func(result uintptr)
}

func loadLibrary(path string) (*library, error) {
	handle, err := purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_GLOBAL)
	if err != nil {
		return nil, fmt.Errorf("load the ClickHouse engine library %s: %w", path, err)
	}
	l := &library{}
	for name, fn := range map[string]any{
		"chdb_version":                     &l.version,
		"chdb_set_signal_handlers_enabled": &l.setSignalHandlers,
		"chdb_connect":                     &l.connect,
		"chdb_close_conn":                  &l.closeConnection,
		"chdb_shutdown":                    &l.shutdown,
		"chdb_query_with_params_n":         &l.query,
		"chdb_stream_query_with_params_n":  &l.streamQuery,
		"chdb_stream_fetch_result":         &l.fetch,
		"chdb_stream_cancel_query":         &l.cancelQuery,
		"chdb_stream_insert_with_params_n": &l.streamInsert,
		"chdb_stream_append":               &l.appendInsert,
		"chdb_stream_done":                 &l.doneInsert,
		"chdb_stream_cancel_insert":        &l.cancelInsert,
		"chdb_stream_insert_error":         &l.insertError,
		"chdb_destroy_insert_stream":       &l.destroyInsert,
		"chdb_result_buffer":               &l.resultBuffer,
		"chdb_result_length":               &l.resultLength,
		"chdb_result_error":                &l.resultError,
		"chdb_result_elapsed":              &l.resultElapsed,
		"chdb_result_rows_read":            &l.rowsRead,
		"chdb_result_storage_rows_read":    &l.storageRows,
		"chdb_result_storage_bytes_read":   &l.storageBytes,
		"chdb_result_rows_written":         &l.rowsWritten,
		"chdb_result_bytes_written":        &l.bytesWritten,
		"chdb_destroy_query_result":        &l.destroyResult,
	} {
		symbol, err := purego.Dlsym(handle, name)
		if err != nil {
			return nil, fmt.Errorf("the ClickHouse engine library %s lacks %s (GoSight needs chdb 26.7 or later): %w",
				path, name, err)
		}
		purego.RegisterFunc(fn, symbol)
	}
	return l, nil
}

// FindLibrary returns the path of the engine library: explicit if it is not empty, else what the environment
// variable says, else lib/libchdb.* beside the executable, else the npm package in a node_modules folder above
// the working directory or the executable.
func FindLibrary(explicit string) (string, error) {
	if explicit == "" {
		explicit = os.Getenv(LibraryVariable)
	}
	if explicit != "" {
		if _, err := os.Stat(explicit); err != nil {
			return "", fmt.Errorf("%w (looked for %s)", ErrNoLibrary, explicit)
		}
		return explicit, nil
	}
	name := "libchdb.so"
	if runtime.GOOS == "darwin" {
		name = "libchdb.dylib"
	}
	var starts []string
	if exe, err := os.Executable(); err == nil {
		if real, err := filepath.EvalSymlinks(exe); err == nil {
			exe = real
		}
		if beside := filepath.Join(filepath.Dir(exe), "lib", name); exists(beside) {
			return beside, nil
		}
		starts = append(starts, filepath.Dir(exe))
	}
	if dir, err := os.Getwd(); err == nil {
		starts = append([]string{dir}, starts...)
	}
	for _, dir := range starts {
		for {
			if found := inNodeModules(dir); found != "" {
				return found, nil
			}
			parent := filepath.Dir(dir)
			if parent == dir {
				break
			}
			dir = parent
		}
	}
	return "", ErrNoLibrary
}

// inNodeModules looks for this platform's npm package of the library under dir.
func inNodeModules(dir string) string {
	arch := map[string]string{"amd64": "x64", "arm64": "arm64"}[runtime.GOARCH]
	packageName := "lib-linux-" + arch + "-gnu"
	if runtime.GOOS == "darwin" {
		packageName = "lib-darwin-" + arch
	}
	for _, file := range []string{"libchdb.so", "libchdb.dylib"} {
		path := filepath.Join(dir, "node_modules", "@chdb", packageName, file)
		if exists(path) {
			return path
		}
	}
	return ""
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
