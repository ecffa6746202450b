package target

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Profile writes CPU profiles of agent and aggregator over the given time, and their heaps at its end, below dir as
// LABEL-PART-cpu.pprof and LABEL-PART-heap.pprof.
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
	failed := make(chan error, 2)
	for part, admin := range map[string]string{agentRole: s.AgentAdmin, aggregatorRole: s.AggregatorAdmin} {
		go func() {
			name := filepath.Join(dir, label+"-"+part)
			seconds := max(1, int(over.Seconds()))
			err := fetch(ctx, fmt.Sprintf("%s/debug/pprof/profile?seconds=%d", HTTPURL(admin), seconds), name+"-cpu.pprof")
			if err == nil {
				err = fetch(ctx, HTTPURL(admin)+"/debug/pprof/heap", name+"-heap.pprof")
			}
			failed <- err
		}()
	}
	err := <-failed
	if second := <-failed; err == nil {
		err = second
	}
	return err
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
