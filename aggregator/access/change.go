package access

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gosight/gosight/internal/detect"
	"github.com/gosight/gosight/internal/registry"
)

// ErrInvalid says that what was to be written makes no sense; the error says what.
var ErrInvalid = errors.New("not valid")

// ErrUnknown says that there is no such key, token, agent or erasure.
var ErrUnknown = errors.New("there is no such entry in the registry")

// PutProject writes a project's settings, over those it had.
func (k *Keeper) PutProject(ctx context.Context, project registry.Project) error {
	if err := project.Validate(); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	rules := detect.Default()
	rules.Projects = registry.NewIndex(&registry.Snapshot{Projects: []registry.Project{project}}).DetectRules()
	if err := rules.Validate(); err != nil {
		return fmt.Errorf("%w: detect: %w", ErrInvalid, err)
	}
	return k.put(ctx, entry{KindProject, project.ID, project})
}

// CreateKey makes a write key. The secret is returned here and nowhere else.
func (k *Keeper) CreateKey(ctx context.Context, project, name string) (registry.Key, string, error) {
	key, secret := k.newKey(project, name)
	return key, secret, k.put(ctx, entry{KindKey, key.ID, key})
}

func (k *Keeper) newKey(project, name string) (registry.Key, string) {
	secret := registry.NewSecret("gs_")
	return registry.Key{ID: registry.NewID(), Project: project, Name: name, Sum: registry.SumOf(secret),
		Hint: registry.Hint(secret), CreatedAt: k.now().UnixMilli()}, secret
}

// RotateKey makes a key in place of a project's other one, which stays good for a while, so that pages can change
// over.
func (k *Keeper) RotateKey(ctx context.Context, project, id string, after time.Duration) (registry.Key, string, error) {
	old, err := k.key(project, id)
	if err != nil {
		return registry.Key{}, "", err
	}
	if old.RevokedAt != 0 {
		return registry.Key{}, "", fmt.Errorf("%w: key %s is revoked already: create one", ErrInvalid, id)
	}
	old.RevokedAt = k.now().Add(after).UnixMilli()
	key, secret := k.newKey(project, old.Name)
	return key, secret, k.put(ctx, entry{KindKey, key.ID, key}, entry{KindKey, old.ID, old})
}

// RevokeKey ends a project's key, at once or after a while.
func (k *Keeper) RevokeKey(ctx context.Context, project, id string, after time.Duration) (registry.Key, error) {
	key, err := k.key(project, id)
	if err != nil {
		return registry.Key{}, err
	}
	at := k.now().Add(after).UnixMilli()
	if key.RevokedAt != 0 { // nothing brings a revoked key back
		at = min(at, key.RevokedAt)
	}
	key.RevokedAt = at
	return key, k.put(ctx, entry{KindKey, key.ID, key})
}

func (k *Keeper) key(project, id string) (registry.Key, error) {
	keys := k.State().Keys
	i := slices.IndexFunc(keys, func(key registry.Key) bool { return key.ID == id && key.Project == project })
	if i < 0 {
		return registry.Key{}, ErrUnknown
	}
	return keys[i], nil
}

// CreateToken makes a read token of a project, or of registry.AllProjects. The secret is returned here and nowhere
// else.
func (k *Keeper) CreateToken(ctx context.Context, project, name string, role registry.Role) (registry.Token, string, error) {
	secret := registry.NewSecret("gst_")
	token := registry.Token{ID: registry.NewID(), Project: project, Name: name, Role: role,
		Sum: registry.SumOf(secret), Hint: registry.Hint(secret), CreatedAt: k.now().UnixMilli()}
	return token, secret, k.put(ctx, entry{KindToken, token.ID, token})
}

// RevokeToken ends a project's token at once, and the sign-ins that were made with it.
func (k *Keeper) RevokeToken(ctx context.Context, project, id string) error {
	i := slices.IndexFunc(k.State().Tokens, func(t registry.Token) bool { return t.ID == id && t.Project == project })
	if i < 0 {
		return ErrUnknown
	}
	token := k.State().Tokens[i]
	token.RevokedAt = k.now().UnixMilli()
	return k.put(ctx, entry{KindToken, token.ID, token})
}

// CreateAgent makes a credential for an agent, in place of the one that it had.
func (k *Keeper) CreateAgent(ctx context.Context, name string) (registry.Agent, string, error) {
	secret := registry.NewSecret("gsa_")
	agent := registry.Agent{ID: name, Sum: registry.SumOf(secret), CreatedAt: k.now().UnixMilli()}
	return agent, secret, k.put(ctx, entry{KindAgent, name, agent})
}

// RevokeAgent ends an agent's credential.
func (k *Keeper) RevokeAgent(ctx context.Context, name string) error {
	i := slices.IndexFunc(k.State().Agents, func(a registry.Agent) bool { return a.ID == name })
	if i < 0 {
		return ErrUnknown
	}
	agent := k.State().Agents[i]
	agent.RevokedAt = k.now().UnixMilli()
	return k.put(ctx, entry{KindAgent, name, agent})
}

// PutErasure writes an erasure, new or further on its way.
func (k *Keeper) PutErasure(ctx context.Context, erasure registry.Erasure) error {
	return k.put(ctx, entry{kindErasure, erasure.ID, erasure})
}
