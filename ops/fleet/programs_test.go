package fleet

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gosight/gosight/internal/devcert"
)

// The ports of every place.
const (
	grpcPort, httpPort, adminPort, relayPort, gossipPort = 7710, 7711, 7712, 7720, 7946
	kafkaPort, clickhousePort                            = 19092, 18123
)

const gossipKey = "Z29zc2lwIGtleSBvZiBhIGZsZWV0IGluIGEgdGVzdCE="

// fleet is two regions' agents, two aggregators and the engines behind them.
type fleet struct {
	*network
	dir, ca, cert, key           string
	eu, us, one, two, store      *place
	visitor                      *place
	programs                     []*program
	euAgent, usAgent             *program
	aggregatorOne, aggregatorTwo *program
}

// program is one that runs at a place.
type program struct {
	t       *testing.T
	place   *place
	command []string
	log     string
	cmd     *exec.Cmd
	killed  bool
	ended   chan struct{}
}

// newFleet is the whole of it, ready.
func newFleet(t *testing.T) *fleet {
	t.Helper()
	f := newGround(t)
	f.aggregatorOne = f.aggregator(f.one)
	f.aggregatorTwo = f.aggregator(f.two)
	f.euAgent = f.agent(f.eu, gossipKey, "secret-of-eu")
	f.usAgent = f.agent(f.us, gossipKey, "secret-of-us")
	f.ready(f.one, f.two, f.eu, f.us)
	return f
}

func (f *fleet) ready(places ...*place) {
	f.t.Helper()
	for _, p := range places {
		f.await(p.name+" is ready", func() bool { return f.get(p, "http://"+loopback(adminPort)+"/readyz") == "ok\n" })
	}
}

// newGround is the network and the engines.
func newGround(t *testing.T) *fleet {
	t.Helper()
	if os.Getenv("GOSIGHT_BIN") == "" {
		t.Skip("GOSIGHT_BIN does not say where the programs are: make test-fleet builds them and runs this")
	}
	n, at := newNetwork(t, "eu", "us", "one", "two", "store", "visitor")
	f := &fleet{network: n, dir: t.TempDir(), eu: at["eu"], us: at["us"], one: at["one"], two: at["two"],
		store: at["store"], visitor: at["visitor"]}
	n.both(f.visitor, f.eu, func(w *way) { w.delay = 20 * time.Millisecond })
	n.both(f.visitor, f.us, func(w *way) { w.delay = 120 * time.Millisecond })
	n.both(f.eu, f.us, func(w *way) { w.delay = 50 * time.Millisecond })
	for _, aggregator := range []*place{f.one, f.two} {
		n.both(f.eu, aggregator, func(w *way) { w.delay = 5 * time.Millisecond })
		n.both(f.us, aggregator, func(w *way) { w.delay = 50 * time.Millisecond })
		n.wormhole(aggregator, f.store, kafkaPort)
		n.wormhole(aggregator, f.store, clickhousePort)
	}
	var err error
	f.cert, f.key, f.ca, err = devcert.Ensure(filepath.Join(f.dir, "tls"), f.one.String(), f.two.String())
	if err != nil {
		t.Fatal(err)
	}
	f.start(f.store, "gosight", "engine", "clickhouse", "--path", filepath.Join(f.dir, "clickhouse"),
		"--library", library(t), "--listen", loopback(clickhousePort))
	f.start(f.store, "gosight", "engine", "kafka", "--path", filepath.Join(f.dir, "kafka"), "--listen", loopback(kafkaPort))
	f.await("the engines answer", func() bool {
		return f.get(f.store, "http://"+loopback(clickhousePort)+"/ping") != "" && f.connects(f.store, loopback(kafkaPort))
	})
	return f
}

