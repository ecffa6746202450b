package main

import (
	"context"
	"fmt"
	"os"

	"github.com/gosight/gosight/internal/observe"
	"github.com/gosight/gosight/ops/seed"
)

// seedCommand loads generated history into a running installation's ClickHouse.
type seedCommand struct {
	seed.Config `embed:""`
}

func (c seedCommand) Run(ctx context.Context) error {
	log, err := observe.NewLogger(os.Stderr, "text", "warn")
	if err != nil {
		return err
	}
	total, err := seed.Run(ctx, c.Config, os.Stderr, log)
	fmt.Printf("%d visits, %d events (%d of them of recordings), %d signals in %s: %.0f rows/s; %.0f MB of JSON, %.0f MB of it replay\n",
		total.Visits, total.Events, total.ReplayEvents, total.Signals, total.Took.Round(1e8),
		float64(total.Events)/total.Took.Seconds(), float64(total.JSON)/1e6, float64(total.Replay)/1e6)
	return err
}
