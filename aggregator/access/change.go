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
	return k.put(ctx, kindProject, project.ID, project)
}

// CreateKey makes a write key. The secret is returned here and nowhere else.
func (k *Keeper) CreateKey(ctx context.Context, project, name string) (registry.Key, string, error) {
	secret := registry.NewSecret("gs_")
	key := registry.Key{ID: registry.NewID(), Project: project, Name: name, Sum: registry.SumOf(secret), CreatedAt: k.now().UnixMilli()}
	return key, secret, k.put(ctx, kindKey, key.ID, key)
}

// RevokeKey ends a project's key after a while, so that pages can change over to another.
func (k *Keeper) RevokeKey(ctx context.Context, project, id string, after time.Duration) (registry.Key, error) {
	i := slices.IndexFunc(k.State().Keys, func(key registry.Key) bool { return key.ID == id && key.Project == project })
	if i < 0 {
		return registry.Key{}, ErrUnknown
	}
	key := k.State().Keys[i]
	key.RevokedAt = k.now().Add(after).UnixMilli()
	return key, k.put(ctx, kindKey, key.ID, key)
}

// CreateToken makes a read token of a project, or of registry.AllProjects. The secret is returned here and nowhere
// else.
func (k *Keeper) CreateToken(ctx context.Context, project, name string, role registry.Role) (registry.Token, string, error) {
	secret := registry.NewSecret("gst_")
	token := registry.Token{ID: registry.NewID(), Project: project, Name: name, Role: role,
		Sum: registry.SumOf(secret), CreatedAt: k.now().UnixMilli()}
	return token, secret, k.put(ctx, kindToken, token.ID, token)
}

// RevokeToken ends a project's token at once, and the sign-ins that were made with it.
func (k *Keeper) RevokeToken(ctx context.Context, project, id string) error {
	i := slices.IndexFunc(k.State().Tokens, func(t registry.Token) bool { return t.ID == id && t.Project == project })
	if i < 0 {
		return ErrUnknown
	}
	token := k.State().Tokens[i]
	token.RevokedAt = k.now().UnixMilli()
	return k.put(ctx, kindToken, token.ID, token)
}

// CreateAgent makes a credential for an agent, in place of the one that it had.
func (k *Keeper) CreateAgent(ctx context.Context, name string) (registry.Agent, string, error) {
	secret := registry.NewSecret("gsa_")
	agent := registry.Agent{ID: name, Sum: registry.SumOf(secret), CreatedAt: k.now().UnixMilli()}
	return agent, secret, k.put(ctx, kindAgent, name, agent)
}

// RevokeAgent ends an agent's credential.
func (k *Keeper) RevokeAgent(ctx context.Context, name string) error {
	i := slices.IndexFunc(k.State().Agents, func(a registry.Agent) bool { return a.ID == name })
	if i < 0 {
		return ErrUnknown
	}
	agent := k.State().Agents[i]
	agent.RevokedAt = k.now().UnixMilli()
	return k.put(ctx, kindAgent, name, agent)
}

// PutErasure writes an erasure, new or further on its way.
func (k *Keeper) PutErasure(ctx context.Context, erasure registry.Erasure) error {
	return k.put(ctx, kindErasure, erasure.ID, erasure)
}
