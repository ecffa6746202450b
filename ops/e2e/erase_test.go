package e2e

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"github.com/gosight/gosight/internal/devcert"
	"github.com/gosight/gosight/internal/registry"
	"github.com/gosight/gosight/proto/gen/gosight"
	"github.com/gosight/gosight/proto/gen/gosight/gosightconnect"
	"github.com/gosight/gosight/proto/wire"
)

// person is somebody whose visits are sent.
type person struct {
	user     string
	sessions []string
}

// site sends visits to a system's agent.
type site struct {
	*system
	ingest gosight.IngestorClient
}

func newSite(t *testing.T, s *system) *site {
	t.Helper()
	conn, err := grpc.NewClient(s.AgentGRPC, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &site{s, gosight.NewIngestorClient(conn)}
}

// send sends a batch and returns what the agent says of it.
func (s *site) send(t *testing.T, user, session string, events ...*gosight.Event) *gosight.Status {
	t.Helper()
	now := time.Now().UnixMilli()
	for _, event := range events {
		event.Timestamp = now
	}
	ctx, cancel := context.WithTimeout(metadata.AppendToOutgoingContext(t.Context(), "x-gosight-key", s.ProjectKey), 20*time.Second)
	defer cancel()
	status, err := s.ingest.SendBatch(ctx, &gosight.EventBatch{SessionId: session, UserId: user, SentAt: now, Events: events,
		Metadata: map[string]string{"url": "https://shop.example/of/" + user + "?tab=1", "browser": "Firefox", "page_id": "page-" + session}})
	if err != nil {
		t.Fatal(err)
	}
	return status
}

// visit sends what people do, and returns how many events that was.
func (s *site) visit(t *testing.T, p person) (sent int) {
	t.Helper()
	payload := func(format string, args ...any) string { return fmt.Sprintf(format, args...) }
	for _, session := range p.sessions {
		var events []*gosight.Event
		for range 8 { // a rage click: a row of signals
			events = append(events, &gosight.Event{EventType: "click", Payload: `{"x":10,"y":10,"selector":"#buy","tag":"button","text":"Buy"}`})
		}
		events = append(events,
			&gosight.Event{EventType: "custom", Payload: payload(`{"name":"opened","props":{"by":%q}}`, p.user)},
			&gosight.Event{EventType: "error", Payload: payload(`{"message":"no such account: %s"}`, p.user)},
			&gosight.Event{EventType: "full_snapshot", Payload: `{"type":2,"data":{"node":{"type":0,"childNodes":[]}}}`},
			&gosight.Event{EventType: "mutation", Payload: payload(`{"type":3,"data":{"text":%q}}`, "Hello "+p.user)})
		if status := s.send(t, p.user, session, events...); status.Accepted != uint64(len(events)) {
			t.Fatalf("%s: the agent says %v", session, status)
		}
		sent += len(events)
	}
	return sent
}

// noise is text that no codec makes smaller than half.
func noise(bytes int) string {
	b := make([]byte, bytes/2)
	rand.Read(b)
	return hex.EncodeToString(b)
}

// damaged is a batch of which the end is missing, as it might come out of Kafka.
func damaged(t *testing.T, session, user string) *kgo.Record {
	t.Helper()
	batch := &gosight.Batch{Project: "default", SessionId: session, Lane: gosight.Lane_LANE_EVENTS, UserId: user,
		Events: []*gosight.Event{{EventId: "damaged", EventType: "custom", Payload: `{"name":"` + noise(200) + `"}`}}}
	value, err := batch.MarshalVT()
	if err != nil {
		t.Fatal(err)
	}
	return &kgo.Record{Topic: "gosight.events", Key: []byte("default/" + session), Value: value[:len(value)-50]}
}

func TestAnErasedUserIsNowhere(t *testing.T) {
	dataDir := t.TempDir()
	s := newSite(t, up(t, dataDir))
	// The engine keeps the files of rewritten parts for eight minutes; the test does not wait for so long.
	for _, table := range strings.Fields(s.query(t, "SELECT name FROM system.tables WHERE database = 'gosight' AND engine LIKE '%MergeTree'")) {
		s.query(t, "ALTER TABLE "+table+" MODIFY SETTING old_parts_lifetime = 1")
	}
	zoe := person{"user-zoe-5b1d", []string{"visit-1f", "visit-2f", "visit-3f"}}
	ann, bob := person{"user-ann-77c0", []string{"visit-4a", "visit-5a"}}, person{"user-bob-31e9", []string{"visit-6b"}}

	sent := 0
	for _, p := range []person{zoe, ann, bob} {
		sent += s.visit(t, p)
	}
	const large, batches = 50, 40
	for range batches { // 8 MB that lz4 and zstd leave much of
		var events []*gosight.Event
		for range large {
			events = append(events, &gosight.Event{EventType: "export", Payload: `{"data":"` + noise(4000) + `"}`})
		}
		if status := s.send(t, zoe.user, zoe.sessions[0], events...); status.Accepted != large {
			t.Fatalf("the agent says %v", status)
		}
		sent += large
	}
	// A session that is known from a dead letter alone, too.
	letters := []*kgo.Record{damaged(t, zoe.sessions[1], zoe.user), damaged(t, "visit-unknown", zoe.user), damaged(t, bob.sessions[0], bob.user)}
	produce(t, s.system, letters...)
	s.eventually(t, 60*time.Second, "SELECT count() FROM events FINAL", fmt.Sprint(sent))
	s.eventually(t, 60*time.Second, "SELECT count(DISTINCT session_id) FROM signals FINAL WHERE kind = 'rage_click'", "6")
	s.metricReaches(t, 60*time.Second, s.AggregatorAdmin, "gosight_bus_dead_letters_total", 3)
	replay(t, s.system, zoe.sessions[0])

	// What is looked for is found, and everywhere.
	words := append([]string{zoe.user, "visit-unknown"}, zoe.sessions...)
	tables, topics := inTables(t, s.ClickHouse, append(words, ann.user, bob.user)...), inTopics(t, s.Kafka, append(words, bob.user)...)
	t.Logf("before: %v\n%v", tables, topics)
	for text, want := range map[string]string{
		zoe.user:        "events known_values page_views replay session_days sessions signals",
		zoe.sessions[0]: "audit events page_views replay session_days sessions signals",
	} {
		if got := strings.Join(tables[text], " "); got != want {
			t.Errorf("before, %s is in %s, want %s", text, got, want)
		}
	}
	for _, topic := range []string{"gosight.events", "gosight.replay", "gosight.dlq"} {
		if !slices.Contains(topics[zoe.user], topic) {
			t.Errorf("before, %s is not in %s", zoe.user, topic)
		}
	}
	others := othersRows(t, s.system, zoe)
	diskBefore := diskUse(t, filepath.Join(dataDir, "clickhouse"))

	erasure := erase(t, s.system, dataDir, zoe.user)
	t.Logf("erased in %.1f s: %v", float64(erasure.CompletedAt-erasure.RequestedAt)/1000, erasure.Removed)
	if erasure.CompletedAt == 0 || erasure.User != "" || len(erasure.Sessions) > 0 {
		t.Errorf("the command ended with %+v", erasure)
	}
	if erasure.Removed["dead_letters"] != 2 || erasure.Removed["events"] == 0 || erasure.Removed["replay"] == 0 {
		t.Errorf("removed were %v", erasure.Removed)
	}
	gone := func(when string) {
		t.Helper()
		if places := inTables(t, s.ClickHouse, words...); len(places) > 0 {
			t.Errorf("%s, tables hold %v", when, places)
		}
		if after := othersRows(t, s.system, zoe); after != others {
			t.Errorf("%s, the others' rows are\n%s\nand were\n%s", when, after, others)
		}
	}
	gone("after completion")
	topics = inTopics(t, s.Kafka, append(words, bob.user)...)
	if len(topics) != 1 || !slices.Equal(topics[bob.user], []string{"gosight.dlq"}) {
		t.Errorf("after completion, topics hold %v; want bob's dead letter", topics)
	}
	if tables = inTables(t, s.ClickHouse, ann.user, bob.user); len(tables[ann.user]) < 7 || len(tables[bob.user]) < 7 {
		t.Errorf("the others are in %v", tables)
	}
	disk := diskUse(t, filepath.Join(dataDir, "clickhouse"))
	for begun := time.Now(); disk > diskBefore/2 && time.Since(begun) < time.Minute; time.Sleep(100 * time.Millisecond) {
		disk = diskUse(t, filepath.Join(dataDir, "clickhouse"))
	}
	t.Logf("ClickHouse's files: %d KiB before, %d KiB after", diskBefore>>10, disk>>10)
	if disk > diskBefore/2 {
		t.Errorf("ClickHouse's files take %d KiB, and took %d", disk>>10, diskBefore>>10)
	}

	// A power cut brings nothing back.
	s.kill(t)
	s = newSite(t, up(t, dataDir))
	gone("after kill -9")
	if topics := inTopics(t, s.Kafka, words...); len(topics) > 0 {
		t.Errorf("after kill -9, topics hold %v", topics)
	}

	// Whatever comes later, wherever it was until then, is taken and counted, and goes nowhere.
	event := func() *gosight.Event { return &gosight.Event{EventType: "custom", Payload: `{"name":"later"}`} }
	for session, user := range map[string]string{"visit-new": zoe.user, zoe.sessions[2]: ""} {
		if status := s.send(t, user, session, event()); status.Rejected != 1 || status.Reasons["erased"] != 1 {
			t.Errorf("%s by %q: the agent says %v", session, user, status)
		}
	}
	s.metricReaches(t, 20*time.Second, s.AgentAdmin, "gosight_ingest_rejected_events_total", 2, "erased")
	late := &gosight.Batch{Project: "default", SessionId: "visit-late", Lane: gosight.Lane_LANE_EVENTS, UserId: zoe.user,
		Events: []*gosight.Event{{EventId: "late", EventType: "custom", Payload: `{}`, Timestamp: time.Now().UnixMilli()}}}
	value, err := late.MarshalVT()
	if err != nil {
		t.Fatal(err)
	}
	relay(t, s.system, dataDir, value) // an agent had it
	s.metricReaches(t, 20*time.Second, s.AggregatorAdmin, "gosight_receive_erased_total", 1)
	if topics := inTopics(t, s.Kafka, zoe.user); len(topics) > 0 {
		t.Errorf("what an agent still had is in %v", topics)
	}
	produce(t, s.system, &kgo.Record{Topic: "gosight.events", Key: []byte("default/visit-late"), Value: value}) // it was in Kafka
	s.metricReaches(t, 20*time.Second, s.AggregatorAdmin, "gosight_process_erased_events_total", 1)
	gone("after what came later")
}

// othersRows are how many rows each table has that are not a person's.
func othersRows(t *testing.T, s *system, but person) string {
	t.Helper()
	var counts []string
	tables := s.query(t, `SELECT table FROM system.columns WHERE database = 'gosight' AND name = 'session_id'
		AND table IN (SELECT name FROM system.tables WHERE database = 'gosight' AND engine LIKE '%MergeTree') ORDER BY table`)
	for _, table := range strings.Fields(tables) {
		settled := ""
		if table == "signals" { // others are still decided on
			settled = " AND kind = 'rage_click'"
		}
		counts = append(counts, table+" "+s.query(t, fmt.Sprintf("SELECT count(), uniqExact(session_id) FROM %s FINAL WHERE session_id NOT IN ('%s')%s",
			table, strings.Join(but.sessions, "', '"), settled)))
	}
	return strings.Join(counts, "\n")
}

func produce(t *testing.T, s *system, records ...*kgo.Record) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(s.Kafka))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// replay reads a visit's replay, which the audit log takes note of.
func replay(t *testing.T, s *system, session string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.UI+"/api/v1/sessions/"+session+"/replay?project=default", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+s.AdminToken)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("the replay's answer is %s", answer.Status)
	}
}

