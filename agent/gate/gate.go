// Package gate decides who may send to this agent and how fast: keys, origins, rates, and who is erased. It follows
// the centre's registry, and keeps the last one on disk so that an agent starts where the centre cannot be reached.
package gate

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gosight/gosight/internal/registry"
)

// AnonymousProject is where events without a key go that come over loopback, where that is allowed.
const AnonymousProject = "default"

// Why a request is refused.
var (
	ErrNoKey      = errors.New("no project key: send it as gRPC metadata x-gosight-key, header X-Gosight-Key or ?key=")
	ErrUnknownKey = errors.New("unknown project key: check the key of your project")
	ErrRevokedKey = errors.New("this project key was revoked: put the project's new key on the page")
	ErrOrigin     = errors.New("the project does not take events from pages of this origin: add it to its allowed origins")
)

// Gate is safe for many goroutines.
type Gate struct {
	keys      map[string]string // of the configuration: key → project
	anonymous bool
	cfg       Config
	cacheFile string
	now       func() time.Time
	log       *slog.Logger
	limits    *limits
	metrics   *metrics
	index     atomic.Pointer[registry.Index]
	version   string // of the snapshot in use; Follow's
	changed   []func(*registry.Index)
}

// Parts are what a Gate is made of.
type Parts struct {
	Config
	// Keys are the configuration's, by key; the registry's are added, and may revoke these.
	Keys map[string]string
	// AnonymousLoopback takes requests without a key from this machine as AnonymousProject's.
	AnonymousLoopback bool
	// CacheFile keeps the registry over restarts; empty keeps it in memory only.
	CacheFile  string
	Now        func() time.Time
	Registerer prometheus.Registerer
	Log        *slog.Logger
}

// New reads the registry that was kept on disk, if any.
func New(parts Parts) (*Gate, error) {
	if err := parts.Validate(); err != nil {
		return nil, err
	}
	limits, err := newLimits(parts.Config)
	if err != nil {
		return nil, fmt.Errorf("rate: %w", err)
	}
	g := &Gate{
		keys: parts.Keys, anonymous: parts.AnonymousLoopback, cfg: parts.Config, cacheFile: parts.CacheFile,
		now: parts.Now, log: parts.Log, limits: limits, metrics: newMetrics(parts.Registerer),
	}
	g.index.Store(registry.NewIndex(&registry.Snapshot{}))
	g.recall()
	return g, nil
}

// OnChange calls use with the registry as it is, and again whenever it changes. Call it before Follow.
func (g *Gate) OnChange(use func(*registry.Index)) {
	g.changed = append(g.changed, use)
	use(g.index.Load())
}

// Project returns the project that a request with this key, from a page of this origin and this peer, may write to.
// A server's request has no origin.
func (g *Gate) Project(key, origin string, peer netip.Addr) (string, error) {
	project, err := g.owner(key, peer)
	if err != nil {
		return "", err
	}
	if settings := g.index.Load().Project(project); settings != nil && !settings.AllowsOrigin(origin) {
		return "", ErrOrigin
	}
	return project, nil
}

func (g *Gate) owner(key string, peer netip.Addr) (string, error) {
	if key == "" {
		if g.anonymous && peer.Unmap().IsLoopback() {
			return AnonymousProject, nil
		}
		return "", ErrNoKey
	}
	// The registry's word stands over the configuration's: it may have revoked the key.
	if known, ok := g.index.Load().Key(key); ok {
		if !known.Good(g.now()) {
			return "", ErrRevokedKey
		}
		return known.Project, nil
	}
	if project, ok := g.keys[key]; ok {
		return project, nil
	}
	return "", ErrUnknownKey
}

// AnyErased says whether asking Erased is worth it.
func (g *Gate) AnyErased() bool { return g.index.Load().AnyErased() }

// Erased says whether what comes of this user or session is to be dropped.
func (g *Gate) Erased(project, user, session string) bool {
	return g.index.Load().Erased(project, user, session, g.now())
}
