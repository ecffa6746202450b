package ingest

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/bufbuild/protocompile"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/gosight/gosight/agent/queue"
	"github.com/gosight/gosight/internal/config"
	"github.com/gosight/gosight/proto/gen/gosight"
)

func startGRPC(t *testing.T) (*grpc.ClientConn, *queue.Queue) {
	t.Helper()
	cfg := config.Default[Server]()
	return startGRPCWithin(t, cfg, NewBudget(cfg))
}

func startGRPCWithin(t *testing.T, cfg Server, budget *Budget) (*grpc.ClientConn, *queue.Queue) {
	t.Helper()
	p, q := newTestPipeline(t)
	p.budget = budget
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := NewGRPCServer(listener, cfg, p)
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- server.Run(ctx) }()
	conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		cancel()
		if err := <-stopped; err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	return conn, q
}

// The contract as it was first published: a client made from it works for ever.
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

func publishedEvent(t *testing.T) protoreflect.MessageDescriptor {
	t.Helper()
	compiler := protocompile.Compiler{Resolver: &protocompile.SourceResolver{
		Accessor: protocompile.SourceAccessorFromMap(map[string]string{"telemetry.proto": published}),
	}}
	files, err := compiler.Compile(t.Context(), "telemetry.proto")
	if err != nil {
		t.Fatal(err)
	}
	return files[0].Messages().ByName("Event")
}

func TestAClientOfThePublishedContractStreams(t *testing.T) {
	conn, q := startGRPC(t)
	event := publishedEvent(t)
	ctx := metadata.AppendToOutgoingContext(t.Context(), "x-gosight-key", "k1")
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true}, "/gosight.Ingestor/SendEvents")
	if err != nil {
		t.Fatal(err)
	}
	const sent = 5000
	for i := range sent {
		m := dynamicpb.NewMessage(event)
		set := func(field string, value any) {
			m.Set(event.Fields().ByName(protoreflect.Name(field)), protoreflect.ValueOf(value))
		}
		set("session_id", fmt.Sprintf("s%d", i%3))
		set("event_type", "click")
		set("payload", `{"x":1,"y":2}`)
		set("timestamp", testNow)
		if err := stream.SendMsg(m); err != nil {
			t.Fatal(err)
		}
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	answer := &gosight.Status{}
	if err := stream.RecvMsg(answer); err != nil {
		t.Fatal(err)
	}
	if answer.Accepted != sent || answer.Rejected != 0 {
		t.Errorf("answer is %v", answer)
	}
	ids := map[string]bool{}
	for len(ids) < sent {
		for _, batch := range queued(t, q, 1) {
			for _, ev := range batch.Events {
				if ids[ev.EventId] {
					t.Fatalf("id %q is used twice", ev.EventId)
				}
				ids[ev.EventId] = true
			}
		}
	}
}

