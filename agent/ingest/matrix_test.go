package ingest

import (
	"context"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/gosight/gosight/agent/queue"
	"github.com/gosight/gosight/proto/gen/gosight"
	"github.com/gosight/gosight/proto/gen/gosight/gosightconnect"
)

// Which gRPC methods take a key, and which are for everybody: health and reflection tell nothing of anybody.
var grpcMatrix = map[string]bool{
	"gosight.Ingestor/SendBatch":                                    true,
	"gosight.Ingestor/SendEvents":                                   true,
	"grpc.health.v1.Health/Check":                                   false,
	"grpc.health.v1.Health/List":                                    false,
	"grpc.health.v1.Health/Watch":                                   false,
	"grpc.reflection.v1.ServerReflection/ServerReflectionInfo":      false,
	"grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": false,
}

// Every method that the agent's gRPC port serves has a row, and those that take events take none without a good key.
func TestGRPCMatrix(t *testing.T) {
	p, _ := newTestPipeline(t)
	for service, info := range NewGRPCServer(nil, Server{}, p).server.GetServiceInfo() {
		for _, method := range info.Methods {
			if _, ok := grpcMatrix[service+"/"+method.Name]; !ok {
				t.Errorf("%s/%s is not in the matrix: say there whether it takes a key", service, method.Name)
			}
		}
	}
	conn, q := startGRPC(t)
	for name, keyed := range grpcMatrix {
		if !keyed {
			continue
		}
		for caller, key := range map[string]string{"no credential": "", "wrong": "gs_wrong", "revoked": "gs_revoked"} {
			ctx := metadata.AppendToOutgoingContext(t.Context(), keyMetadata, key)
			if got := status.Code(send(ctx, conn, name)); got != codes.Unauthenticated {
				t.Errorf("%s, %s: %v", name, caller, got)
			}
		}
		for caller, key := range map[string]string{"right": "k1", "other tenant's": "gs_other"} {
			ctx := metadata.AppendToOutgoingContext(t.Context(), keyMetadata, key)
			if err := send(ctx, conn, name); err != nil {
				t.Errorf("%s, %s: %v", name, caller, err)
			}
		}
	}
	storedByKey(t, q, 2)
}

// storedByKey checks that of each of entrances one batch is stored for either tenant, and nothing else: a key leads to
// its own project, whatever else a client says.
func storedByKey(t *testing.T, q *queue.Queue, entrances int) {
	t.Helper()
	stored := map[string]int{}
	for _, batch := range queued(t, q, 2*entrances) {
		stored[batch.Project]++
	}
	if want := map[string]int{"shop": entrances, "other": entrances}; !maps.Equal(stored, want) {
		t.Errorf("stored %v, want %v", stored, want)
	}
}

func send(ctx context.Context, conn *grpc.ClientConn, method string) error {
	client, event := gosight.NewIngestorClient(conn), &gosight.Event{SessionId: "s", EventType: "click"}
	if strings.HasSuffix(method, "SendBatch") {
		_, err := client.SendBatch(ctx, &gosight.EventBatch{Events: []*gosight.Event{event}})
		return err
	}
	stream, err := client.SendEvents(ctx)
	if err != nil {
		return err
	}
	_ = stream.Send(event) // what the server says comes with CloseAndRecv
	_, err = stream.CloseAndRecv()
	return err
}

// What the HTTP port serves, and whether it takes a key. The rest is public by design: pages of any site fetch the SDK
// and ask for the nearest agent, and neither answer depends on who asks.
var httpMatrix = map[string]bool{
	"/gosight.Ingestor/": true,
	"GET /agents":        false,
	"GET /sdk/":          false,
	"GET /{$}":           false,
}

func TestHTTPMatrix(t *testing.T) {
	path, _ := gosightconnect.NewIngestorHandler(&httpIngestor{})
	for pattern := range httpRoutes(path, http.NotFoundHandler(), "a1", nil, nil) {
		if _, ok := httpMatrix[pattern]; !ok {
			t.Errorf("%s is not in the matrix: say there whether it takes a key", pattern)
		}
	}
	server, q := startHTTP(t)
	for key, want := range map[string]int{"": 401, "gs_wrong": 401, "gs_revoked": 401, "gs_other": 200, "k1": 200} {
		got, _, _ := post(t, server.URL+sendBatch, "application/json",
			[]byte(`{"events":[{"sessionId":"s","eventType":"click"}]}`), keyHeader, key)
		if got != want {
			t.Errorf("key %q: %d, want %d", key, got, want)
		}
	}
	storedByKey(t, q, 1)
	for _, public := range []string{"/agents", "/sdk/gosight.js", "/"} {
		answers := map[string]string{}
		for _, key := range []string{"", "gs_revoked", "k1"} {
			r, err := http.NewRequest("GET", server.URL+public, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set(keyHeader, key)
			answer, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(answer.Body)
			answer.Body.Close()
			if err != nil || answer.StatusCode != 200 {
				t.Errorf("%s with key %q: %d %v", public, key, answer.StatusCode, err)
			}
			answers[string(body)] = key
		}
		if len(answers) != 1 {
			t.Errorf("%s tells some callers more than others: %v", public, answers)
		}
	}
}
