// Package erase forgets users and sessions: it carries out the erasures that the registry holds, to their end.
//
// From the moment an erasure is in the registry, agents and aggregators drop what comes of those it names. What was
// under way before is waited for, and then removed: rows from every table, by mutations that are waited for, records
// from the topics, up to where they are stored, and dead letters. Only then is the erasure complete, and the names in it
// are dropped for tombstones.
package erase

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"maps"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/gosight/gosight/aggregator/store"
	"github.com/gosight/gosight/internal/config"
	"github.com/gosight/gosight/internal/registry"
	"github.com/gosight/gosight/proto/gen/gosight"
	"github.com/gosight/gosight/proto/wire"
)

// Config says how patient an erasure is.
type Config struct {
	// Agents learn of it within seconds, an insert under way takes at most ClickHouse's insert-timeout.
	Settle time.Duration `help:"What is under way when an erasure is asked for is given so long to arrive." default:"25s"`
	Poll   time.Duration `help:"How often erasures are looked for." default:"1s"`
}

// Default is patient enough for the default timeouts.
func Default() Config { return config.Default[Config]() }

// Validate says what is wrong with the settings.
func (c Config) Validate() error {
	if c.Settle < 0 || c.Poll <= 0 {
		return errors.New("erase: settle must not be below zero, and poll above it")
	}
	return nil
}

// Registry is where erasures are kept.
type Registry interface {
	State() *registry.State
	PutErasure(ctx context.Context, erasure registry.Erasure) error
}

// Topics are what is between agents and tables.
type Topics interface {
	// Ends are where the topics end now.
	Ends(ctx context.Context) (Marks, error)
	// Forget removes the records before marks once all of them are stored, or says that they are not yet.
	Forget(ctx context.Context, marks Marks) (done bool, err error)
	// ForgetLetters removes the dead letters that are theirs, and returns how many.
	ForgetLetters(ctx context.Context, theirs func(key, value []byte) bool) (removed int, err error)
}

// Marks are offsets by topic and partition.
type Marks = map[string]map[int32]int64

// Worker carries erasures out, one after the other. Several workers do the same work twice, which harms nothing.
type Worker struct {
	cfg      Config
	registry Registry
	store    *store.Store
	topics   Topics
	now      func() time.Time
	log      *slog.Logger
	done     prometheus.Counter
	failed   prometheus.Counter
	marks    map[string]Marks // of erasures under way, by id
}

// New prepares a worker.
func New(cfg Config, r Registry, st *store.Store, topics Topics, reg prometheus.Registerer, log *slog.Logger) (*Worker, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	auto := promauto.With(reg)
	return &Worker{cfg: cfg, registry: r, store: st, topics: topics, now: time.Now, log: log, marks: map[string]Marks{},
		done: auto.NewCounter(prometheus.CounterOpts{
			Name: "gosight_erase_completed_total", Help: "Erasures that were carried out to their end.",
		}),
		failed: auto.NewCounter(prometheus.CounterOpts{
			Name: "gosight_erase_failures_total", Help: "Tries at an erasure that failed; it is tried again.",
		})}, nil
}