func TestGRPCRefusesAnUnknownKey(t *testing.T) {
	conn, _ := startGRPC(t)
	for name, md := range map[string]metadata.MD{"none": {}, "wrong": metadata.Pairs("x-gosight-key", "nope")} {
		_, err := gosight.NewIngestorClient(conn).SendBatch(metadata.NewOutgoingContext(t.Context(), md), &gosight.EventBatch{})
		if status.Code(err) != codes.Unauthenticated || !strings.Contains(err.Error(), "project key") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestAStreamThatStopsHalfwayIsNotAcked(t *testing.T) {
	conn, _ := startGRPC(t)
	ctx, cancel := context.WithCancel(metadata.AppendToOutgoingContext(t.Context(), "x-gosight-key", "k1"))
	stream, err := gosight.NewIngestorClient(conn).SendEvents(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&gosight.Event{SessionId: "s", EventType: "click"}); err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := stream.CloseAndRecv(); status.Code(err) != codes.Canceled {
		t.Errorf("got %v", err)
	}
}

func startHTTP(t *testing.T) (*httptest.Server, *queue.Queue) {
	t.Helper()
	p, q := newTestPipeline(t)
	sdk := fstest.MapFS{"gosight.js": {Data: []byte("/*sdk*/")}}
	server, err := NewHTTPServer(config.Default[Server](), p, sdk, testFleet, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ts := httptest.NewServer(server.Handler)
	t.Cleanup(ts.Close)
	return ts, q
}

const sendBatch = "/gosight.Ingestor/SendBatch"

func post(t *testing.T, url, contentType string, body []byte, header ...string) (int, []byte, http.Header) {
	t.Helper()
	return postBy(t, http.DefaultClient, url, contentType, body, header...)
}

func postBy(t *testing.T, client *http.Client, url, contentType string, body []byte, header ...string) (int, []byte, http.Header) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", contentType)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	response, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, answer, response.Header
}

func zip(t testing.TB, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestBrowsersSend(t *testing.T) {
	ts, q := startHTTP(t)
	body, err := proto.Marshal(&gosight.EventBatch{SessionId: "s1", Events: []*gosight.Event{{EventType: "click", Payload: `{"x":1}`}}})
	if err != nil {
		t.Fatal(err)
	}
	for name, send := range map[string]func() (int, []byte, http.Header){
		"protobuf": func() (int, []byte, http.Header) {
			return post(t, ts.URL+sendBatch, "application/proto", body, "X-Gosight-Key", "k1")
		},
		"protobuf in gzip": func() (int, []byte, http.Header) {
			return post(t, ts.URL+sendBatch, "application/proto", zip(t, body), "X-Gosight-Key", "k1", "Content-Encoding", "gzip")
		},
		"JSON, as by curl": func() (int, []byte, http.Header) {
			return post(t, ts.URL+sendBatch+"?key=k1", "application/json", []byte(`{"sessionId":"s1","events":[{"eventType":"click","payload":"{}"}]}`))
		},
		"a beacon": func() (int, []byte, http.Header) {
			return post(t, ts.URL+sendBatch+"?key=k1&encoding=proto&compression=gzip", "text/plain;charset=UTF-8", zip(t, body), "Origin", "https://shop.example")
		},
	} {
		t.Run(name, func(t *testing.T) {
			code, answer, _ := send()
			if code != http.StatusOK {
				t.Fatalf("%d %s", code, answer)
			}
			if batch := queued(t, q, 1)[0]; batch.Project != "shop" || len(batch.Events) != 1 {
				t.Errorf("stored %v", batch)
			}
		})
	}
}

func TestHTTPRefusesBadInput(t *testing.T) {
	ts, _ := startHTTP(t)
	bomb := zip(t, make([]byte, 24<<20))
	for name, tc := range map[string]struct {
		body []byte
		head []string
		code int
		says string
	}{
		"no key":             {nil, nil, http.StatusUnauthorized, "project key"},
		"wrong key":          {nil, []string{"X-Gosight-Key", "nope"}, http.StatusUnauthorized, "project key"},
		"truncated protobuf": {[]byte{0x0a, 0x7f, 'x'}, []string{"X-Gosight-Key", "k1"}, http.StatusBadRequest, "unmarshal"},
		"not gzip":           {[]byte("xxxx"), []string{"X-Gosight-Key", "k1", "Content-Encoding", "gzip"}, http.StatusBadRequest, "decompress"},
		"gzip bomb":          {bomb, []string{"X-Gosight-Key", "k1", "Content-Encoding", "gzip"}, http.StatusBadRequest, "100 times"},
		"unknown encoding":   {nil, []string{"X-Gosight-Key", "k1", "Content-Encoding", "br"}, http.StatusNotImplemented, "br"},
	} {
		t.Run(name, func(t *testing.T) {
			code, answer, _ := post(t, ts.URL+sendBatch, "application/proto", tc.body, tc.head...)
			if code != tc.code || !strings.Contains(string(answer), tc.says) {
				t.Errorf("got %d %s, want %d and %q", code, answer, tc.code, tc.says)
			}
		})
	}
}

func TestPagesOfOtherOriginsMaySendAndLoadTheSDK(t *testing.T) {
	ts, _ := startHTTP(t)
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodOptions, ts.URL+sendBatch, nil)
	r.Header.Set("Origin", "https://shop.example")
	r.Header.Set("Access-Control-Request-Method", "POST")
	r.Header.Set("Access-Control-Request-Headers", "content-encoding,content-type,x-gosight-key")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.Header.Get("Access-Control-Allow-Origin") != "*" || response.Header.Get("Access-Control-Max-Age") != "7200" {
		t.Errorf("preflight answers %v", response.Header)
	}
	response, err = http.Get(ts.URL + "/sdk/gosight.js")
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != 200 || !strings.Contains(response.Header.Get("Content-Type"), "javascript") {
		t.Errorf("the SDK comes as %d %s", response.StatusCode, response.Header.Get("Content-Type"))
	}
}

func TestVisitorBehindTrustedProxies(t *testing.T) {
	server := &httpIngestor{}
	header := http.Header{"X-Forwarded-For": {"6.6.6.6, 203.0.113.7, 10.0.0.2"}}
	peer := peerAddr("10.0.0.1:4000")
	if got := server.visitor(peer, header); got != peer {
		t.Errorf("without trusted proxies the header made it %s", got)
	}
	server.proxies = mustPrefixes("10.0.0.0/8")
	if got := server.visitor(peer, header).String(); got != "203.0.113.7" {
		t.Errorf("the visitor is %s", got)
	}
}

func mustPrefixes(networks ...string) []netip.Prefix {
	prefixes := make([]netip.Prefix, len(networks))
	for i, network := range networks {
		prefixes[i] = netip.MustParsePrefix(network)
	}
	return prefixes
}
