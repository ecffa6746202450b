package ingest

import (
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/gosight/gosight/internal/config"
	"github.com/gosight/gosight/proto/gen/gosight"
)

// dialFrom connects from an address of this machine; with lives it waits until the other end says whether it is let in.
func dialFrom(t *testing.T, from, to string) (conn net.Conn, lives bool) {
	t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	conn, err := dialer.DialContext(t.Context(), "tcp", to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	_, err = io.ReadFull(conn, make([]byte, 1))
	return conn, err == nil
}

func TestConnectionsAreBoundedByClientAndTogether(t *testing.T) {
	p, _ := newTestPipeline(t)
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener, err := LimitConnections(inner, Server{MaxClientConnections: 2, MaxConnections: 5,
		TrustedProxies: []string{"127.0.0.9/32"}}, p)
	if err != nil {
		t.Fatal(err)
	}
	closed := make(chan struct{}, 10)
	go func() {
		for {
			conn, err := listener.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			go func() {
				conn.Write([]byte{1}) // the client sees it if it lives
				io.Copy(io.Discard, conn)
				conn.Close()
				conn.Close() // twice is once
				closed <- struct{}{}
			}()
		}
	}()
	defer listener.Close()
	addr := inner.Addr().String()
	first, lives := dialFrom(t, "127.0.0.1", addr)
	if !lives {
		t.Fatal("the first connection is refused")
	}
	if _, lives := dialFrom(t, "127.0.0.1", addr); !lives {
		t.Error("a client's second connection is refused")
	}
	if _, lives := dialFrom(t, "127.0.0.1", addr); lives {
		t.Error("a client has three connections")
	}
	first.Close()
	<-closed
	for i, from := range []string{"127.0.0.1", "127.0.0.9", "127.0.0.9", "127.0.0.9"} {
		if _, lives := dialFrom(t, from, addr); !lives {
			t.Errorf("connection %d, from %s, is refused", i, from)
		}
	}
	if _, lives := dialFrom(t, "127.0.0.2", addr); lives {
		t.Error("there are six connections")
	}
}

func TestCallsAreBoundedOverAllConnections(t *testing.T) {
	cfg := config.Default[Server]()
	cfg.MaxCalls = 2
	conn, _ := startGRPCWithin(t, cfg, NewBudget(cfg))
	client := gosight.NewIngestorClient(conn)
	ctx := metadata.AppendToOutgoingContext(t.Context(), "x-gosight-key", "k1")
	var streams []gosight.Ingestor_SendEventsClient
	for range cfg.MaxCalls {
		stream, err := client.SendEvents(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if err := stream.Send(&gosight.Event{SessionId: "s", EventType: "custom"}); err != nil {
			t.Fatal(err)
		}
		streams = append(streams, stream)
	}
	batch := &gosight.EventBatch{SessionId: "s", Events: []*gosight.Event{{EventType: "custom"}}}
	_, err := client.SendBatch(ctx, batch)
	if st := status.Convert(err); st.Code() != codes.ResourceExhausted || len(st.Details()) != 1 {
		t.Errorf("a third call: %v, details %v", err, st.Details())
	}
	if _, err := streams[0].CloseAndRecv(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; {
		if _, err = client.SendBatch(ctx, batch); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("after a stream has ended: %v", err)
		}
	}
	if _, err := streams[1].CloseAndRecv(); err != nil {
		t.Error(err)
	}
}