// Run works until ctx ends.
func (w *Worker) Run(ctx context.Context) error {
	tick := time.NewTicker(w.cfg.Poll)
	defer tick.Stop()
	for {
		for _, erasure := range w.registry.State().Erasures {
			if erasure.CompletedAt != 0 {
				continue
			}
			if err := w.carryOn(ctx, erasure); err != nil && ctx.Err() == nil {
				w.failed.Inc()
				w.log.Error("erase: trying again", "erasure", erasure.ID, "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// carryOn does what can be done of an erasure now.
func (w *Worker) carryOn(ctx context.Context, erasure registry.Erasure) error {
	// What is stored goes at once; who asks to be forgotten shall not be looked at for another half minute.
	if _, err := w.removeRows(ctx, &erasure); err != nil {
		return err
	}
	if w.now().UnixMilli() < erasure.RequestedAt+w.cfg.Settle.Milliseconds() {
		return nil
	}
	// From here on nobody lets anything of them through: what is in the topics now is the last. Dead letters come first,
	// so that nobody puts one back into a topic later.
	marks, ok := w.marks[erasure.ID]
	if !ok {
		if _, err := w.removeLetters(ctx, &erasure); err != nil {
			return err
		}
		var err error
		if marks, err = w.topics.Ends(ctx); err != nil {
			return err
		}
		w.marks[erasure.ID] = marks
	}
	if done, err := w.topics.Forget(ctx, marks); err != nil || !done {
		return err
	}
	// Until a look finds nothing. What the consumers could not read on their way to the marks are dead letters.
	for _, remove := range []func(context.Context, *registry.Erasure) (bool, error){w.removeLetters, w.removeRows} {
		if found, err := remove(ctx, &erasure); err != nil || found {
			return err
		}
	}
	// It is complete when the registry has forgotten the names, too.
	erasure.User, erasure.Sessions = "", nil
	if err := w.registry.PutErasure(ctx, erasure); err != nil {
		return err
	}
	if err := w.store.ForgetVersions(ctx); err != nil {
		return err
	}
	erasure.CompletedAt = w.now().UnixMilli()
	if err := w.store.Audit(ctx, store.AuditEntry{
		At: erasure.CompletedAt, Project: erasure.Project, Actor: "gosight", Action: "erase.completed", Subject: erasure.ID,
	}); err != nil {
		return err
	}
	if err := w.registry.PutErasure(ctx, erasure); err != nil {
		return err
	}
	delete(w.marks, erasure.ID)
	w.done.Inc()
	w.log.Info("erased", "erasure", erasure.ID, "removed", erasure.Removed)
	return nil
}

// removeRows takes rows out, those of sessions that came to light meanwhile too.
func (w *Worker) removeRows(ctx context.Context, erasure *registry.Erasure) (found bool, err error) {
	if erasure.User != "" {
		sessions, err := w.store.SessionsOf(ctx, erasure.Project, erasure.User)
		if err != nil {
			return false, err
		}
		known := len(erasure.Sessions)
		erasure.Add(sessions...)
		if len(erasure.Sessions) > known { // once their rows are gone nobody could tell that they are the user's
			if err := w.registry.PutErasure(ctx, *erasure); err != nil {
				return false, err
			}
		}
	}
	removed, err := w.store.Erase(ctx, erasure.Project, erasure.Sessions)
	if err != nil {
		return false, err
	}
	return w.count(ctx, erasure, removed)
}

func (w *Worker) removeLetters(ctx context.Context, erasure *registry.Erasure) (found bool, err error) {
	letters, err := w.topics.ForgetLetters(ctx, theirs(*erasure))
	if err != nil || letters == 0 {
		return false, err
	}
	return w.count(ctx, erasure, map[string]uint64{"dead_letters": uint64(letters)})
}

// count adds to what was removed.
func (w *Worker) count(ctx context.Context, erasure *registry.Erasure, removed map[string]uint64) (any bool, err error) {
	if len(removed) == 0 {
		return false, nil
	}
	sum := maps.Clone(erasure.Removed)
	if sum == nil {
		sum = map[string]uint64{}
	}
	for table, rows := range removed {
		sum[table] += rows
	}
	erasure.Removed = sum
	return true, w.registry.PutErasure(ctx, *erasure)
}

// A dead letter is no larger than the batch it was.
var codec = wire.Codec{Alias: true, MaxDecoded: 32 << 20}

// theirs says whether a dead letter is of those who are erased. Its key has the session. Of what cannot be decoded, the
// user is looked for as a batch would name them.
func theirs(erasure registry.Erasure) func(key, value []byte) bool {
	sessions := map[string]bool{}
	for _, session := range erasure.Sessions {
		sessions[session] = true
	}
	var user []byte
	if erasure.User != "" {
		user = protowire.AppendString(protowire.AppendTag(nil, userField, protowire.BytesType), erasure.User)
	}
	return func(key, value []byte) bool {
		project, session, _ := strings.Cut(string(key), "/")
		if project == erasure.Project && sessions[session] {
			return true
		}
		var batch gosight.Batch
		if err := codec.Unmarshal(value, &batch); err == nil && batch.Project != "" {
			return batch.Project == erasure.Project &&
				(sessions[batch.SessionId] || erasure.User != "" && batch.UserId == erasure.User)
		}
		return project == erasure.Project && user != nil && bytes.Contains(value, user)
	}
}

// userField is the number of Batch.user_id.
const userField = 4
