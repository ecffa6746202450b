package target

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// Profile writes CPU profiles of agent, aggregator and generator over the given time, and the heaps of the first two at
// its end, below dir as LABEL-PART-cpu.pprof and LABEL-PART-heap.pprof.
func (s *System) Profile(ctx context.Context, dir, label string, over time.Duration) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("profile: %w", err)
	}
	label = strings.Map(func(r rune) rune {
		if strings.ContainsRune(" /", r) {
			return '-'
		}
		return r
	}, label)
	seconds := max(1, int(over.Seconds()))
	var parts errgroup.Group
	for part, admin := range map[string]string{agentRole: s.AgentAdmin, aggregatorRole: s.AggregatorAdmin} {
		parts.Go(func() error {
			name := filepath.Join(dir, label+"-"+part)
			err := fetch(ctx, fmt.Sprintf("%s/debug/pprof/profile?seconds=%d", HTTPURL(admin), seconds), name+"-cpu.pprof")
			if err != nil {
				return err
			}
			return fetch(ctx, HTTPURL(admin)+"/debug/pprof/heap", name+"-heap.pprof")
		})
	}
	parts.Go(func() error {
		return profileSelf(ctx, filepath.Join(dir, label+"-generator-cpu.pprof"), time.Duration(seconds)*time.Second)
	})
	return parts.Wait()
}

// profileSelf is for the generator, which must not be what limits a measurement.
func profileSelf(ctx context.Context, file string, over time.Duration) error {
	out, err := os.Create(file)
	if err != nil {
		return fmt.Errorf("profile: %w", err)
	}
	defer out.Close()
	if err := pprof.StartCPUProfile(out); err != nil {
		return fmt.Errorf("profile the generator: %w", err)
	}
	defer pprof.StopCPUProfile()
	select {
	case <-ctx.Done():
	case <-time.After(over):
	}
	return nil
}

func fetch(ctx context.Context, from, file string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return fmt.Errorf("profile: %w", err)
	}
	response, err := http.DefaultClient.Do(r) // without the time limit that queries have
	if err != nil {
		return fmt.Errorf("profile: %w", err)
	}
	defer response.Body.Close()
	out, err := os.Create(file)
	if err != nil {
		return fmt.Errorf("profile: %w", err)
	}
	defer out.Close()
	if _, err := io.Copy(out, response.Body); err != nil {
		return fmt.Errorf("profile %s: %w", from, err)
	}
	return nil
}
