package gate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/gosight/gosight/internal/registry"
)

type metrics struct {
	limited *prometheus.CounterVec
	polls   *prometheus.CounterVec
	updated prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer) *metrics {
	auto := promauto.With(reg)
	return &metrics{
		limited: auto.NewCounterVec(prometheus.CounterOpts{
			Name: "gosight_gate_limited_total", Help: "Batches that came too early, by what was limited: key, address or session.",
		}, []string{"by"}),
		polls: auto.NewCounterVec(prometheus.CounterOpts{
			Name: "gosight_gate_registry_polls_total", Help: "Requests for the registry, by outcome: changed, same or failed.",
		}, []string{"outcome"}),
		updated: auto.NewGauge(prometheus.GaugeOpts{
			Name: "gosight_gate_registry_confirmed_seconds", Help: "When the centre last confirmed the registry, Unix seconds; 0 before it did.",
		}),
	}
}

// Fetch asks the centre for the registry. document is nil where the version that the agent has is the present one.
type Fetch func(ctx context.Context, have string) (version string, document []byte, err error)

// fetchTimeout lets a poll that hangs end before the next but one is due.
const fetchTimeout = 5 * time.Second

// Follow keeps the registry up to date until ctx ends. While the centre is away, what is known stands.
func (g *Gate) Follow(ctx context.Context, fetch Fetch) error {
	failing := false
	for {
		err := g.poll(ctx, fetch)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			g.metrics.polls.WithLabelValues("failed").Inc()
			if !failing {
				g.log.Warn("the centre's registry cannot be asked for: what is known stands", "error", err)
			}
		}
		failing = err != nil
		// Agents that start together shall not ask together for ever.
		pause := g.cfg.Poll - time.Duration(rand.Int64N(int64(g.cfg.Poll)/4+1))
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}

func (g *Gate) poll(ctx context.Context, fetch Fetch) error {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	version, document, err := fetch(ctx, g.version)
	if err != nil {
		return err
	}
	g.metrics.updated.SetToCurrentTime()
	if version == g.version {
		g.metrics.polls.WithLabelValues("same").Inc()
		return nil
	}
	snapshot, err := registry.DecodeSnapshot(document)
	if err != nil {
		return err
	}
	g.use(version, snapshot)
	g.metrics.polls.WithLabelValues("changed").Inc()
	if g.cacheFile == "" {
		return nil
	}
	// Replaced as a whole; a crash before it is on disk leaves the old one or none, and the centre has it.
	if err := os.WriteFile(g.cacheFile+".new", document, 0o600); err != nil {
		return fmt.Errorf("keep the registry on disk: %w", err)
	}
	if err := os.Rename(g.cacheFile+".new", g.cacheFile); err != nil {
		return fmt.Errorf("keep the registry on disk: %w", err)
	}
	return nil
}

func (g *Gate) use(version string, snapshot *registry.Snapshot) {
	index := registry.NewIndex(snapshot)
	g.index.Store(index)
	g.version = version
	for _, use := range g.changed {
		use(index)
	}
}

// recall uses the registry that was kept on disk. One that is damaged is as good as none: the centre has it.
func (g *Gate) recall() {
	if g.cacheFile == "" {
		return
	}
	document, err := os.ReadFile(g.cacheFile)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	var snapshot *registry.Snapshot
	if err == nil {
		snapshot, err = registry.DecodeSnapshot(document)
	}
	if err != nil {
		g.log.Error("the registry kept on disk is of no use; asking the centre", "file", g.cacheFile, "error", err)
		return
	}
	if version, _, err := snapshot.Encode(); err == nil {
		g.use(version, snapshot)
	}
}
