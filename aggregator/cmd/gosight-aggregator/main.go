// Command gosight-aggregator is the centre of GoSight.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/gosight/gosight/aggregator"
	"github.com/gosight/gosight/internal/config"
	"github.com/gosight/gosight/internal/observe"
)

var version = "dev"

func main() {
	app := config.App{
		Name:        "gosight-aggregator",
		Version:     version,
		Description: "Takes agents' batches, keeps them in Kafka, makes rows and signals in ClickHouse, answers analysts.",
	}
	if err := run(app); err != nil {
		config.Exit(app, err)
	}
}

func run(app config.App) error {
	cfg, err := config.Parse[aggregator.Config](app, os.Args[1:])
	if err != nil {
		return err
	}
	log, err := observe.NewLogger(os.Stderr, cfg.LogFormat, cfg.LogLevel)
	if err != nil {
		return err
	}
	observe.LimitMemory(log)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	a, err := aggregator.New(cfg, log)
	if err != nil {
		return err
	}
	return a.Run(ctx)
}
