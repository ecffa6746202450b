// Package e2e holds the tests of what GoSight promises as a whole. They start bin/gosight as a user does and talk
// to it over its ports only. `make e2e` builds the programs first.
package e2e

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// system is one running `gosight up` with all that it started.
type system struct {
	Ready
	cmd  *exec.Cmd
	done chan error
}

// Ready is the ready file: where everything answers.
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

// up starts the whole system on free ports over dataDir and returns once everything answers.
func up(t *testing.T, dataDir string, args ...string) *system {
	t.Helper()
	program, err := filepath.Abs(cmp.Or(os.Getenv("GOSIGHT_BIN"), "../../bin/gosight"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(program); err != nil {
		t.Fatalf("%v: run `make e2e`, which builds it first", err)
	}
	readyFile := filepath.Join(t.TempDir(), "ready.json")
	s := &system{
		cmd:  exec.Command(program, append([]string{"up", "--data", dataDir, "--ports", "auto", "--ready-file", readyFile}, args...)...),
		done: make(chan error, 1),
	}
	var log strings.Builder
	s.cmd.Stdout, s.cmd.Stderr = &log, &log
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { s.done <- s.cmd.Wait() }()
	t.Cleanup(func() {
		s.kill(t)
		if t.Failed() {
			t.Logf("gosight up said:\n%s", tail(log.String(), 4000))
		}
	})

	deadline := time.Now().Add(60 * time.Second)
	for {
		text, err := os.ReadFile(readyFile)
		if err == nil {
			if err := json.Unmarshal(text, &s.Ready); err != nil {
				t.Fatalf("ready file: %v", err)
			}
			return s
		}
		if !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		select {
		case err := <-s.done:
			s.done <- err
			t.Fatalf("gosight up ended before it was ready: %v\n%s", err, tail(log.String(), 4000))
		case <-time.After(20 * time.Millisecond): // the ready file is what is waited for
		}
		if time.Now().After(deadline) {
			t.Fatal("gosight up was not ready within a minute")
		}
	}
}

// interrupt is Ctrl-C: everything has to stop by itself, and well.
func (s *system) interrupt(t *testing.T) {
	t.Helper()
	if err := s.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-s.done:
		s.done <- err
		if err != nil {
			t.Errorf("Ctrl-C ended it with %v", err)
		}
	case <-time.After(30 * time.Second):
		t.Error("Ctrl-C did not end it within 30 s")
	}
}

// kill ends the program as a power cut would; its children must notice by themselves.
func (s *system) kill(t *testing.T) {
	t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGKILL); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("kill: %v", err)
	}
	err := <-s.done
	s.done <- err
}

// query is ask for the test's own goroutine.
func (s *system) query(t *testing.T, sql string) string {
	t.Helper()
	text, err := s.ask(t.Context(), sql)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// ask runs SQL on ClickHouse over its HTTP interface, as curl would, and returns the answer's text.
func (s *system) ask(ctx context.Context, sql string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.ClickHouse+"/?"+url.Values{"database": {"gosight"}}.Encode(), strings.NewReader(sql))
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return "", err
	}
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s\n%s", sql, body)
	}
	return strings.TrimSpace(string(body)), nil
}

// eventually asks until the answer is want: the condition is waited for, and where it does not come the last
// answer is shown.
func (s *system) eventually(t *testing.T, within time.Duration, sql, want string) {
	t.Helper()
	deadline := time.Now().Add(within)
	for {
		got := s.query(t, sql)
		if got == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s\nis %q after %s, want %q", sql, got, within, want)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// metric adds up a counter or gauge over those that have all of the labels' values, as a part's admin port shows it.
func metric(t *testing.T, admin, name string, labels ...string) float64 {
	t.Helper()
	response, err := http.Get("http://" + admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	total := 0.0
	for _, m := range families[name].GetMetric() {
		has := func(value string) bool {
			return slices.ContainsFunc(m.GetLabel(), func(l *dto.LabelPair) bool { return l.GetValue() == value })
		}
		if slices.ContainsFunc(labels, func(value string) bool { return !has(value) }) {
			continue
		}
		total += m.GetCounter().GetValue() + m.GetGauge().GetValue()
	}
	return total
}

// metricReaches waits until a counter is at least want.
func (s *system) metricReaches(t *testing.T, within time.Duration, admin, name string, want float64, labels ...string) {
	t.Helper()
	deadline := time.Now().Add(within)
	for {
		got := metric(t, admin, name, labels...)
		if got >= want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is %g after %s, want %g", name, got, within, want)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// residentBytes adds up the memory of a process and all its descendants.
func residentBytes(t *testing.T, pid int) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	var total int64
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			total += kib << 10
		}
	}
	children, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range children {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // the thread ended
		}
		for field := range strings.FieldsSeq(string(text)) {
			child, err := strconv.Atoi(field)
			if err != nil {
				t.Fatal(err)
			}
			total += residentBytes(t, child)
		}
	}
	return total
}

func tail(text string, n int) string {
	if len(text) > n {
		return "…" + text[len(text)-n:]
	}
	return text
}
