package ingest

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/gosight/gosight/proto/gen/gosight"
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
		for caller, key := range map[string]string{"no credential": "", "wrong": "gs_wrong"} {
			ctx := metadata.AppendToOutgoingContext(t.Context(), keyMetadata, key)
			if got := status.Code(send(ctx, conn, name)); got != codes.Unauthenticated {
				t.Errorf("%s, %s: %v", name, caller, got)
			}
		}
		ctx := metadata.AppendToOutgoingContext(t.Context(), keyMetadata, "k1")
		if err := send(ctx, conn, name); err != nil {
			t.Errorf("%s, right: %v", name, err)
		}
	}
	for _, batch := range queued(t, q, 2) {
		if batch.Project != "shop" {
			t.Errorf("stored for %q", batch.Project)
		}
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

// The HTTP port takes events by the same keys; all else that it serves is public.
func TestHTTPMatrix(t *testing.T) {
	server, _ := startHTTP(t)
	for key, want := range map[string]int{"": 401, "gs_wrong": 401, "k1": 200} {
		r, err := http.NewRequest("POST", server.URL+"/gosight.Ingestor/SendBatch", strings.NewReader(`{"events":[{"sessionId":"s","eventType":"click"}]}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set(keyHeader, key)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != want {
			t.Errorf("key %q: %d, want %d", key, answer.StatusCode, want)
		}
	}
}
