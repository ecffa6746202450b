package chaos

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sys/unix"

	"github.com/gosight/gosight/internal/devcert"
	"github.com/gosight/gosight/internal/freeport"
	"github.com/gosight/gosight/ops/engines/chdb"
)

// How long anything may take that must happen: the machine may be very busy.
const patience = 3 * time.Minute

// built is where build put them, if it did.
var built string

// build makes the programs, once for all tests, with failpoints in them.
var build = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "gosight-chaos-bin-")
	if err != nil {
		return "", err
	}
	built = dir
	out, err := exec.Command("go", "build", "-tags", "failpoints", "-o", dir+"/", "../cmd/gosight",
		"../../agent/cmd/gosight-agent", "../../aggregator/cmd/gosight-aggregator").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build the programs: %w\n%s", err, out)
	}
	// A link, so that an npm install meanwhile does not take the engine away.
	library, err := chdb.FindLibrary("")
	if err == nil {
		err = os.Link(library, filepath.Join(dir, "libchdb.so"))
	}
	if err != nil {
		return "", fmt.Errorf("find the engine: %w", err)
	}
	return dir, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if built != "" {
		os.RemoveAll(built)
	}
	os.Exit(code)
}

// house is all of GoSight as processes, with proxies on the ways between them.
type house struct {
	t   *testing.T
	dir string
	// small is where the agent keeps its data: a file system of its own where that is allowed, so that it can be
	// filled. Else it is empty, and max-bytes is what is met.
	small string
	// settles is how long numbers may take to be right once everything is stored.
	settles time.Duration

	agent, clickhouse *process
	brokers           []*process // one, or several of Apache Kafka
	aggregators       [2]*process

	agentGRPC, agentHTTP, agentAdmin, api string
	kafkaAddrs                            []string
	adminOf                               map[*process]string
	clickhouseURL                         string
	relays                                [2]*proxy
	front                                 []*proxy // between clients and the agent
	engine                                *proxy
}

type shape struct {
	agentArgs      []string
	aggregatorArgs []string
	env            []string // of agent and aggregators
	roomy          bool     // the agent's disk is not a small one
	// brokers makes the processes of another Kafka than the embedded one, and sets kafkaAddrs.
	brokers func(h *house) []*process
	// prepare runs before the aggregators start.
	prepare func(h *house)
	// arm gives the failpoints of a program that is about to start; nil for none.
	arm func(p *process) string
}

func newHouse(t *testing.T, s shape) *house {
	t.Helper()
	bin, err := build()
	if err != nil {
		t.Fatal(err)
	}
	h := &house{t: t, dir: t.TempDir(), adminOf: map[*process]string{}, settles: patience}
	data := filepath.Join(h.dir, "agent")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	if !s.roomy && unix.Mount("tmpfs", data, "tmpfs", 0, "size=192m") == nil {
		h.small = data
		t.Cleanup(func() { unix.Unmount(data, unix.MNT_DETACH) })
	}
	ports, err := freeport.Addrs(11)
	if err != nil {
		t.Fatal(err)
	}
	h.agentAdmin, h.api, h.clickhouseURL = ports[2], ports[5], "http://"+ports[8]
	cert, key, ca, err := devcert.Ensure(filepath.Join(h.dir, "tls"), "127.0.0.1", "localhost")
	if err != nil {
		t.Fatal(err)
	}
	h.front = []*proxy{newProxy(t, ports[0]), newProxy(t, ports[1])}
	h.agentGRPC, h.agentHTTP = h.front[0].addr, h.front[1].addr
	h.relays = [2]*proxy{newProxy(t, ports[3]), newProxy(t, ports[4])}
	h.engine = newProxy(t, ports[8])

	h.clickhouse = h.process("clickhouse", s.arm, url200(h.clickhouseURL+"/ping"), bin+"/gosight",
		"engine", "clickhouse", "--library", bin+"/libchdb.so", "--path", filepath.Join(h.dir, "clickhouse"), "--listen", ports[8])
	if s.brokers != nil {
		h.brokers = s.brokers(h)
	} else {
		h.kafkaAddrs = []string{ports[7]}
		h.brokers = []*process{h.process("kafka", s.arm, connects(ports[7]), bin+"/gosight",
			"engine", "kafka", "--path", filepath.Join(h.dir, "kafka"), "--listen", ports[7])}
	}
	engines := h.all()[:1+len(h.brokers)]
	for _, p := range engines {
		p.start()
	}
	for _, p := range engines {
		p.await()
	}
	if s.prepare != nil {
		s.prepare(h)
	}
	for i, relay := range []string{ports[3], ports[4]} {
		admin := []string{ports[6], ports[9]}[i]
		args := append([]string{
			"--relay-addr", relay, "--admin-addr", admin, "--data-dir", h.dir,
			"--api-addr", []string{h.api, ports[10]}[i], "--api-allow-loopback", "--api-query-timeout", "1m",
			"--receive-cert-file", cert, "--receive-key-file", key, "--receive-allow-anonymous-loopback",
			"--kafka-brokers", strings.Join(h.kafkaAddrs, ","), "--kafka-partitions", "4", "--clickhouse-url", "http://" + h.engine.addr,
			// Shorter than in production by as much as outages here are shorter.
			"--kafka-session-timeout", "6s", "--kafka-rebalance-timeout", "15s", "--kafka-handle-timeout", "10s",
			"--kafka-produce-timeout", "5s", "--clickhouse-insert-timeout", "5s",
			"--log-format", "text", "--log-level", "info",
		}, s.aggregatorArgs...)
		h.aggregators[i] = h.process(fmt.Sprintf("aggregator%d", i), s.arm, url200("http://"+admin+"/readyz"),
			append([]string{bin + "/gosight-aggregator"}, args...)...)
		h.adminOf[h.aggregators[i]] = admin
	}
	h.agent = h.process("agent", s.arm, url200("http://"+h.agentAdmin+"/readyz"),
		append([]string{
			bin + "/gosight-agent",
			"--id", "chaos", "--grpc-addr", ports[0], "--http-addr", ports[1], "--admin-addr", h.agentAdmin,
			"--data-dir", data, "--allow-anonymous-loopback", "--queue-min-free-bytes", "0",
			"--queue-segment-bytes", "4194304", "--queue-retry-after", "300ms",
			"--forward-aggregators", h.relays[0].addr + "," + h.relays[1].addr, "--forward-ca-file", ca,
			"--forward-timeout", "5s", "--forward-backoff-max", "1s", "--forward-quic-retry", "5s",
			"--log-format", "text", "--log-level", "info",
		}, s.agentArgs...)...)
	h.adminOf[h.agent] = h.agentAdmin
	programs := h.all()[len(engines):]
	for _, p := range programs {
		p.env = s.env
		p.start()
	}
	for _, p := range programs {
		p.await()
	}
	return h
}

