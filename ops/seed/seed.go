// Package seed fills a store with generated history, to try GoSight on as much as it will hold in a year: the visits
// of benchmarks/visit become rows by the code that Kafka's records become rows by, and go straight into ClickHouse.
package seed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/gosight/gosight/aggregator/process"
	"github.com/gosight/gosight/aggregator/store"
	"github.com/gosight/gosight/benchmarks/visit"
	"github.com/gosight/gosight/internal/config"
	"github.com/gosight/gosight/proto/gen/gosight"
)

// Config says how much history, and where to.
type Config struct {
	ClickHouse store.Config `embed:"" prefix:"clickhouse-"`
	Project    string       `help:"Project that the visits belong to." default:"default"`
	Events     int          `help:"About how many events, recordings left out." default:"1000000" short:"n"`
	Sessions   int          `help:"Visits; 0 makes one for 200 events."`
	Days       int          `help:"Days back from now that they are spread over." default:"30"`
	Recorded   float64      `help:"Share of visits with a replay." default:"0.05"`
	// One makes rows while the engine takes another's.
	Workers int    `help:"Loaders at work at a time." default:"3"`
	Seed    uint64 `help:"Equal seeds give equal visits." default:"1"`
}

// Default is the configuration that tags give.
func Default() Config { return config.Default[Config]() }

// Validate says what is wrong with the configuration.
func (c Config) Validate() error {
	errs := []error{c.ClickHouse.Validate()}
	if c.Events < 100 || c.Days < 1 || c.Workers < 1 || c.Sessions < 0 {
		errs = append(errs, errors.New("seed: at least 100 events, 1 day and 1 worker"))
	}
	if c.Sessions > 0 && c.Events/c.Sessions < 40 {
		errs = append(errs, errors.New("seed: at least 40 events a session"))
	}
	if !(c.Recorded >= 0 && c.Recorded <= 1) {
		errs = append(errs, errors.New("seed: recorded is a share, from 0 to 1"))
	}
	return errors.Join(errs...)
}

// Total is what was stored. JSON is what the payloads alone take, and Replay those of them that are recordings.
type Total struct {
	Visits, Events, Signals, ReplayEvents int64
	JSON, Replay                          int64 // bytes
	Took                                  time.Duration
}

// together are neighbours in time that one worker makes, so that a block of rows holds few days.
const together = 200

// Run loads the history, and draws on screen how far it is.
func Run(ctx context.Context, cfg Config, screen io.Writer, log *slog.Logger) (Total, error) {
	if err := cfg.Validate(); err != nil {
		return Total{}, err
	}
	// Nobody waits behind these inserts: what matters is that they come in, however busy the engine is.
	cfg.ClickHouse.InsertTimeout = max(cfg.ClickHouse.InsertTimeout, 5*time.Minute)
	st, err := store.New(cfg.ClickHouse, prometheus.NewRegistry(), log)
	if err != nil {
		return Total{}, err
	}
	defer st.Close()
	if err := st.Migrate(ctx); err != nil { // retention stays the running system's
		return Total{}, err
	}
	if cfg.Sessions == 0 {
		cfg.Sessions = max(1, cfg.Events/200)
	}
	now := time.Now()
	history := visit.NewHistory(visit.Plan{
		Project: cfg.Project, From: now.AddDate(0, 0, -cfg.Days).UnixMilli(), Till: now.Add(-time.Hour).UnixMilli(),
		Visits: cfg.Sessions, PerVisit: cfg.Events / cfg.Sessions, Recorded: cfg.Recorded, Seed: cfg.Seed,
	})
	var made counts
	begun := time.Now()
	drawing, stop := context.WithCancel(ctx)
	drawn := make(chan struct{})
	go func() {
		defer close(drawn)
		draw(drawing, screen, &made, int64(cfg.Sessions), begun)
	}()
	err = load(ctx, cfg, st, history, &made)
	stop()
	<-drawn
	total := made.total()
	total.Took = time.Since(begun)
	return total, err
}

func load(ctx context.Context, cfg Config, st *store.Store, history *visit.History, made *counts) error {
	var next atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	for range cfg.Workers {
		group.Go(func() error {
			loader := process.NewLoader(process.Default(), st)
			for ctx.Err() == nil {
				begin := next.Add(together) - together
				if begin >= int64(cfg.Sessions) {
					return loader.Flush(ctx)
				}
				for i := begin; i < min(begin+together, int64(cfg.Sessions)); i++ {
					var failed error
					history.Visit(int(i), func(batch *gosight.Batch) {
						made.add(batch)
						failed = errors.Join(failed, loader.Add(ctx, batch))
					})
					if failed != nil {
						return fmt.Errorf("store visit %d: %w", i, failed)
					}
					made.visits.Add(1)
				}
			}
			return ctx.Err()
		})
	}
	return group.Wait()
}

// counts grow while workers load.
type counts struct {
	visits, events, signals, replay, json, replayBytes atomic.Int64
}

func (c *counts) add(batch *gosight.Batch) {
	size := 0
	for _, event := range batch.Events {
		size += len(event.Payload)
	}
	c.events.Add(int64(len(batch.Events)))
	c.signals.Add(int64(len(batch.Signals)))
	c.json.Add(int64(size))
	if batch.Lane == gosight.Lane_LANE_REPLAY {
		c.replay.Add(int64(len(batch.Events)))
		c.replayBytes.Add(int64(size))
	}
}

func (c *counts) total() Total {
	return Total{Visits: c.visits.Load(), Events: c.events.Load(), Signals: c.signals.Load(),
		ReplayEvents: c.replay.Load(), JSON: c.json.Load(), Replay: c.replayBytes.Load()}
}

// draw shows a bar until ctx ends.
func draw(ctx context.Context, screen io.Writer, made *counts, visits int64, begun time.Time) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	const width = 30
	for last := int64(0); ; {
		select {
		case <-ctx.Done():
			fmt.Fprint(screen, "\r\033[K")
			return
		case <-tick.C:
		}
		share := float64(made.visits.Load()) / float64(visits)
		events, full := made.events.Load(), int(math.Round(width*share))
		left := time.Duration(float64(time.Since(begun)) * (1/max(share, 1e-6) - 1))
		fmt.Fprintf(screen, "\r\033[Kseed [%s%s] %3.0f %%  %.2fM events  %dk/s  %s left", strings.Repeat("█", full),
			strings.Repeat("·", width-full), 100*share, float64(events)/1e6, (events-last)/1000, left.Round(time.Second))
		last = events
	}
}
