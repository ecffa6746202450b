package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gosight/gosight/internal/alloctest"
	"github.com/gosight/gosight/ops/standalone"
)

const asProgram = "GOSIGHT_TEST_AS_PROGRAM"

// TestMain lets the test binary be the program: `up` and the engine's process that it starts.
func TestMain(m *testing.M) {
	if os.Getenv(asProgram) == "1" {
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// program is one running gosight.
type program struct {
	*exec.Cmd
	output *output
	ended  chan struct{}
	err    error
}

type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

func start(t *testing.T, arguments ...string) *program {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &program{Cmd: exec.Command(self, arguments...), output: &output{}, ended: make(chan struct{})}
	p.Env = append(os.Environ(), asProgram+"=1")
	p.Stdout, p.Stderr = p.output, p.output
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.err = p.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() {
		p.Process.Kill()
		<-p.ended
		if t.Failed() {
			t.Logf("gosight %s said\n%s", strings.Join(arguments, " "), p.output)
		}
	})
	return p
}

// up starts the whole system on free ports and returns when its ready file is there.
func up(t *testing.T, data string, arguments ...string) (*program, standalone.Ready) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "ready.json")
	p := start(t, append([]string{"up", "--ports", "auto", "--data", data, "--ready-file", file}, arguments...)...)
	deadline := time.After(60 * time.Second)
	for {
		var ready standalone.Ready
		text, err := os.ReadFile(file)
		if err == nil {
			if err := json.Unmarshal(text, &ready); err != nil {
				t.Fatalf("the ready file is not whole: %v", err)
			}
			return p, ready
		}
		select {
		case <-p.ended:
			t.Fatalf("it ended before it was ready: %v", p.err)
		case <-deadline:
			t.Fatal("it is not ready")
		case <-time.After(5 * time.Millisecond): // the ready file is the condition
		}
	}
}

// fails runs the program to its end, which must be an error that says all of want.
func fails(t *testing.T, want []string, arguments ...string) {
	t.Helper()
	p := start(t, arguments...)
	select {
	case <-p.ended:
	case <-time.After(30 * time.Second):
		t.Fatal("it runs, and should have failed")
	}
	if p.err == nil {
		t.Error("it ended well, and should have failed")
	}
	for _, words := range want {
		if !strings.Contains(p.output.String(), words) {
			t.Errorf("its error does not say %q:\n%s", words, p.output)
		}
	}
}

// interrupt is Ctrl-C.
func (p *program) interrupt(t *testing.T) {
	t.Helper()
	began := time.Now()
	if err := p.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.ended:
	case <-time.After(20 * time.Second):
		t.Fatal("Ctrl-C did not end it")
	}
	if p.err != nil {
		t.Errorf("Ctrl-C ended it with %v", p.err)
	}
	t.Logf("stopped in %s", time.Since(began).Round(time.Millisecond))
}

func ask(t *testing.T, ready standalone.Ready, sql string) string {
	t.Helper()
	response, err := http.Post(ready.ClickHouse, "text/plain", strings.NewReader(sql))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %v", sql, body, err)
	}
	return strings.TrimSpace(string(body))
}

func waitFor(t *testing.T, ready standalone.Ready, sql, want string) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for got := ""; ; time.Sleep(20 * time.Millisecond) {
		if got = ask(t, ready, sql); got == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is %s, want %s", sql, got, want)
		}
	}
}

// send sends one event as curl would, without a key.
func send(t *testing.T, ready standalone.Ready, id string) {
	t.Helper()
	body := fmt.Sprintf(`{"sessionId":"s","events":[{"eventId":%q,"eventType":"custom","payload":"{}"}]}`, id)
	response, err := http.Post("http://"+ready.AgentHTTP+"/gosight.Ingestor/SendBatch", "application/json",
		strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answer, _ := io.ReadAll(response.Body)
	if response.StatusCode != http.StatusOK || !strings.Contains(string(answer), `"accepted":"1"`) {
		t.Fatalf("send: %s %s", response.Status, answer)
	}
}

// resident adds up the memory of a process and those that it started.
func resident(t *testing.T, pid int) (bytes int64) {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Skipf("no /proc here: %v", err)
	}
	for line := range strings.Lines(string(status)) {
		if size, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, _ := strconv.ParseInt(strings.Fields(size)[0], 10, 64)
			bytes = kib << 10
		}
	}
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, list := range lists {
		children, _ := os.ReadFile(list)
		for _, child := range strings.Fields(string(children)) {
			if id, err := strconv.Atoi(child); err == nil {
				bytes += resident(t, id)
			}
		}
	}
	return bytes
}

