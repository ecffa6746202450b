package chaos

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/gosight/gosight/internal/failpoint"
)

// process is a program that is kept running: however it ends, it is started again.
type process struct {
	t       *testing.T
	name    string
	command []string
	env     []string // beside the failpoints
	log     *os.File
	answers func() bool

	mu       sync.Mutex
	arm      func(p *process) string
	armed    string
	running  *exec.Cmd
	ended    chan struct{} // of running
	held     bool          // not to be started
	excused  bool          // may refuse to start: its disk is full
	leaving  bool          // was told to end
	stopping bool
	starts   int
	crashes  map[string]int // by failpoint
}

func (h *house) process(name string, arm func(*process) string, answers func() bool, command ...string) *process {
	log, err := os.OpenFile(filepath.Join(h.dir, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		h.t.Fatal(err)
	}
	p := &process{t: h.t, name: name, command: command, log: log, answers: answers, arm: arm, crashes: map[string]int{}}
	h.t.Cleanup(func() {
		p.mu.Lock()
		p.stopping = true
		p.mu.Unlock()
		p.kill()
		if h.t.Failed() {
			h.t.Logf("%s said:\n%s", name, tail(log.Name(), 3000))
		}
		log.Close()
	})
	return p
}

func (p *process) start() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running != nil || p.stopping || p.held {
		return
	}
	p.armed = ""
	if p.arm != nil {
		p.armed = p.arm(p)
	}
	p.starts++
	cmd := exec.Command(p.command[0], p.command[1:]...)
	cmd.Env = append(append(os.Environ(), failpoint.Variable+"="+p.armed, "GOMAXPROCS=2"), p.env...)
	cmd.Stdout, cmd.Stderr = p.log, p.log
	// What the tests leave behind ends with them.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	stdin, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		p.t.Errorf("start %s: %v", p.name, err)
		return
	}
	p.running, p.ended = cmd, make(chan struct{})
	go p.watch(cmd, stdin, p.ended)
}

// watch starts the program anew when it ends. Nothing but a kill may end it.
func (p *process) watch(cmd *exec.Cmd, stdin io.Closer, ended chan struct{}) {
	err := cmd.Wait()
	stdin.Close()
	status := cmd.ProcessState.Sys().(syscall.WaitStatus)
	p.mu.Lock()
	if !status.Signaled() || status.Signal() != syscall.SIGKILL {
		if p.excused {
			p.crashes["does not start on a full disk"]++
		} else if !p.stopping && !p.leaving {
			p.t.Errorf("%s ended by itself: %v\n%s", p.name, err, tail(p.log.Name(), 3000))
			p.held = true
		}
	} else if strings.Contains(p.armed, "crash") {
		p.crashes[p.armed]++
	}
	p.running, p.leaving = nil, false
	close(ended)
	p.mu.Unlock()
	p.start()
}

// kill is kill -9, and returns when the process is gone.
func (p *process) kill() {
	p.mu.Lock()
	cmd, ended := p.running, p.ended
	if cmd != nil {
		cmd.Process.Kill()
	}
	p.mu.Unlock()
	if cmd != nil {
		<-ended
	}
}

// hold kills it and keeps it down until release.
func (p *process) hold() {
	p.mu.Lock()
	p.held = true
	p.mu.Unlock()
	p.kill()
}

// leave lets it end in good order, and keeps it down until release.
func (p *process) leave() {
	p.mu.Lock()
	cmd, ended := p.running, p.ended
	p.held = true
	if cmd != nil {
		p.leaving = true
		cmd.Process.Signal(syscall.SIGTERM)
	}
	p.mu.Unlock()
	if cmd != nil {
		<-ended
	}
}

func (p *process) release() {
	p.mu.Lock()
	p.held = false
	p.mu.Unlock()
	p.start()
}

func (p *process) signal(s syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running != nil {
		p.running.Process.Signal(s)
	}
}

func (p *process) pid() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running == nil {
		return 0
	}
	return p.running.Process.Pid
}

// rearm says which failpoints the program has from its next start on, and returns what said so before.
func (p *process) rearm(arm func(*process) string) (before func(*process) string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	before, p.arm = p.arm, arm
	return before
}

// excuse allows it to end by itself.
func (p *process) excuse(excused bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.excused = excused
}

func (p *process) disarm() {
	p.mu.Lock()
	p.arm = nil
	armed := p.armed != ""
	p.mu.Unlock()
	if armed {
		p.kill()
	}
}

func (p *process) await() { eventually(p.t, p.name+" answers", p.answers) }
