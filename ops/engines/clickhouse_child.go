package engines

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/gosight/gosight/ops/engines/chdb"
	"github.com/gosight/gosight/ops/engines/chserver"
)

// engineArguments keep the engine small: it shares a machine with everything else of standalone. The caches and
// pools of a server with the machine to itself would take gigabytes; a query may still use what it needs up to the
// server's limit, and fails with an exception there instead of taking the machine down.
var engineArguments = []string{
	"--max_server_memory_usage=2000000000",
	"--mark_cache_size=33554432",
	"--uncompressed_cache_size=0",
	"--index_mark_cache_size=8388608",
	"--background_pool_size=2",
	"--background_schedule_pool_size=2",
	"--background_common_pool_size=2",
	"--background_move_pool_size=1",
	"--background_fetches_pool_size=1",
	"--max_thread_pool_free_size=4",
	"--max_threads=2",
	"--async_insert=0",
}

// ClickHouseChild says what the engine's own process serves.
type ClickHouseChild struct {
	Path     string // data directory
	Listen   string // host:port, unless ListenFD is set
	ListenFD int    // an inherited listening socket, 0 for none
	Library  string // path of libchdb
	Settings string // an XML file with further settings of the engine, or empty
	// Lifeline ends the process when it closes; the parent holds its other end. nil for none.
	Lifeline io.Reader
}

// Run serves until ctx ends or the lifeline closes.
func (c ClickHouseChild) Run(ctx context.Context, log *slog.Logger) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if c.Lifeline != nil {
		go func() {
			io.Copy(io.Discard, c.Lifeline)
			cancel()
		}()
	}
	if err := standBack(engineNice); err != nil {
		log.Warn("the engine runs at the priority of all others", "error", err)
	}
	listener, err := c.listen()
	if err != nil {
		return err
	}
	defer listener.Close()
	library, err := chdb.FindLibrary(c.Library)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(c.Path, 0o700); err != nil {
		return fmt.Errorf("create the engine's data directory: %w", err)
	}
	// After a kill -9 of everything the former engine may take a moment to notice.
	unlock, err := lockFile(ctx, filepath.Join(c.Path, "gosight.lock"), 10*time.Second)
	if err != nil {
		return fmt.Errorf("lock the engine's data directory %s: %w", c.Path, err)
	}
	defer unlock()
	arguments := engineArguments
	if c.Settings != "" {
		arguments = append(slices.Clone(arguments), "--config-file="+c.Settings)
	}
	engine, err := chdb.Open(library, c.Path, arguments...)
	if err != nil {
		return err
	}
	handler, err := chserver.New(engine, log)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 30 * time.Second}
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done()
		grace, done := context.WithTimeout(context.Background(), 5*time.Second)
		defer done()
		err := server.Shutdown(grace)
		if err != nil {
			server.Close()
		}
		stopped <- err
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the engine's HTTP interface: %w", err)
	}
	if err := <-stopped; err != nil {
		return fmt.Errorf("stop the engine's HTTP interface: %w", err)
	}
	return engine.Close()
}

func (c ClickHouseChild) listen() (net.Listener, error) {
	if c.ListenFD == 0 {
		listener, err := net.Listen("tcp", c.Listen)
		if err != nil {
			return nil, fmt.Errorf("listen for the engine's HTTP interface: %w", err)
		}
		return listener, nil
	}
	file := os.NewFile(uintptr(c.ListenFD), "listener")
	defer file.Close()
	listener, err := net.FileListener(file)
	if err != nil {
		return nil, fmt.Errorf("take over the listening socket: %w", err)
	}
	return listener, nil
}