// erase runs the command, which ends when the erasure is complete.
func erase(t *testing.T, s *system, dataDir, user string) (erasure registry.Erasure) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, s.cmd.Path, "erase", "--server", "http://"+s.UI, "--data", dataDir, "--user", user)
	out, err := command.Output()
	if err != nil {
		exit := &exec.ExitError{}
		errors.As(err, &exit)
		t.Fatalf("gosight erase: %v %s", err, exit.Stderr)
	}
	if err := json.Unmarshal(out, &erasure); err != nil {
		t.Fatalf("gosight erase printed %s: %v", out, err)
	}
	return erasure
}

// relay sends a batch to the aggregator as an agent does.
func relay(t *testing.T, s *system, dataDir string, batch []byte) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dataDir, "keys.json"))
	if err != nil {
		t.Fatal(err)
	}
	var secrets struct {
		RelayToken string `json:"relay_token"`
	}
	if err := json.Unmarshal(text, &secrets); err != nil {
		t.Fatal(err)
	}
	frame, err := wire.AppendFrame(nil, [][]byte{batch})
	if err != nil {
		t.Fatal(err)
	}
	request := connect.NewRequest(&gosight.ForwardRequest{AgentId: "one-that-was-away", Frame: frame})
	request.Header().Set("Authorization", "Bearer "+secrets.RelayToken)
	_, _, ca, err := devcert.Ensure(filepath.Join(dataDir, "tls"), "127.0.0.1", "localhost")
	if err != nil {
		t.Fatal(err)
	}
	pem, err := os.ReadFile(ca)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	client := gosightconnect.NewRelayClient(&http.Client{Transport: transport}, "https://"+s.Relay)
	answer, err := client.Forward(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	if answer.Msg.Batches != 1 {
		t.Errorf("the aggregator says %v", answer.Msg)
	}
}
