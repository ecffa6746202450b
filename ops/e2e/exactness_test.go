package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bufbuild/protocompile"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/gosight/gosight/proto/gen/gosight"
)

// The contract as it was first published. It is compiled while the test runs, so nothing of today's code is in
// the client.
const published = `syntax = "proto3";
package gosight;
message Event {
  string session_id = 1;  string user_id = 2;
  string event_type = 3;
  string payload = 4;
  int64 timestamp = 5;
  map<string, string> metadata = 6;
}
message Status {}
service Ingestor { rpc SendEvents(stream Event) returns (Status); }`

// publishedClient streams events as a client of the published contract, in many sessions; the ids stand in
// metadata, where the contract has room for them.
type publishedClient struct {
	event protoreflect.MessageDescriptor
	conn  *grpc.ClientConn
	key   string
}

func newPublishedClient(t *testing.T, s *system) *publishedClient {
	t.Helper()
	compiler := protocompile.Compiler{Resolver: &protocompile.SourceResolver{
		Accessor: protocompile.SourceAccessorFromMap(map[string]string{"telemetry.proto": published}),
	}}
	files, err := compiler.Compile(t.Context(), "telemetry.proto")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := grpc.NewClient(s.AgentGRPC, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &publishedClient{event: files[0].Messages().ByName("Event"), conn: conn, key: s.ProjectKey}
}

// stream sends events first to last of run and returns what the agent said of them; nil error means acked.
func (c *publishedClient) stream(ctx context.Context, run string, first, last int) (*gosight.Status, error) {
	ctx = metadata.AppendToOutgoingContext(ctx, "x-gosight-key", c.key)
	stream, err := c.conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true}, "/gosight.Ingestor/SendEvents")
	if err != nil {
		return nil, err
	}
	fields := c.event.Fields()
	types := []string{"click", "scroll", "pointer", "custom", "mutation"}
	now := time.Now().UnixMilli()
	for i := first; i < last; i++ {
		m := dynamicpb.NewMessage(c.event)
		m.Set(fields.ByName("session_id"), protoreflect.ValueOf(fmt.Sprintf("%s-%d", run, i%100)))
		m.Set(fields.ByName("user_id"), protoreflect.ValueOf(fmt.Sprintf("user-%d", i%100)))
		m.Set(fields.ByName("event_type"), protoreflect.ValueOf(types[i%len(types)]))
		m.Set(fields.ByName("payload"), protoreflect.ValueOf(`{"x":12,"y":34,"selector":"#buy"}`))
		m.Set(fields.ByName("timestamp"), protoreflect.ValueOf(now+int64(i)))
		entries := m.Mutable(fields.ByName("metadata")).Map()
		entries.Set(protoreflect.ValueOf("browser").MapKey(), protoreflect.ValueOf("Firefox"))
		entries.Set(protoreflect.ValueOf("event_id").MapKey(), protoreflect.ValueOf(fmt.Sprintf("%s.%d", run, i)))
		if err := stream.SendMsg(m); err != nil {
			break // the answer says why
		}
	}
	if err := stream.CloseSend(); err != nil {
		return nil, err
	}
	answer := &gosight.Status{}
	return answer, stream.RecvMsg(answer)
}

