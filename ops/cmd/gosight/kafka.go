package main

import (
	"context"
	"os"

	"github.com/gosight/gosight/internal/observe"
	"github.com/gosight/gosight/ops/engines"
)

// kafka is the embedded broker as a process of its own: benchmarks tell its CPU from the aggregator's that way.
type kafka struct {
	Path   string `help:"Data directory." required:""`
	Listen string `help:"Where to serve, 127.0.0.1:port." default:"127.0.0.1:19092"`
}

func (c kafka) Run(ctx context.Context) error {
	log, err := observe.NewLogger(os.Stderr, "text", "info")
	if err != nil {
		return err
	}
	broker, err := engines.StartKafka(engines.KafkaConfig{DataDir: c.Path, Addr: c.Listen}, log)
	if err != nil {
		return err
	}
	<-ctx.Done()
	broker.Stop()
	return nil
}
