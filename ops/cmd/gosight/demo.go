package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/gosight/gosight/internal/observe"
	"github.com/gosight/gosight/ops/demo"
)

// demoShop is the demo shop without the rest of `gosight up --demo`.
type demoShop struct {
	Listen string `help:"Where to serve it, host:port." default:"127.0.0.1:7730"`
	Agent  string `help:"The agent's HTTP port, as browsers reach it." default:"http://127.0.0.1:7711" placeholder:"URL"`
	Key    string `help:"Project key that the shop's pages send."`
}

func (d demoShop) Run(ctx context.Context) error {
	shop, err := demo.Shop(d.Agent, d.Key)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", d.Listen)
	if err != nil {
		return fmt.Errorf("listen for the demo shop (--listen sets another port): %w", err)
	}
	fmt.Printf("The demo shop is at http://%s\n", listener.Addr())
	return observe.Serve(ctx, &http.Server{Handler: shop, ReadHeaderTimeout: 10 * time.Second}, listener)
}