func TestTheSameEventsTwiceAreCountedOnce(t *testing.T) {
	s := up(t, t.TempDir())
	client := newPublishedClient(t, s)
	const sent = 100_000
	for run := 1; run <= 2; run++ {
		start := time.Now()
		answer, err := client.stream(t.Context(), "twice", 0, sent)
		if err != nil {
			t.Fatal(err)
		}
		if answer.Accepted != sent || answer.Rejected != 0 {
			t.Fatalf("run %d: the agent says %v", run, answer)
		}
		t.Logf("run %d: %d events of the published contract acked in %s", run, sent, time.Since(start).Round(time.Millisecond))
		s.eventually(t, 60*time.Second, "SELECT count() FROM events FINAL WHERE session_id LIKE 'twice-%'", fmt.Sprint(sent))
	}
	// Only once every event has come through twice do the counts say something.
	s.metricReaches(t, 60*time.Second, s.AggregatorAdmin, "gosight_process_events_total", 2*sent)
	for sql, want := range map[string]string{
		"SELECT count() FROM events FINAL WHERE session_id LIKE 'twice-%'":                                   "100000",
		"SELECT count(), sum(events), sum(clicks) FROM sessions FINAL WHERE session_id LIKE 'twice-%'":       "100\t100000\t20000",
		"SELECT count() FROM replay FINAL WHERE session_id LIKE 'twice-%'":                                   "20000",
		"SELECT uniqExact(event_type), uniqExact(user_id) FROM events FINAL WHERE session_id LIKE 'twice-%'": "5\t100",
	} {
		if got := s.query(t, sql); got != want {
			t.Errorf("%s\nis %q, want %q", sql, got, want)
		}
	}
}

func TestKillNineInTheMiddleOfAStreamLosesNothingAcked(t *testing.T) {
	dataDir := t.TempDir()
	const chunk = 2000
	acked := map[int]bool{}
	for life := range 3 {
		s := up(t, dataDir)
		client := newPublishedClient(t, s)
		// The kill comes while a stream is under way: after the first few were acked.
		struck := make(chan struct{})
		for next := life * 10; next < life*10+10; next++ {
			if next == life*10+4 {
				go func() {
					s.kill(t)
					close(struck)
				}()
			}
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			answer, err := client.stream(ctx, "killed", next*chunk, (next+1)*chunk)
			cancel()
			if err != nil {
				break
			}
			if answer.Accepted != chunk {
				t.Fatalf("the agent says %v", answer)
			}
			acked[next] = true
		}
		<-struck
	}
	if len(acked) < 3*4 {
		t.Fatalf("only %d chunks were acked, so this shows nothing", len(acked))
	}

	s := up(t, dataDir)
	client := newPublishedClient(t, s)
	if _, err := client.stream(t.Context(), "after", 0, 1); err != nil {
		t.Fatal(err)
	}
	s.eventually(t, 60*time.Second, "SELECT count() FROM events FINAL WHERE session_id = 'after-0'", "1")
	var ranges []string
	for next := range acked {
		ranges = append(ranges, fmt.Sprintf("n BETWEEN %d AND %d", next*chunk, (next+1)*chunk-1))
	}
	s.eventually(t, 60*time.Second, `SELECT count(), uniqExact(event_id) FROM (
		SELECT event_id, toUInt64(splitByChar('.', event_id)[2]) AS n FROM events FINAL WHERE session_id LIKE 'killed-%'
	) WHERE `+strings.Join(ranges, " OR "), fmt.Sprintf("%d\t%d", len(acked)*chunk, len(acked)*chunk))
	// Where lists look agrees with the ledger, though an engine died between the one and the other.
	s.eventually(t, 60*time.Second, `SELECT count() FROM (
		SELECT session_id, toDate(ts) AS day, min(ts), max(ts) FROM events FINAL GROUP BY session_id, day EXCEPT
		SELECT session_id, day, started_at, ended_at FROM session_days FINAL)`, "0")
	t.Logf("%d events acked over 3 kills, each stored once", len(acked)*chunk)
}

func TestStartAndMemory(t *testing.T) {
	dataDir := t.TempDir()
	first := up(t, dataDir, "--demo")
	first.interrupt(t)

	start := time.Now()
	s := up(t, dataDir, "--demo")
	ready := time.Since(start)
	resident := residentBytes(t, s.cmd.Process.Pid)
	t.Logf("ready in %s on a warm cache; %d MB resident at rest, all processes", ready.Round(time.Millisecond), resident>>20)
	if ready > 5*time.Second {
		t.Errorf("ready in %s, promised are 5 s", ready)
	}
	if resident > 600<<20 {
		t.Errorf("%d MB at rest, promised are 600", resident>>20)
	}
}
