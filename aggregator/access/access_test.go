package access

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gosight/gosight/aggregator/store"
	"github.com/gosight/gosight/internal/registry"
)

// table is a registry table that two keepers may share.
type table struct {
	documents []store.Document
	away      bool
}

var errAway = errors.New("the table is away")

func (t *table) Registry(context.Context) ([]store.Document, error) {
	if t.away {
		return nil, errAway
	}
	return slices.Clone(t.documents), nil
}

func (t *table) PutRegistry(_ context.Context, _ time.Time, documents ...store.Document) error {
	if t.away {
		return errAway
	}
	for _, d := range documents {
		t.documents = slices.DeleteFunc(t.documents, func(old store.Document) bool { return old.Kind == d.Kind && old.ID == d.ID })
		t.documents = append(t.documents, d)
	}
	return nil
}

func keep(t *testing.T, cfg Config, table Table) *Keeper {
	t.Helper()
	k, err := New(cfg, table, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestSourcesAreOneRegistry(t *testing.T) {
	ctx := t.Context()
	shared := &table{}
	cfg := Default()
	cfg.Keys = map[string]string{"gs_configured": "shop"}
	cfg.File = filepath.Join(t.TempDir(), "registry.yaml")
	if err := os.WriteFile(cfg.File, []byte("projects: [{id: site, event_days: 7}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	here, there := keep(t, cfg, shared), keep(t, Default(), shared)
	if _, _, ok := here.Snapshot(); ok {
		t.Error("agents are told of a registry whose table was not read: they would forget their keys")
	}
	if _, ok := here.Retention(); ok {
		t.Error("tables are told of a registry that was not read: they would forget projects' days")
	}
	if err := errors.Join(here.Load(ctx), there.Load(ctx)); err != nil {
		t.Fatal(err)
	}
	if days, ok := here.Retention(); !ok || !maps.Equal(days.Events, map[string]int{"site": 7}) || len(days.Replay) != 0 {
		t.Errorf("retention: %v, %v", days, ok)
	}
	before, _, ok := here.Snapshot()
	if !ok {
		t.Fatal("no snapshot")
	}

	key, secret, err := here.CreateKey(ctx, "shop", "new site")
	if err != nil {
		t.Fatal(err)
	}
	if after, document, _ := here.Snapshot(); after == before || slices.Contains([]string{string(document)}, secret) {
		t.Error("a new key is not a new version, or its secret is in it")
	}
	if err := there.Load(ctx); err != nil {
		t.Fatal(err)
	}
	if got := there.State().Keys; len(got) != 1 || got[0] != key {
		t.Errorf("another aggregator knows %+v", got)
	}
	next, secret, err := here.RotateKey(ctx, "shop", key.ID, time.Hour)
	if err != nil || next.ID == key.ID || next.Name != key.Name || !next.Good(time.Now().Add(2*time.Hour)) || !strings.HasPrefix(secret, next.Hint) {
		t.Errorf("rotated to %+v, %v", next, err)
	}
	old := here.State().Keys[slices.IndexFunc(here.State().Keys, func(k registry.Key) bool { return k.ID == key.ID })]
	if !old.Good(time.Now().Add(59*time.Minute)) || old.Good(time.Now().Add(61*time.Minute)) {
		t.Errorf("the key before is %+v", old)
	}
	if _, _, err := here.RotateKey(ctx, "shop", key.ID, time.Hour); !errors.Is(err, ErrInvalid) {
		t.Errorf("a key in its last hour was rotated again: %v", err)
	}
	if later, err := here.RevokeKey(ctx, "shop", key.ID, 24*time.Hour); err != nil || later.RevokedAt != old.RevokedAt {
		t.Errorf("revoking again gave it more time: %+v, %v", later, err)
	}
	configured := string(registry.SumOf("gs_configured")[:12])
	for _, id := range []string{key.ID, configured} {
		revoked, err := here.RevokeKey(ctx, "shop", id, 0)
		if err != nil || revoked.Good(time.Now()) {
			t.Errorf("revoked %+v, %v", revoked, err)
		}
	}
	if _, err := here.RevokeKey(ctx, "other", key.ID, 0); !errors.Is(err, ErrUnknown) {
		t.Errorf("another project's key was revoked: %v", err)
	}
	if err := here.PutProject(ctx, registry.Project{ID: "site"}); !errors.Is(err, ErrFixed) {
		t.Errorf("the file's project was changed: %v", err)
	}
	if !here.Fixed(KindProject, "site") || here.Fixed(KindProject, "shop") || here.Fixed(KindKey, "site") {
		t.Error("what is the file's is not told from what is not")
	}

	_, token, err := here.CreateToken(ctx, "shop", "ci", registry.Viewer)
	if err != nil {
		t.Fatal(err)
	}
	found, ok := here.State().Token(token, time.Now())
	if !ok || found.Role != registry.Viewer {
		t.Errorf("token %+v, %v", found, ok)
	}
	if err := here.RevokeToken(ctx, "shop", found.ID); err != nil {
		t.Fatal(err)
	}
	if _, ok := here.State().Token(token, time.Now()); ok {
		t.Error("a revoked token is good")
	}
	_, agent, err := here.CreateAgent(ctx, "edge-eu")
	if err != nil {
		t.Fatal(err)
	}
	if name, ok := here.Agent(agent); !ok || name != "edge-eu" {
		t.Errorf("agent %q, %v", name, ok)
	}
	if err := here.RevokeAgent(ctx, "edge-eu"); err != nil {
		t.Fatal(err)
	}
	if _, ok := here.Agent(agent); ok {
		t.Error("a revoked agent is let in")
	}

	// Another aggregator's erasure, and the table gone: what was known stands.
	gone := registry.Erasure{ID: "e", Project: "shop", Tombstones: []registry.Tombstone{registry.UserTombstone("shop", "linh")},
		Until: time.Now().Add(time.Hour).UnixMilli()}
	if err := here.PutErasure(ctx, gone); err != nil {
		t.Fatal(err)
	}
	shared.away = true
	if err := here.Load(ctx); !errors.Is(err, errAway) {
		t.Error(err)
	}
	if !here.AnyErased() || !here.Erased("shop", "linh", "s") || here.Erased("site", "linh", "s") {
		t.Error("the erasure is not known")
	}
}