func TestUpStartsStopsAndFindsItsData(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	first, ready := up(t, data)
	for name, url := range map[string]string{
		"agent":            "http://" + ready.AgentAdmin + "/readyz",
		"aggregator":       "http://" + ready.AggregatorAdmin + "/readyz",
		"ui":               "http://" + ready.UI + "/",
		"sdk":              "http://" + ready.AgentHTTP + "/sdk/gosight.js",
		"clickhouse":       ready.ClickHouse + "/ping",
		"agent metrics":    "http://" + ready.AgentAdmin + "/metrics",
		"aggregator pprof": "http://" + ready.AggregatorAdmin + "/debug/pprof/cmdline",
	} {
		response, err := http.Get(url)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		response.Body.Close()
		if response.StatusCode != http.StatusOK {
			t.Errorf("%s: %s says %s", name, url, response.Status)
		}
	}
	for name, addr := range map[string]string{"gRPC": ready.AgentGRPC, "relay": ready.Relay, "Kafka": ready.Kafka} {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		conn.Close()
	}
	signsIn(t, first, ready)
	keys, err := os.Stat(filepath.Join(data, "keys.json"))
	if err != nil || keys.Mode().Perm() != 0o600 {
		t.Errorf("the keys: %v %v", keys, err)
	}
	send(t, ready, "first")
	waitFor(t, ready, "SELECT count() FROM gosight.events FINAL", "1")
	first.interrupt(t)
	if _, err := net.Dial("tcp", ready.AgentHTTP); err == nil {
		t.Error("the agent's port is still open")
	}

	began := time.Now()
	second, again := up(t, data)
	warm := time.Since(began)
	if again.ProjectKey != ready.ProjectKey || again.AdminToken != ready.AdminToken {
		t.Error("the second start has other keys")
	}
	send(t, again, "second")
	waitFor(t, again, "SELECT count() FROM gosight.events FINAL", "2")
	memory := resident(t, second.Process.Pid)
	t.Logf("from start to ready, warm: %s; memory at rest: %d MB", warm.Round(time.Millisecond), memory>>20)
	limit := int64(600 << 20)
	if alloctest.Race { // and with it our half of what is measured
		limit *= 2
	}
	if warm > 5*time.Second || memory > limit {
		t.Errorf("want below 5 s and %d MB", limit>>20)
	}
	second.interrupt(t)
}