// all are the engines, and then those that need them.
func (h *house) all() []*process {
	return slices.Concat([]*process{h.clickhouse}, h.brokers, []*process{h.aggregators[0], h.aggregators[1], h.agent})
}

func url200(url string) func() bool {
	client := &http.Client{Timeout: 3 * time.Second}
	return func() bool {
		response, err := client.Get(url)
		if err != nil {
			return false
		}
		response.Body.Close()
		return response.StatusCode == http.StatusOK
	}
}

func connects(addr string) func() bool {
	return func() bool {
		conn, err := net.DialTimeout("tcp", addr, time.Second)
		if err == nil {
			conn.Close()
		}
		return err == nil
	}
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(25 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", patience, what)
		}
	}
}

func tail(path string, n int) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-n):])
}

// metrics are all values that a part shows, those of one name and their labels added up.
func metrics(admin string) (map[string]float64, error) {
	client := http.Client{Timeout: 5 * time.Second}
	response, err := client.Get("http://" + admin + "/metrics")
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(response.Body)
	if err != nil {
		return nil, err
	}
	sums := map[string]float64{}
	for name, family := range families {
		for _, m := range family.GetMetric() {
			sums[name] += m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return sums, nil
}

// queryIn runs SQL on the engine itself, past the proxy.
func (h *house) queryIn(database, sql string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	where := h.clickhouseURL + "/?" + url.Values{"database": {database}}.Encode()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, where, strings.NewReader(sql))
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %.500s", sql, body)
	}
	return strings.TrimSuffix(string(body), "\n"), err
}

func (h *house) mustQuery(sql string) string {
	h.t.Helper()
	return h.mustQueryIn("gosight", sql)
}

func (h *house) mustQueryIn(database, sql string) string {
	h.t.Helper()
	text, err := h.queryIn(database, sql)
	if err != nil {
		h.t.Fatal(err)
	}
	return text
}

// queued is how many batches the agent has not delivered; -1 where it does not say.
func (h *house) queued() float64 {
	m, err := metrics(h.agentAdmin)
	if err != nil {
		return -1
	}
	return m["gosight_queue_depth_values"]
}

// lag is how many records lie in Kafka uncommitted: asked of Kafka itself, since members that died show nothing.
func (h *house) lag() (int64, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(h.kafkaAddrs...))
	if err != nil {
		return 0, err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	groups, err := kadm.NewClient(client).Lag(ctx, "gosight.events", "gosight.replay")
	if err != nil {
		return 0, err
	}
	total := int64(0)
	for _, group := range groups {
		if err := group.Error(); err != nil {
			return 0, err
		}
		total += group.Lag.Total()
	}
	if len(groups) != 2 {
		return 0, errors.New("not both groups")
	}
	return total, nil
}

// quiet waits until nothing is under way any more.
func (h *house) quiet() {
	h.t.Helper()
	eventually(h.t, "the agent's queue is empty", func() bool { return h.queued() == 0 })
	moved, last := time.Now(), int64(-1)
	eventually(h.t, "everything in Kafka is committed", func() bool {
		lag, err := h.lag()
		if err == nil && lag != last {
			moved, last = time.Now(), lag
		}
		if time.Since(moved) > 40*time.Second && len(h.brokers) == 1 {
			h.t.Logf("kfake keeps a dead member, %d records wait: somebody joins and leaves", last)
			h.rebalance()
			moved = time.Now()
		}
		return err == nil && lag == 0
	})
}

// rebalance joins both consumer groups and leaves them. kfake, unlike Kafka, starts no session timer for a member
// whose connection is gone when its place in the group is to be answered: a program that is killed at that moment
// holds its partitions until the next rebalance.
func (h *house) rebalance() {
	for _, lane := range []string{"gosight.events", "gosight.replay"} {
		client, err := kgo.NewClient(kgo.SeedBrokers(h.kafkaAddrs...), kgo.ConsumerGroup(lane), kgo.ConsumeTopics(lane),
			kgo.DisableAutoCommit(), kgo.SessionTimeout(6*time.Second), kgo.RebalanceTimeout(15*time.Second))
		if err != nil {
			h.t.Error(err)
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		for generation := int32(-1); generation < 0 && ctx.Err() == nil; _, generation = client.GroupMetadata() {
			poll, stop := context.WithTimeout(ctx, 100*time.Millisecond)
			client.PollFetches(poll)
			stop()
		}
		cancel()
		client.Close()
	}
}
