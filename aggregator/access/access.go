// Package access keeps the registry at the centre: which projects there are, who may write and read, and whose data
// is erased. It merges what the configuration, a mounted file and the registry's table say, follows changes that
// other aggregators make, and hands agents their part.
package access

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/gosight/gosight/aggregator/store"
	"github.com/gosight/gosight/internal/registry"
)

// Table is where changes are kept, for all aggregators.
type Table interface {
	Registry(ctx context.Context) ([]store.Document, error)
	PutRegistry(ctx context.Context, now time.Time, documents ...store.Document) error
}

// Keeper is safe for concurrent use.
type Keeper struct {
	cfg    Config
	table  Table
	now    func() time.Time
	log    *slog.Logger
	failed prometheus.Counter

	changing sync.Mutex // held while the table is read or written, so that no older reading replaces a newer one
	current  atomic.Pointer[view]
	changed  []func(*registry.Index)
}

// view is the registry at one moment, ready to be asked.
type view struct {
	state    *registry.State
	index    *registry.Index
	fixed    map[ref]bool // what only the file can change
	version  string
	snapshot []byte
	read     bool // the table too: agents are told nothing before, since it would make them forget
}

// New reads the configured sources; the table is read by Load and Run.
func New(cfg Config, table Table, reg prometheus.Registerer, log *slog.Logger) (*Keeper, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	k := &Keeper{cfg: cfg, table: table, now: time.Now, log: log,
		failed: promauto.With(reg).NewCounter(prometheus.CounterOpts{
			Name: "gosight_registry_failed_reads_total", Help: "Readings of the registry that failed; the last good one stands.",
		})}
	return k, k.merge(nil, false)
}