// signsIn follows the link that is printed, as a browser would: what is the admin's alone opens.
func signsIn(t *testing.T, p *program, ready standalone.Ready) {
	t.Helper()
	var link string
	for word := range strings.FieldsSeq(p.output.String()) {
		if strings.HasPrefix(word, "http://"+ready.UI+"/?token=") {
			link = word
		}
	}
	if link == "" {
		t.Fatalf("no link to sign in with is printed:\n%s", p.output)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := http.Client{Jar: jar}
	get := func(url string) *http.Response {
		response, err := browser.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		return response
	}
	tokens := "http://" + ready.UI + "/api/v1/tokens"
	if response := get(tokens); response.StatusCode != http.StatusForbidden {
		t.Errorf("tokens before signing in: %s, want 403", response.Status)
	}
	if response := get(link); response.StatusCode != http.StatusOK || response.Request.URL.RawQuery != "" {
		t.Errorf("the link: %s at %s, want 200 and no token left in the address", response.Status, response.Request.URL)
	}
	if response := get(tokens); response.StatusCode != http.StatusOK {
		t.Errorf("tokens after following the link: %s, want 200", response.Status)
	}
}

func TestUpSurvivesKill(t *testing.T) {
	data := t.TempDir()
	for round := range 2 {
		p, ready := up(t, data)
		send(t, ready, fmt.Sprint(round))
		p.Process.Kill()
		<-p.ended
	}
	_, ready := up(t, data)
	waitFor(t, ready, "SELECT groupArray(event_id) FROM (SELECT * FROM gosight.events FINAL ORDER BY event_id)", "['0','1']")
}

func TestUpOutlivesItsEngine(t *testing.T) {
	p, ready := up(t, t.TempDir())
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", p.Process.Pid))
	var engines []int
	for _, list := range lists {
		text, _ := os.ReadFile(list)
		for _, child := range strings.Fields(string(text)) {
			id, _ := strconv.Atoi(child)
			engines = append(engines, id)
		}
	}
	if len(engines) != 1 {
		t.Skipf("cannot tell the engine's process: %v", engines)
	}
	for thread, nice := range niceness(t, engines[0]) {
		// The engine itself hurries the thread that watches its memory.
		if nice != 10 && !strings.Contains(thread, "MemoryWorker") {
			t.Errorf("the engine's thread %s runs at nice %d: it would take the processor from those who answer clients", thread, nice)
		}
	}
	if err := syscall.Kill(engines[0], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	send(t, ready, "after")
	waitFor(t, ready, "SELECT count() FROM gosight.events FINAL", "1")
	p.interrupt(t)
}

// niceness is that of each thread of a process, by the thread's id and name.
func niceness(t *testing.T, pid int) map[string]int {
	t.Helper()
	stats, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	if err != nil || len(stats) == 0 {
		t.Fatalf("no threads of process %d: %v", pid, err)
	}
	found := map[string]int{}
	for _, stat := range stats {
		text, err := os.ReadFile(stat)
		if err != nil {
			continue // it has ended
		}
		name, rest, _ := strings.Cut(string(text), ") ")
		nice, err := strconv.Atoi(strings.Fields(rest)[16]) // field 19 of proc(5)
		if err != nil {
			t.Fatal(err)
		}
		found[name] = nice
	}
	return found
}

func TestDemoIsFilledOnce(t *testing.T) {
	data := t.TempDir()
	first, ready := up(t, data, "--demo")
	response, err := http.Get("http://" + ready.Demo + "/p/arc-lamp")
	if err != nil {
		t.Fatal(err)
	}
	page, _ := io.ReadAll(response.Body)
	response.Body.Close()
	if !strings.Contains(string(page), ready.AgentHTTP+"/sdk/gosight.js") || !strings.Contains(string(page), ready.ProjectKey) {
		t.Errorf("the shop does not carry the SDK:\n%s", page)
	}
	waitFor(t, ready, "SELECT uniqExact(session_id) FROM gosight.events", "6")
	waitFor(t, ready, "SELECT count() > 0 FROM gosight.signals FINAL WHERE kind = 'rage_click'", "1")
	first.interrupt(t)
	second, ready := up(t, data, "--demo", "--log-level", "info")
	for deadline := time.Now().Add(10 * time.Second); !strings.Contains(second.output.String(), "not empty"); {
		if time.Now().After(deadline) {
			t.Fatal("it does not say that the store is not empty")
		}
		time.Sleep(10 * time.Millisecond)
	}
	if sessions := ask(t, ready, "SELECT uniqExact(session_id) FROM gosight.events"); sessions != "6" {
		t.Errorf("%s sessions after the second start", sessions)
	}
	second.interrupt(t)
}

func TestUpErrorsNameTheRemedy(t *testing.T) {
	t.Run("data directory in use", func(t *testing.T) {
		data := t.TempDir()
		p, _ := up(t, data)
		fails(t, []string{data, "another process is using it", "--data"}, "up", "--ports", "auto", "--data", data)
		p.interrupt(t)
	})
	t.Run("port taken", func(t *testing.T) {
		taken, err := net.Listen("tcp", "127.0.0.1:18123")
		if err == nil { // else it is taken already
			defer taken.Close()
		}
		fails(t, []string{"already in use", "--ports auto"}, "up", "--data", t.TempDir())
	})
	t.Run("data directory cannot be made", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		fails(t, []string{file, "--data"}, "up", "--ports", "auto", "--data", filepath.Join(file, "data"))
	})
	t.Run("no engine library", func(t *testing.T) {
		fails(t, []string{"npm install", "GOSIGHT_CHDB_LIB"}, "up", "--ports", "auto", "--data", t.TempDir(),
			"--chdb-lib", "/no/such/libchdb.so")
	})
	t.Run("unknown flag", func(t *testing.T) {
		fails(t, []string{"--nosuch", "--help"}, "up", "--nosuch")
	})
	t.Run("damaged keys", func(t *testing.T) {
		data := t.TempDir()
		if err := os.WriteFile(filepath.Join(data, "keys.json"), []byte("{"), 0o600); err != nil {
			t.Fatal(err)
		}
		fails(t, []string{"keys.json", "damaged", "delete it"}, "up", "--ports", "auto", "--data", data)
	})
}
