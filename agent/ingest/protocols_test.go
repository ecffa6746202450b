package ingest

import (
	"context"
	"encoding/binary"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"

	"github.com/gosight/gosight/internal/config"
	"github.com/gosight/gosight/proto/gen/gosight"
	"github.com/gosight/gosight/proto/gen/gosight/gosightconnect"
)

// startH2C is startHTTP for clients that speak HTTP/2 without TLS, as gRPC's do.
func startH2C(t *testing.T) (url string, client *http.Client, stored func() *gosight.Batch) {
	t.Helper()
	ts, q := startHTTP(t)
	server := httptest.NewUnstartedServer(ts.Config.Handler)
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetHTTP1(true)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	t.Cleanup(server.Close)
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(transport.CloseIdleConnections)
	return server.URL, &http.Client{Transport: transport}, func() *gosight.Batch { return queued(t, q, 1)[0] }
}

// Connect, gRPC and gRPC-Web, in protobuf and JSON, compressed or not: clients of the contract send by whichever they
// have, and batches arrive whole.
func TestClientsSendByEveryProtocol(t *testing.T) {
	url, h2c, stored := startH2C(t)
	ctx, info := connect.NewClientContext(t.Context())
	info.RequestHeader().Set(keyHeader, "k1")
	for name, options := range map[string][]connect.ClientOption{
		"Connect":  nil,
		"gRPC":     {connect.WithGRPC()},
		"gRPC-Web": {connect.WithGRPCWeb()},
	} {
		for form, options := range map[string][]connect.ClientOption{
			"protobuf":         options,
			"JSON":             append(options[:len(options):len(options)], connect.WithProtoJSON()),
			"protobuf in gzip": append(options[:len(options):len(options)], connect.WithSendGzip()),
			"JSON in gzip":     append(options[:len(options):len(options)], connect.WithProtoJSON(), connect.WithSendGzip()),
		} {
			t.Run(name+" "+form, func(t *testing.T) {
				client := gosightconnect.NewIngestorClient(h2c, url, options...)
				payload := `{"text":"` + strings.Repeat("long ", 5000) + `"}`
				deadline, cancel := context.WithTimeout(ctx, time.Minute)
				defer cancel()
				answer, err := client.SendBatch(deadline, connect.NewRequest(&gosight.EventBatch{SessionId: "s1", Events: []*gosight.Event{
					{EventType: "click", Payload: payload}, {EventType: "click", Payload: "{}"},
				}}))
				if err != nil || answer.Msg.Accepted != 2 {
					t.Fatalf("%v %v", answer, err)
				}
				if batch := stored(); len(batch.Events) != 2 || batch.Events[0].Payload != payload || batch.SessionId != "s1" {
					t.Errorf("stored %v", batch)
				}
				if _, err := client.SendBatch(deadline, connect.NewRequest(&gosight.EventBatch{
					SessionId: strings.Repeat("s", config.Default[Server]().MaxMessageBytes),
				})); connect.CodeOf(err) != connect.CodeResourceExhausted && connect.CodeOf(err) != connect.CodeInvalidArgument {
					t.Errorf("of a batch that is too large the client is told %v", err)
				}
			})
		}
	}
}

// What is wrong with a request is said as Connect says it.
func TestProtocolsAreHeldTo(t *testing.T) {
	url, h2c, _ := startH2C(t)
	body := []byte{0x0a, 1, 's'}
	envelope := func(flags byte, messages ...[]byte) (all []byte) {
		for _, message := range messages {
			all = append(binary.BigEndian.AppendUint32(append(all, flags), uint32(len(message))), message...)
		}
		return all
	}
	for name, c := range map[string]struct {
		contentType string
		body        []byte
		head        []string
		code        int
		status      string // of gRPC
	}{
		"unknown type":               {"application/xml", body, nil, 415, ""},
		"unknown encoding":           {"application/proto", body, []string{"Content-Encoding", "br"}, 501, ""},
		"identity":                   {"application/proto", body, []string{"Content-Encoding", "identity"}, 200, ""},
		"JSON with a charset":        {"application/json; charset=UTF-8", []byte("{}"), nil, 200, ""},
		"no JSON":                    {"application/json", nil, nil, 400, ""},
		"unknown version":            {"application/proto", body, []string{"Connect-Protocol-Version", "2"}, 400, ""},
		"no deadline":                {"application/proto", body, []string{"Connect-Timeout-Ms", "soon"}, 400, ""},
		"passed deadline":            {"application/proto", body, []string{"Connect-Timeout-Ms", "0"}, 504, ""},
		"gRPC-Web":                   {"application/grpc-web+proto", envelope(0, body), nil, 200, "0"},
		"empty gRPC-Web":             {"application/grpc-web+proto", envelope(0, nil), nil, 200, "0"},
		"no message":                 {"application/grpc-web+proto", nil, nil, 200, "12"},
		"two messages":               {"application/grpc-web+proto", envelope(0, body, body), nil, 200, "12"},
		"half an envelope":           {"application/grpc-web+proto", envelope(0, body)[:3], nil, 200, "13"},
		"half a message":             {"application/grpc-web+proto", envelope(0, body)[:6], nil, 200, "3"},
		"compressed without a name":  {"application/grpc-web+proto", envelope(1, body), nil, 200, "13"},
		"compressed, and it is not":  {"application/grpc-web+proto", envelope(1, body), []string{"Grpc-Encoding", "gzip"}, 200, "3"},
		"an encoding that is not in": {"application/grpc-web+proto", envelope(0, body), []string{"Grpc-Encoding", "br"}, 200, "12"},
	} {
		t.Run(name, func(t *testing.T) {
			code, answer, header := postBy(t, h2c, url+sendBatch, c.contentType, c.body,
				append([]string{keyHeader, "k1"}, c.head...)...)
			status := header.Get("Grpc-Status")
			if _, inBody, ok := strings.Cut(string(answer), "grpc-status: "); ok {
				status, _, _ = strings.Cut(inBody, "\r\n")
			}
			if code != c.code || status != c.status {
				t.Errorf("%d %q %q, want %d %q", code, status, answer, c.code, c.status)
			}
		})
	}
}
