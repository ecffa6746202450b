// Package engines runs the two engines that standalone and the tests embed: ClickHouse (libchdb, in a child process,
// behind ClickHouse's HTTP interface) and Kafka (kfake, in this process). Both speak the real protocols: the product
// connects to them as to servers.
package engines

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gosight/gosight/ops/engines/chdb"
)

// ClickHouseConfig says how to run the embedded ClickHouse.
type ClickHouseConfig struct {
	DataDir string
	Addr    string // host:port to serve HTTP on; port 0 takes a free one
	Library string // path of libchdb, empty: see chdb.FindLibrary
	// Command starts the child, which is given --path, --library and --listen-fd; empty: this executable with
	// "engine clickhouse".
	Command []string
	Env     []string // added to the child's environment
}

// ClickHouse is the engine running in a child process. Its address stays the same while it is restarted: the
// listening socket belongs to this process, and requests wait in it until the new child takes them.
type ClickHouse struct {
	config   ClickHouseConfig
	log      *slog.Logger
	listener *net.TCPListener
	socket   *os.File
	pid      atomic.Int64
	restarts atomic.Int64
	cancel   context.CancelFunc
	done     chan struct{}
}

const (
	startPatience = 60 * time.Second
	stopPatience  = 8 * time.Second
	maxBackoff    = 5 * time.Second
)

// StartClickHouse starts the engine and returns when it answers. The engine ends when ctx does, with Stop, or with
// this process, however that ends.
func StartClickHouse(ctx context.Context, config ClickHouseConfig, log *slog.Logger) (*ClickHouse, error) {
	library, err := chdb.FindLibrary(config.Library)
	if err != nil {
		return nil, err
	}
	config.Library = library
	if len(config.Command) == 0 {
		self, err := os.Executable()
		if err != nil {
			return nil, fmt.Errorf("find this executable: %w", err)
		}
		config.Command = []string{self, "engine", "clickhouse"}
	}
	if err := os.MkdirAll(config.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("create ClickHouse's data directory: %w", err)
	}
	listener, err := net.Listen("tcp", config.Addr)
	if err != nil {
		return nil, fmt.Errorf("listen for the embedded ClickHouse: %w", err)
	}
	c := &ClickHouse{config: config, log: log, listener: listener.(*net.TCPListener), done: make(chan struct{})}
	if c.socket, err = c.listener.File(); err != nil {
		listener.Close()
		return nil, fmt.Errorf("share the listening socket: %w", err)
	}
	ctx, c.cancel = context.WithCancel(ctx)
	first := make(chan error, 1)
	go c.supervise(ctx, first)
	select {
	case err = <-first:
	case err = <-c.answers(ctx):
	}
	if err != nil {
		c.Stop()
		return nil, fmt.Errorf("start the embedded ClickHouse: %w", err)
	}
	return c, nil
}

// Addr is the host and port of the HTTP interface.
func (c *ClickHouse) Addr() string { return c.listener.Addr().String() }

// URL is the address as clients want it: http://host:port.
func (c *ClickHouse) URL() string { return "http://" + c.Addr() }

// PID is the process that runs the engine now, 0 while it is being restarted.
func (c *ClickHouse) PID() int { return int(c.pid.Load()) }

// Restarts counts how often the engine died and was started again.
func (c *ClickHouse) Restarts() int { return int(c.restarts.Load()) }

// Stop ends the engine in order and waits for it.
func (c *ClickHouse) Stop() {
	c.cancel()
	<-c.done
	c.socket.Close()
	c.listener.Close()
}

// answers tells when the engine answers, or that it took too long.
func (c *ClickHouse) answers(ctx context.Context) <-chan error {
	result := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(ctx, startPatience)
		defer cancel()
		// The socket listens already: this one request waits in it until the engine takes it.
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL()+"/ping", nil)
		if err == nil {
			var response *http.Response
			if response, err = http.DefaultClient.Do(request); err == nil {
				response.Body.Close()
			}
		}
		result <- err
	}()
	return result
}

// supervise runs the child and starts it again whenever it dies. The first child's death is an error instead:
// what keeps it from starting will keep the next one too.
func (c *ClickHouse) supervise(ctx context.Context, first chan<- error) {
	defer close(c.done)
	backoff := 100 * time.Millisecond
	for {
		started := time.Now()
		err := c.runChild(ctx)
		c.pid.Store(0)
		if ctx.Err() != nil {
			return
		}
		if c.restarts.Load() == 0 && first != nil && time.Since(started) < startPatience {
			select {
			case first <- err:
			default:
			}
		}
		first = nil
		if time.Since(started) > time.Minute {
			backoff = 100 * time.Millisecond
		}
		c.log.Error("the embedded ClickHouse died and is started again", "error", err, "after", backoff)
		select {
		case <-ctx.Done():
			return
		case <-time.After(backoff):
		}
		backoff = min(2*backoff, maxBackoff)
		c.restarts.Add(1)
	}
}

// runChild runs the child to its end. Its standard input is the lifeline: it closes when this process ends.
func (c *ClickHouse) runChild(ctx context.Context) error {
	arguments := append(append([]string{}, c.config.Command[1:]...),
		"--path="+c.config.DataDir, "--library="+c.config.Library, "--listen-fd=3")
	cmd := exec.CommandContext(ctx, c.config.Command[0], arguments...)
	cmd.Env = append(os.Environ(), c.config.Env...)
	cmd.ExtraFiles = []*os.File{c.socket}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopPatience
	// Ctrl-C in a terminal goes to the whole group; the engine is to end after those who use it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	lifeline, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	defer lifeline.Close()
	output := &lastLines{log: c.log}
	cmd.Stdout, cmd.Stderr = output, output
	if err := cmd.Start(); err != nil {
		return err
	}
	c.pid.Store(int64(cmd.Process.Pid))
	err = cmd.Wait()
	if err == nil {
		err = errors.New("it ended by itself")
	}
	if said := output.String(); said != "" {
		err = fmt.Errorf("%w: %s", err, said)
	}
	return err
}

// lastLines passes what the child says on to the log and keeps the last lines for an error message.
type lastLines struct {
	log   *slog.Logger
	mu    sync.Mutex
	lines []string
	rest  string
}

func (l *lastLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	reader := bufio.NewReader(io.MultiReader(strings.NewReader(l.rest), strings.NewReader(string(p))))
	for {
		line, err := reader.ReadString('\n')
		if err != nil {
			l.rest = line[max(0, len(line)-4096):]
			return len(p), nil
		}
		line = strings.TrimRight(line, "\r\n")
		l.log.Debug("embedded ClickHouse", "says", line)
		l.lines = append(l.lines, line)
		if len(l.lines) > 5 {
			l.lines = l.lines[1:]
		}
	}
}

func (l *lastLines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.TrimSpace(strings.Join(append(l.lines, l.rest), "\n"))
}
