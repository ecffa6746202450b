package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gosight/gosight/internal/devcert"
	"github.com/gosight/gosight/internal/freeport"
	"github.com/gosight/gosight/ops/engines/chdb"
)

const (
	centreToken = "the-admin-of-the-tests"
	// How long anything may take that must happen: the machine may be very busy.
	patience = 90 * time.Second
)

// fleet is an aggregator and agents as programs of their own, with the engines behind them.
type fleet struct {
	t          *testing.T
	dir        string
	api        string
	aggregator *part
	agents     []*part
	engines    *system // for its questions to ClickHouse
	sent       map[string]bool
}

// part is one program of it.
type part struct {
	t             *testing.T
	name, answers string // answers: the URL that says 200 when it is ready
	http          string // an agent's address for browsers
	command       []string
	log           string
	cmd           *exec.Cmd
	ended         chan struct{}
}

func newFleet(t *testing.T, agents int) *fleet {
	t.Helper()
	bin, err := filepath.Abs("../../bin")
	if err != nil {
		t.Fatal(err)
	}
	library, err := chdb.FindLibrary("")
	if err != nil {
		t.Fatal(err)
	}
	f := &fleet{t: t, dir: t.TempDir(), sent: map[string]bool{}}
	cert, key, ca, err := devcert.Ensure(filepath.Join(f.dir, "tls"), "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	ports, err := freeport.Addrs(5 + 3*agents)
	if err != nil {
		t.Fatal(err)
	}
	clickhouse, kafka, relay, admin := ports[0], ports[1], ports[2], ports[3]
	f.api = "http://" + ports[4]
	f.engines = &system{Ready: Ready{ClickHouse: "http://" + clickhouse}}
	f.start("clickhouse", "http://"+clickhouse+"/ping", filepath.Join(bin, "gosight"), "engine", "clickhouse",
		"--library", library, "--path", filepath.Join(f.dir, "clickhouse"), "--listen", clickhouse)
	f.start("kafka", "", filepath.Join(bin, "gosight"), "engine", "kafka", "--path", filepath.Join(f.dir, "kafka"), "--listen", kafka)
	f.aggregator = f.start("aggregator", "http://"+admin+"/readyz", filepath.Join(bin, "gosight-aggregator"),
		"--relay-addr", relay, "--admin-addr", admin, "--api-addr", ports[4], "--api-admin-token", centreToken,
		"--data-dir", f.dir, "--receive-cert-file", cert, "--receive-key-file", key, "--kafka-brokers", kafka,
		"--kafka-partitions", "2", "--kafka-session-timeout", "6s", "--clickhouse-url", "http://"+clickhouse)
	for i := range agents {
		own := ports[5+3*i:]
		name := fmt.Sprintf("edge-%d", i+1)
		var credential struct{ Secret string }
		f.command(&credential, "agent", "create", name)
		agent := f.start(name, "http://"+own[2]+"/readyz", filepath.Join(bin, "gosight-agent"), "--id", name,
			"--grpc-addr", own[0], "--http-addr", own[1], "--admin-addr", own[2], "--data-dir", filepath.Join(f.dir, name),
			"--forward-aggregators", relay, "--forward-ca-file", ca, "--forward-token", credential.Secret)
		agent.http = own[1]
		f.agents = append(f.agents, agent)
	}
	return f
}

// start runs a program and returns when it answers; what the test leaves behind ends with it.
func (f *fleet) start(name, answers string, command ...string) *part {
	f.t.Helper()
	p := &part{t: f.t, name: name, answers: answers, command: command, log: filepath.Join(f.dir, name+".log")}
	f.t.Cleanup(func() {
		p.kill()
		if text, err := os.ReadFile(p.log); f.t.Failed() && err == nil {
			f.t.Logf("%s said:\n%s", name, tail(string(text), 3000))
		}
	})
	p.run()
	return p
}

func (p *part) run() {
	p.t.Helper()
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		p.t.Fatal(err)
	}
	defer log.Close()
	p.cmd, p.ended = exec.Command(p.command[0], p.command[1:]...), make(chan struct{})
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		p.t.Fatalf("%v: run `make e2e`, which builds the programs first", err)
	}
	go func(cmd *exec.Cmd, ended chan struct{}) {
		_ = cmd.Wait() // killed, or its log says why
		close(ended)
	}(p.cmd, p.ended)
	for deadline := time.Now().Add(patience); p.answers != ""; time.Sleep(20 * time.Millisecond) {
		response, err := http.Get(p.answers)
		if err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case <-p.ended:
			p.t.Fatalf("%s ended by itself: %v", p.name, p.cmd.ProcessState)
		default:
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("%s does not answer within %s", p.name, patience)
		}
	}
}

