// Command benchmarks measures GoSight from outside, as its users meet it: real processes, real ports, and at the end
// of each scenario what was acknowledged is compared with what ClickHouse counts.
//
//	go run ./benchmarks 10k            the proof: 10,000 events/s for 5 minutes
//	go run ./benchmarks --short all    every scenario in its short form, and one table
package main

import (
	"context"
	"embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/gosight/gosight/benchmarks/report"
	"github.com/gosight/gosight/benchmarks/scenario"
	"github.com/gosight/gosight/benchmarks/target"
)

//go:embed scenarios/*.yaml
var scenarios embed.FS

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	o := parseFlags()
	if err := run(ctx, o, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "benchmarks:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options, names []string) error {
	switch {
	case len(names) == 0:
		flag.Usage()
		return errors.New("name a scenario")
	case slices.Equal(names, []string{"all"}):
		// The comparison needs a peer that has to be built first.
		names = slices.DeleteFunc(scenario.Names(scenarios), func(name string) bool { return name == "compare" })
	case slices.Equal(names, []string{"table"}):
		names = nil
	}
	var failed []string
	for _, name := range names {
		s, err := scenario.Read(scenarios, name, o.short)
		if err != nil {
			return err
		}
		if err := o.adjust(s); err != nil {
			return err
		}
		result, err := o.carryOut(ctx, s)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		result.Short, result.Place = o.short, report.Describe(o.bin)
		if o.out != "" {
			if err := result.Write(o.out); err != nil {
				return err
			}
		}
		fmt.Println(result.Markdown(name, false))
		if len(result.Failures) > 0 {
			failed = append(failed, name)
		}
	}
	if len(names) != 1 && o.out != "" {
		table, err := report.WriteReach(o.out, o.short)
		if err != nil {
			return err
		}
		fmt.Println(table)
	}
	if len(failed) > 0 {
		return fmt.Errorf("failed: %s", strings.Join(failed, ", "))
	}
	return ctx.Err()
}

// carryOut starts the system that a scenario needs, fresh, and runs it.
func (o options) carryOut(ctx context.Context, s *scenario.Scenario) (result *report.Result, err error) {
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	bench := &scenario.Bench{Screen: screen(), Log: log, Profiles: o.profiles}
	if s.Kind == "bandwidth" {
		return bench.Run(ctx, s)
	}
	dir := o.data
	if dir == "" {
		if dir, err = os.MkdirTemp("", "gosight-bench-"); err != nil {
			return nil, fmt.Errorf("make data folder: %w", err)
		}
		defer os.RemoveAll(dir)
	}
	bin, err := filepath.Abs(o.bin)
	if err != nil {
		return nil, err
	}
	bench.Peer = scenario.Peer{Bin: bin, Config: filepath.Join("benchmarks", "otel"), Dir: dir}
	switch {
	case o.ready != "":
		bench.System, err = target.Attach(o.ready)
	case s.Shape == "chain":
		bench.System, err = target.Chain(ctx, bin, dir, !s.KafkaOnly)
	default:
		bench.System, err = target.Up(ctx, bin, dir)
	}
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, bench.System.Close()) }()
	return bench.Run(ctx, s)
}

// screen is where the progress bar goes: nowhere where nobody watches, since a log of it is no pleasure to read.
func screen() io.Writer {
	if about, err := os.Stderr.Stat(); err != nil || about.Mode()&os.ModeCharDevice == 0 {
		return io.Discard
	}
	return os.Stderr
}
