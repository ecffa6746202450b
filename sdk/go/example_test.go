package gosight_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"time"

	gosight "github.com/gosight/gosight/sdk/go"
)

// A program that tells GoSight what its users did.
func Example() {
	cfg := gosight.Default() // an agent on this machine
	cfg.Key = "shop-write-key"
	cfg.Metadata = map[string]string{"service": "checkout"}
	client, err := gosight.New(cfg)
	if err != nil {
		log.Fatal(err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := client.Close(ctx); err != nil {
			log.Print(err)
		}
	}()

	ctx := gosight.WithSession(context.Background(), "visit-1")
	err = client.Track(ctx, "order_paid", map[string]any{"total": 12.5})
	if errors.Is(err, gosight.ErrFull) {
		log.Print("agent is away; this event is dropped")
	}
}

// A server whose requests belong to the visits in its users' browsers.
func ExampleClient_Middleware() {
	client, err := gosight.New(gosight.Default())
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /orders", func(_ http.ResponseWriter, r *http.Request) {
		// Lands in the visit of the page that posted the order.
		_ = client.Track(r.Context(), "order_posted", nil)
	})
	server := &http.Server{Addr: "127.0.0.1:8080", Handler: client.Middleware(mux), ReadHeaderTimeout: 5 * time.Second}
	log.Print(server.ListenAndServe())
}

// Events that must be on disk before the program goes on.
func ExampleClient_SendBatch() {
	client, err := gosight.New(gosight.Default())
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	answer, err := client.SendBatch(ctx, &gosight.EventBatch{
		SessionId: "visit-1",
		Events:    []*gosight.Event{{EventType: "custom", Payload: `{"name":"imported"}`, Timestamp: 1790000000000}},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(answer.Accepted, "stored,", answer.Rejected, "refused:", answer.Reasons)
}

// Many events over one connection.
func ExampleClient_Stream() {
	client, err := gosight.New(gosight.Default())
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	stream := client.Stream(ctx)
	for i := range 100_000 {
		ev := &gosight.Event{SessionId: fmt.Sprint("visit-", i/100), EventType: "custom", Payload: `{"name":"imported"}`}
		if err := stream.Send(ctx, ev); err != nil {
			log.Fatal(err)
		}
	}
	answer, err := stream.Close(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(answer.Accepted, "stored")
}