// kill is kill -9, and returns when the program is gone.
func (p *part) kill() {
	if p.ended != nil {
		_ = p.cmd.Process.Kill() // gone already
		<-p.ended
	}
}

// command runs `gosight` against the centre and reads the JSON that it prints.
func (f *fleet) command(out any, args ...string) {
	f.t.Helper()
	var said bytes.Buffer
	cmd := exec.Command("../../bin/gosight", append(args, "--server", f.api, "--token", centreToken, "--project", "site")...)
	cmd.Stderr = &said
	text, err := cmd.Output()
	if err == nil && out != nil {
		err = json.Unmarshal(text, out)
	}
	if err != nil {
		f.t.Fatalf("gosight %s: %v\n%s%s", strings.Join(args, " "), err, text, &said)
	}
}

// send sends one event to an agent with a key, and returns the status and the agent's words.
func (f *fleet) send(agent *part, key string) (status int, said string) {
	f.t.Helper()
	id := fmt.Sprintf("event-%d", rand.Uint64())
	body := fmt.Sprintf(`{"events":[{"sessionId":"visit-at-%s","eventType":"click","eventId":%q}]}`, agent.name, id)
	ctx, cancel := context.WithTimeout(f.t.Context(), patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, "POST", "http://"+agent.http+"/gosight.Ingestor/SendBatch", strings.NewReader(body))
	if err != nil {
		f.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Gosight-Key", key)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		f.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	if response.StatusCode == http.StatusOK {
		f.sent[id] = true
	}
	return response.StatusCode, string(text)
}

// everywhere says whether every agent answers the key with this status and these words.
func (f *fleet) everywhere(key string, status int, words string) error {
	f.t.Helper()
	var errs []error
	for _, agent := range f.agents {
		if got, said := f.send(agent, key); got != status || !strings.Contains(said, words) {
			errs = append(errs, fmt.Errorf("%s says %d %s, want %d %s", agent.name, got, said, status, words))
		}
	}
	return errors.Join(errs...)
}

// A key that the centre makes is taken by every agent and one that it revokes by none, within ten seconds. While the
// centre is away, agents that start know what they knew.
func TestKeysReachEveryAgent(t *testing.T) {
	f := newFleet(t, 3)
	const revoked, unknown = "this project key was revoked", "unknown project key"
	within := func(what string, holds func() error) time.Duration {
		t.Helper()
		began := time.Now()
		for err := holds(); err != nil; err = holds() {
			if time.Since(began) > patience {
				t.Fatalf("not within %s: %s: %v", patience, what, err)
			}
			time.Sleep(20 * time.Millisecond)
		}
		return time.Since(began)
	}
	var kept, gone struct{ ID, Secret string }
	f.command(&kept, "key", "create", "stays")
	f.command(&gone, "key", "create", "goes")
	for _, secret := range []string{kept.Secret, gone.Secret} {
		took := within("a new key is taken by every agent", func() error { return f.everywhere(secret, 200, "") })
		t.Logf("a new key is taken by 3 agents %.1f s after it was made", took.Seconds())
	}

	// What the machine itself holds up is seen by a key that is good all the time.
	slowest := time.Duration(0)
	began := time.Now()
	f.command(nil, "key", "revoke", gone.ID)
	within("a revoked key is refused by every agent", func() error {
		before := time.Now()
		if err := f.everywhere(kept.Secret, 200, ""); err != nil {
			t.Fatalf("the other key: %v", err)
		}
		slowest = max(slowest, time.Since(before))
		return f.everywhere(gone.Secret, 401, revoked)
	})
	took := time.Since(began)
	t.Logf("a revoked key is refused by 3 agents %.1f s after the command was given; a good one took them %.2f s at most",
		took.Seconds(), slowest.Seconds())
	if took > 10*time.Second && slowest < 2*time.Second {
		t.Errorf("refused after %.1f s, promised are 10 s", took.Seconds())
	}

	f.aggregator.kill()
	for _, agent := range f.agents {
		agent.kill()
		agent.run()
	}
	for key, want := range map[string]struct {
		status int
		words  string
	}{
		kept.Secret: {200, ""}, gone.Secret: {401, revoked}, "gs_never_made": {401, unknown},
		"": {401, "no project key"},
	} {
		if err := f.everywhere(key, want.status, want.words); err != nil {
			t.Errorf("agents that started without the centre: %v", err)
		}
	}

	// What they took without it is stored once it is back, and of what they refused nothing.
	f.aggregator.run()
	f.engines.eventually(t, patience, "SELECT count(), uniqExact(event_id), uniqExact(session_id) FROM events FINAL WHERE project = 'site'",
		fmt.Sprintf("%d\t%d\t%d", len(f.sent), len(f.sent), len(f.agents)))
}