func loopback(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

// gossip are the flags of a member: all but the key, which a stranger does not have. The seeds are one of each side.
func (f *fleet) gossip(p *place) []string {
	return []string{"--id", p.name, "--region", p.name, "--fleet-addr", p.at(gossipPort), "--fleet-join",
		f.one.String() + "," + f.eu.String(), "--fleet-rejoin", "1s", "--log-format", "text", "--log-level", "info"}
}

func (f *fleet) aggregator(p *place, flags ...string) *program {
	return f.start(p, "gosight-aggregator", append(append(f.gossip(p), "--fleet-keys", gossipKey,
		"--relay-addr", p.at(relayPort), "--admin-addr", loopback(adminPort), "--api-addr", loopback(7721), "--api-allow-loopback",
		"--data-dir", filepath.Join(f.dir, p.name), "--receive-tokens", "eu=secret-of-eu;us=secret-of-us",
		"--receive-cert-file", f.cert, "--receive-key-file", f.key,
		"--kafka-brokers", loopback(kafkaPort), "--kafka-partitions", "4", "--kafka-session-timeout", "6s",
		"--kafka-rebalance-timeout", "15s", "--kafka-handle-timeout", "10s", "--clickhouse-url", "http://"+loopback(clickhousePort)), flags...)...)
}

func (f *fleet) agent(p *place, key, token string, flags ...string) *program {
	return f.start(p, "gosight-agent", append(append(f.gossip(p), "--fleet-keys", key,
		"--grpc-addr", p.at(grpcPort), "--http-addr", p.at(httpPort), "--admin-addr", loopback(adminPort), "--insecure-public",
		"--public-url", "http://"+p.at(httpPort), "--public-grpc", p.at(grpcPort),
		"--data-dir", filepath.Join(f.dir, p.name), "--keys", "k=shop",
		"--forward-ca-file", f.ca, "--forward-token", token), flags...)...)
}

// start runs one of the programs in bin/ at a place; what a test leaves behind ends with it.
func (f *fleet) start(p *place, name string, args ...string) *program {
	f.t.Helper()
	bin := os.Getenv("GOSIGHT_BIN")
	log := filepath.Join(f.dir, fmt.Sprintf("%s-%s-%s.log", p.name, name, args[1]))
	r := &program{t: f.t, place: p, command: append([]string{filepath.Join(bin, name)}, args...), log: log}
	r.start()
	f.programs = append(f.programs, r)
	f.t.Cleanup(func() {
		r.kill()
		if f.t.Failed() {
			text, _ := os.ReadFile(r.log)
			f.t.Logf("%s at %s said:\n%s", name, p.name, text[max(0, len(text)-4000):])
		}
	})
	return r
}

func (r *program) start() {
	r.t.Helper()
	log, err := os.OpenFile(r.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		r.t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(r.command[0], r.command[1:]...)
	cmd.Stdout, cmd.Stderr = log, log
	// The thread that starts it lives as long as the place.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	r.place.do <- func() { started <- cmd.Start() }
	if err := <-started; err != nil {
		r.t.Fatal(err)
	}
	r.cmd, r.killed, r.ended = cmd, false, make(chan struct{})
	go func() {
		cmd.Wait()
		close(r.ended)
	}()
}

// kill is kill -9, and returns when the program is gone.
func (r *program) kill() {
	r.killed = true
	r.cmd.Process.Kill()
	<-r.ended
}

func library(t *testing.T) string {
	path, err := filepath.Abs("../../node_modules/@chdb/lib-linux-x64-gnu/libchdb.so")
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		t.Skipf("*** NO CLICKHOUSE, THE FLEET IS NOT TESTED: %v (npm ci brings it) ***", err)
	}
	return path
}

func (f *fleet) client(p *place) *http.Client {
	return &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DialContext: p.dial, DisableKeepAlives: true}}
}

// get returns what a URL answers at a place, and nothing where it does not say 200.
func (f *fleet) get(p *place, address string) string {
	response, err := f.client(p).Get(address)
	if err != nil {
		return ""
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		return ""
	}
	return string(text)
}

func (f *fleet) connects(p *place, address string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	conn, err := p.dial(ctx, "tcp", address)
	if err == nil {
		conn.Close()
	}
	return err == nil
}

// query asks ClickHouse; the answer is trimmed.
func (f *fleet) query(sql string) string {
	f.t.Helper()
	text := f.get(f.store, "http://"+loopback(clickhousePort)+"/?query="+url.QueryEscape(sql))
	if text == "" {
		f.t.Fatalf("no answer to %s", sql)
	}
	return strings.TrimSpace(text)
}

// metric sums a metric of a program over its labels that contain with.
func (f *fleet) metric(p *place, name string, with ...string) (sum float64) {
	lines := bufio.NewScanner(strings.NewReader(f.get(p, "http://"+loopback(adminPort)+"/metrics")))
lines:
	for lines.Scan() {
		labels, value, ok := strings.Cut(lines.Text(), " ")
		if base, _, _ := strings.Cut(labels, "{"); !ok || base != name {
			continue
		}
		for _, label := range with {
			if !strings.Contains(labels, label) {
				continue lines
			}
		}
		number, err := strconv.ParseFloat(value, 64)
		if err != nil {
			f.t.Error(errors.Join(err, errors.New(lines.Text())))
		}
		sum += number
	}
	return sum
}

// await waits for what comes about in its own time, and returns how long that was.
func (f *fleet) await(what string, is func() bool) time.Duration {
	f.t.Helper()
	began := time.Now()
	for !is() {
		if time.Since(began) > 90*time.Second {
			f.t.Fatalf("not within 90 s: %s", what)
		}
		for _, r := range f.programs {
			select {
			case <-r.ended:
				if !r.killed {
					f.t.Fatalf("%s at %s ended by itself: %v", r.command[0], r.place.name, r.cmd.ProcessState)
				}
			default:
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	return time.Since(began)
}

// otherCA is the certificate of a CA that has nothing to do with the fleet's.
func otherCA(t *testing.T) string {
	t.Helper()
	_, _, ca, err := devcert.Ensure(t.TempDir(), "localhost")
	if err != nil {
		t.Fatal(err)
	}
	return ca
}