// Run follows changes until ctx ends.
func (k *Keeper) Run(ctx context.Context) error {
	tick := time.NewTicker(k.cfg.Refresh)
	defer tick.Stop()
	failing := false
	for {
		if err := k.Load(ctx); err != nil && ctx.Err() == nil {
			k.failed.Inc()
			if !failing {
				k.log.Warn("the registry cannot be read: what was known stands", "error", err)
			}
			failing = true
		} else {
			failing = false
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Load reads all sources anew.
func (k *Keeper) Load(ctx context.Context) error {
	k.changing.Lock()
	defer k.changing.Unlock()
	return k.load(ctx)
}

func (k *Keeper) load(ctx context.Context) error {
	documents, err := k.table.Registry(ctx)
	if err != nil {
		return err
	}
	return k.merge(documents, true)
}

// merge makes the view of the configured sources and the table's documents.
func (k *Keeper) merge(documents []store.Document, read bool) error {
	projects, keys := map[string]registry.Project{}, map[string]registry.Key{}
	tokens, agents := map[string]registry.Token{}, map[string]registry.Agent{}
	v := &view{state: &registry.State{}, fixed: map[ref]bool{}, read: read}
	for secret, project := range k.cfg.Keys {
		key := registry.Key{Project: project, Name: "from the configuration", Sum: registry.SumOf(secret), Hint: registry.Hint(secret)}
		key.ID = string(key.Sum[:12])
		keys[key.ID] = key
	}
	for _, d := range documents {
		if err := decode(d, projects, keys, tokens, agents, v.state); err != nil {
			return fmt.Errorf("registry entry %s %s: %w", d.Kind, d.ID, err)
		}
	}
	if k.cfg.File != "" {
		file, err := registry.LoadFile(k.cfg.File)
		if err != nil {
			return err
		}
		fix(v.fixed, KindProject, projects, file.Projects, func(p registry.Project) string { return p.ID })
		fix(v.fixed, KindKey, keys, file.Keys, func(k registry.Key) string { return k.ID })
		fix(v.fixed, KindToken, tokens, file.Tokens, func(t registry.Token) string { return t.ID })
		fix(v.fixed, KindAgent, agents, file.Agents, func(a registry.Agent) string { return a.ID })
	}
	for _, key := range keys {
		if _, ok := projects[key.Project]; !ok {
			projects[key.Project] = registry.Project{ID: key.Project}
		}
	}
	v.state.Projects = slices.Collect(maps.Values(projects))
	v.state.Keys = slices.Collect(maps.Values(keys))
	v.state.Tokens = slices.Collect(maps.Values(tokens))
	v.state.Agents = slices.Collect(maps.Values(agents))
	v.state.Sort()
	snapshot := v.state.Snapshot(k.now())
	v.index = registry.NewIndex(snapshot)
	var err error
	if v.version, v.snapshot, err = snapshot.Encode(); err != nil {
		return err
	}
	last := k.current.Swap(v)
	if last == nil || last.version != v.version {
		for _, use := range k.changed {
			use(v.index)
		}
	}
	return nil
}

// OnChange calls use with the registry as it is, and again whenever it changes. Call it before Run.
func (k *Keeper) OnChange(use func(*registry.Index)) {
	k.changed = append(k.changed, use)
	use(k.current.Load().index)
}

// Kind is what sort of entry something is.
type Kind string

// The kinds of entries.
const (
	KindProject Kind = "project"
	KindKey     Kind = "key"
	KindToken   Kind = "token"
	KindAgent   Kind = "agent"
	kindErasure Kind = "erasure"
)

func decode(d store.Document, projects map[string]registry.Project, keys map[string]registry.Key,
	tokens map[string]registry.Token, agents map[string]registry.Agent, state *registry.State) error {
	switch Kind(d.Kind) {
	case KindProject:
		return into(projects, d)
	case KindKey:
		return into(keys, d)
	case KindToken:
		return into(tokens, d)
	case KindAgent:
		return into(agents, d)
	case kindErasure:
		var erasure registry.Erasure
		err := json.Unmarshal([]byte(d.JSON), &erasure)
		state.Erasures = append(state.Erasures, erasure)
		return err
	}
	return nil // of a later version
}

func into[T any](all map[string]T, d store.Document) error {
	var value T
	err := json.Unmarshal([]byte(d.JSON), &value)
	all[d.ID] = value
	return err
}

// fix puts the file's entries over the table's: who mounts a file wants it to hold.
func fix[T any](fixed map[ref]bool, kind Kind, all map[string]T, file []T, id func(T) string) {
	for _, value := range file {
		all[id(value)] = value
		fixed[ref{kind, id(value)}] = true
	}
}

// State is the registry as it is known now; it must not be changed.
func (k *Keeper) State() *registry.State { return k.current.Load().state }

// Snapshot is what agents need, and its version; ok is false before the table was read.
func (k *Keeper) Snapshot() (version string, document []byte, ok bool) {
	v := k.current.Load()
	return v.version, v.snapshot, v.read
}

// Retention is what projects say of how long their rows are kept; ok is false before the table was read.
func (k *Keeper) Retention() (own store.ProjectDays, ok bool) {
	v := k.current.Load()
	own = store.ProjectDays{Events: map[string]int{}, Replay: map[string]int{}}
	for _, project := range v.state.Projects {
		if project.EventDays > 0 {
			own.Events[project.ID] = project.EventDays
		}
		if project.ReplayDays > 0 {
			own.Replay[project.ID] = project.ReplayDays
		}
	}
	return own, v.read
}

// AnyErased says whether asking Erased is worth it.
func (k *Keeper) AnyErased() bool { return k.current.Load().index.AnyErased() }

// Erased says whether what comes of this user or session is to be dropped.
func (k *Keeper) Erased(project, user, session string) bool {
	return k.current.Load().index.Erased(project, user, session, k.now())
}

// Agent returns the name of the agent whose secret this is.
func (k *Keeper) Agent(secret string) (name string, ok bool) { return k.State().Agent(secret, k.now()) }

// ErrFixed says that an entry comes from the mounted file and is changed there.
var ErrFixed = errors.New("this comes from the registry's file: change it there")

// Fixed says whether an entry comes from the mounted file, so that it can only be changed there.
func (k *Keeper) Fixed(kind Kind, id string) bool {
	return k.current.Load().fixed[ref{kind, id}]
}

// ref names an entry.
type ref struct {
	kind Kind
	id   string
}

// entry is something to be written.
type entry struct {
	kind  Kind
	id    string
	value any
}

// put writes entries, all or none, and reads the registry again so that they hold at once here, and everywhere within
// seconds.
func (k *Keeper) put(ctx context.Context, entries ...entry) error {
	k.changing.Lock()
	defer k.changing.Unlock()
	documents := make([]store.Document, len(entries))
	for i, e := range entries {
		if k.Fixed(e.kind, e.id) {
			return ErrFixed
		}
		text, err := json.Marshal(e.value)
		if err != nil {
			return fmt.Errorf("encode %s: %w", e.kind, err)
		}
		documents[i] = store.Document{Kind: string(e.kind), ID: e.id, JSON: string(text)}
	}
	if err := k.table.PutRegistry(ctx, k.now(), documents...); err != nil {
		return err
	}
	return k.load(ctx)
}
