// Package target starts the system that is measured and asks it, from outside, what it did: its processes what they
// used, its metrics what they count, ClickHouse what has arrived.
package target

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Ready says where everything answers: what `gosight up --ready-file` writes.
type Ready struct {
	AgentGRPC       string `json:"agent_grpc"`
	AgentHTTP       string `json:"agent_http"`
	AgentAdmin      string `json:"agent_admin"`
	Relay           string `json:"relay"`
	UI              string `json:"ui"`
	AggregatorAdmin string `json:"aggregator_admin"`
	ClickHouse      string `json:"clickhouse"`
	Kafka           string `json:"kafka"`
	ProjectKey      string `json:"project_key"`
	AdminToken      string `json:"admin_token"`
}

// Process is one that the benchmark started.
type Process struct {
	Role string
	cmd  *exec.Cmd
	done chan struct{}
	err  error
	log  string
}

// PID of the process.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// launch starts a program that logs to dir/ROLE.log. Its standard input ends when this process does.
func launch(dir, role string, files []*os.File, name string, args ...string) (*Process, error) {
	p := &Process{Role: role, cmd: exec.Command(name, args...), done: make(chan struct{}), log: filepath.Join(dir, role+".log")}
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open log of %s: %w", role, err)
	}
	defer log.Close()
	p.cmd.Stdout, p.cmd.Stderr, p.cmd.ExtraFiles = log, log, files
	if _, err := p.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("start %s: %w", role, err)
	}
	// Ctrl-C is for the benchmark, which then stops what it started in order.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", role, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// Stop asks the process to end, and makes it after 20 seconds.
func (p *Process) Stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("%s had ended by itself: %w\n%s", p.Role, errors.Join(p.err), p.tail())
	}
	select {
	case <-p.done:
		return nil
	case <-time.After(20 * time.Second):
		return errors.Join(fmt.Errorf("%s did not stop within 20 s\n%s", p.Role, p.tail()), p.Kill())
	}
}

// Kill ends the process as a power cut would.
func (p *Process) Kill() error {
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill %s: %w", p.Role, err)
	}
	<-p.done
	return nil
}

func (p *Process) tail() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-3000):])
}

// await polls until ready says so, the process ends, or a minute has passed.
func (p *Process) await(ctx context.Context, what string, ready func() bool) error {
	deadline := time.After(time.Minute)
	for !ready() {
		select {
		case <-p.done:
			return fmt.Errorf("%s ended before %s: %w\n%s", p.Role, what, errors.Join(p.err), p.tail())
		case <-deadline:
			return fmt.Errorf("%s: no %s within a minute\n%s", p.Role, what, p.tail())
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}

// System is what is measured.
type System struct {
	Ready
	// Project that the events go to.
	Project string
	// Shape says which processes there are: "up" is one for agent and aggregator, "chain" has each apart.
	Shape string
	chain *chain
	dir   string

	mu        sync.Mutex
	processes []*Process          // in the order in which they were started
	parts     map[string]*Process // those of a chain, by role
}

// Up starts `gosight up` on free ports, with its data below dir.
func Up(ctx context.Context, bin, dir string) (*System, error) {
	file := filepath.Join(dir, "ready.json")
	p, err := launch(dir, "gosight", nil, filepath.Join(bin, "gosight"),
		"up", "--data", filepath.Join(dir, "data"), "--ports", "auto", "--ready-file", file)
	if err != nil {
		return nil, err
	}
	s := &System{Project: "default", Shape: "up", processes: []*Process{p}, dir: dir}
	err = p.await(ctx, "ready file", func() bool {
		text, readErr := os.ReadFile(file)
		return !errors.Is(readErr, fs.ErrNotExist) && json.Unmarshal(text, &s.Ready) == nil
	})
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Attach measures what somebody else started with --ready-file. Its processes are not looked at.
func Attach(readyFile string) (*System, error) {
	text, err := os.ReadFile(readyFile)
	if err != nil {
		return nil, fmt.Errorf("read ready file: %w", err)
	}
	s := &System{Project: "default", Shape: "attached"}
	if err := json.Unmarshal(text, &s.Ready); err != nil {
		return nil, fmt.Errorf("read ready file %s: %w", readyFile, err)
	}
	return s, nil
}

// Close stops all that was started, the last first.
func (s *System) Close() error {
	var errs []error
	for i := len(s.processes) - 1; i >= 0; i-- {
		errs = append(errs, s.processes[i].Stop())
	}
	s.processes = nil
	return errors.Join(errs...)
}

// Version is what the program in bin calls itself.
func Version(bin string) string {
	out, err := exec.Command(filepath.Join(bin, "gosight"), "version").Output()
	if err != nil {
		return "unknown: " + err.Error()
	}
	return string(bytes.TrimSpace(out))
}

// HTTPURL is an address as URL.
func HTTPURL(addr string) string {
	if strings.Contains(addr, "://") {
		return strings.TrimSuffix(addr, "/")
	}
	return "http://" + addr
}
