package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/gosight/gosight/aggregator/access"
	"github.com/gosight/gosight/internal/detect"
	"github.com/gosight/gosight/internal/registry"
)

type meOutput struct {
	Body struct {
		Name   string                   `json:"name"`
		Grants map[string]registry.Role `json:"grants" doc:"Roles by project; * is every project."`
	}
}

type projectsOutput struct {
	Body struct {
		Projects []string `json:"projects"`
		Fixed    []string `json:"fixed" doc:"Ids of those that come from the registry's mounted file, and are changed there."`
	}
}

type projectOutput struct{ Body registry.Project }

type projectInput struct {
	ProjectScope
	Body registry.Project
}

type keysOutput struct {
	Body struct {
		Keys  []registry.Key `json:"keys"`
		Fixed []string       `json:"fixed" doc:"Ids of those that come from the registry's mounted file, and are changed there."`
	}
}

type tokensOutput struct {
	Body struct {
		Tokens []registry.Token `json:"tokens"`
		Fixed  []string         `json:"fixed" doc:"Ids of those that come from the registry's mounted file, and are changed there."`
	}
}

type agentsOutput struct {
	Body struct {
		Agents []registry.Agent `json:"agents"`
		Fixed  []string         `json:"fixed" doc:"Ids of those that come from the registry's mounted file, and are changed there."`
	}
}

type createKeyInput struct {
	ProjectScope
	Body struct {
		Name string `json:"name,omitempty" maxLength:"128"`
	}
}

type rotateKeyInput struct {
	ProjectScope
	ID   string `path:"id" minLength:"1" maxLength:"64"`
	Body struct {
		AfterSeconds int64 `json:"after_seconds" minimum:"0" maximum:"31536000" doc:"Pages may go on with the old one for so long."`
	}
}

type rulesOutput struct{ Body detect.Rules }

type createTokenInput struct {
	// A project, or * for all, which needs an admin of all.
	Project string `query:"project" default:"default" minLength:"1" maxLength:"64" pattern:"^([A-Za-z0-9_.-]+|[*])$" doc:"Whose data; * is every project's."`
	Body    struct {
		Name string        `json:"name,omitempty" maxLength:"128"`
		Role registry.Role `json:"role" enum:"viewer,analyst,admin"`
	}
}

type createAgentInput struct {
	Body struct {
		Name string `json:"name" minLength:"1" maxLength:"64"`
	}
}

// secretOutput is the one time that a secret is shown.
type secretOutput struct {
	Body struct {
		ID     string `json:"id"`
		Secret string `json:"secret" doc:"Shown here and never again."`
	}
}

type revokeKeyInput struct {
	ProjectScope
	ID           string `path:"id" minLength:"1" maxLength:"64"`
	AfterSeconds int64  `query:"after_seconds" minimum:"0" maximum:"31536000" doc:"Pages may go on with it for so long."`
}

type revokeTokenInput struct {
	Project string `query:"project" default:"default" minLength:"1" maxLength:"64" pattern:"^([A-Za-z0-9_.-]+|[*])$" doc:"Whose token; * is every project's."`
	ID      string `path:"id" minLength:"1" maxLength:"64"`
}

type tokenScope struct {
	Project string `query:"project" default:"default" minLength:"1" maxLength:"64" pattern:"^([A-Za-z0-9_.-]+|[*])$" doc:"Whose tokens; * is every project's."`
}

type agentName struct {
	Name string `path:"name" minLength:"1" maxLength:"64"`
}

// registerRegistry declares what admins do: settings, keys, tokens, agents.
func (s *Server) registerRegistry(api huma.API) {
	get(s, api, "/me", "get-me", "Who the caller is, and what they may do",
		func(ctx context.Context, _ *struct{}) (*meOutput, error) {
			out := &meOutput{}
			who := identityOf(ctx)
			out.Body.Name, out.Body.Grants = who.name, who.grants
			return out, nil
		})
	get(s, api, "/projects", "list-projects", "Projects that the caller may see",
		func(ctx context.Context, _ *struct{}) (*projectsOutput, error) {
			out := &projectsOutput{}
			known := listed(s, access.KindProject, s.access.State().Projects, &out.Body.Fixed, func(p *registry.Project) (string, bool) {
				return p.ID, identityOf(ctx).roleIn(p.ID) != ""
			})
			out.Body.Projects = []string{}
			for _, project := range known {
				out.Body.Projects = append(out.Body.Projects, project.ID)
			}
			return out, nil
		})
	get(s, api, "/project", "get-project", "A project's settings",
		func(_ context.Context, in *ProjectScope) (*projectOutput, error) {
			return &projectOutput{Body: s.settings(in.Project)}, nil
		})
	operation(s, api, http.MethodPut, "/project", "put-project", "Write a project's settings, over those it had",
		func(ctx context.Context, in *projectInput) (*struct{}, error) {
			in.Body.ID = in.Project
			return nil, s.change(ctx, in.Project, "project.change", in.Project, s.access.PutProject(ctx, in.Body))
		})
	get(s, api, "/rules", "get-signal-rules", "Numbers of the signal rules where a project's settings say nothing else",
		func(_ context.Context, in *ProjectScope) (*rulesOutput, error) {
			return &rulesOutput{Body: s.rules(in.Project)}, nil
		})
	s.registerKeys(api)
	s.registerTokens(api)
	s.registerAgents(api)
	s.registerErasure(api)
}

func (s *Server) registerKeys(api huma.API) {
	get(s, api, "/keys", "list-keys", "A project's write keys",
		func(_ context.Context, in *ProjectScope) (*keysOutput, error) {
			out := &keysOutput{}
			out.Body.Keys = listed(s, access.KindKey, s.access.State().Keys, &out.Body.Fixed, func(key *registry.Key) (string, bool) {
				key.Sum = ""
				return key.ID, key.Project == in.Project
			})
			return out, nil
		})
	operation(s, api, http.MethodPost, "/keys", "create-key", "Make a write key",
		func(ctx context.Context, in *createKeyInput) (*secretOutput, error) {
			key, secret, err := s.access.CreateKey(ctx, in.Project, in.Body.Name)
			return shown(key.ID, secret), s.change(ctx, in.Project, "key.create", key.ID, err)
		})
	operation(s, api, http.MethodPost, "/keys/{id}/rotate", "rotate-key", "Make a write key in place of another, which stays good for a while",
		func(ctx context.Context, in *rotateKeyInput) (*secretOutput, error) {
			key, secret, err := s.access.RotateKey(ctx, in.Project, in.ID, time.Duration(in.Body.AfterSeconds)*time.Second)
			return shown(key.ID, secret), s.change(ctx, in.Project, "key.rotate", in.ID, err)
		})
	operation(s, api, http.MethodDelete, "/keys/{id}", "revoke-key", "Revoke a write key",
		func(ctx context.Context, in *revokeKeyInput) (*struct{}, error) {
			_, err := s.access.RevokeKey(ctx, in.Project, in.ID, time.Duration(in.AfterSeconds)*time.Second)
			return nil, s.change(ctx, in.Project, "key.revoke", in.ID, err)
		})
}

func (s *Server) registerTokens(api huma.API) {
	get(s, api, "/tokens", "list-tokens", "A project's read tokens",
		func(_ context.Context, in *tokenScope) (*tokensOutput, error) {
			out := &tokensOutput{}
			out.Body.Tokens = listed(s, access.KindToken, s.access.State().Tokens, &out.Body.Fixed, func(token *registry.Token) (string, bool) {
				token.Sum = ""
				return token.ID, token.Project == in.Project
			})
			return out, nil
		})
	operation(s, api, http.MethodPost, "/tokens", "create-token", "Make a read token",
		func(ctx context.Context, in *createTokenInput) (*secretOutput, error) {
			token, secret, err := s.access.CreateToken(ctx, in.Project, in.Body.Name, in.Body.Role)
			return shown(token.ID, secret), s.change(ctx, in.Project, "token.create", token.ID, err)
		})
	operation(s, api, http.MethodDelete, "/tokens/{id}", "revoke-token", "Revoke a read token, and the sign-ins made with it",
		func(ctx context.Context, in *revokeTokenInput) (*struct{}, error) {
			return nil, s.change(ctx, in.Project, "token.revoke", in.ID, s.access.RevokeToken(ctx, in.Project, in.ID))
		})
}

func (s *Server) registerAgents(api huma.API) {
	get(s, api, "/agents", "list-agents", "Agents with a credential of the registry",
		func(context.Context, *struct{}) (*agentsOutput, error) {
			out := &agentsOutput{}
			out.Body.Agents = listed(s, access.KindAgent, s.access.State().Agents, &out.Body.Fixed, func(agent *registry.Agent) (string, bool) {
				agent.Sum = ""
				return agent.ID, true
			})
			return out, nil
		})
	operation(s, api, http.MethodPost, "/agents", "create-agent", "Make an agent's token, in place of the one it had",
		func(ctx context.Context, in *createAgentInput) (*secretOutput, error) {
			agent, secret, err := s.access.CreateAgent(ctx, in.Body.Name)
			return shown(agent.ID, secret), s.change(ctx, registry.AllProjects, "agent.create", agent.ID, err)
		})
	operation(s, api, http.MethodDelete, "/agents/{name}", "revoke-agent", "Revoke an agent's token",
		func(ctx context.Context, in *agentName) (*struct{}, error) {
			return nil, s.change(ctx, registry.AllProjects, "agent.revoke", in.Name, s.access.RevokeAgent(ctx, in.Name))
		})
}

// listed copies those entries that are to be shown, as show leaves them, and names those of them that the registry's
// file has.
func listed[E any](s *Server, kind access.Kind, entries []E, fixed *[]string, show func(*E) (id string, mine bool)) []E {
	*fixed = []string{}
	found := []E{}
	for _, entry := range entries {
		id, mine := show(&entry)
		if !mine {
			continue
		}
		found = append(found, entry)
		if s.access.Fixed(kind, id) {
			*fixed = append(*fixed, id)
		}
	}
	return found
}

func shown(id, secret string) *secretOutput {
	out := &secretOutput{}
	out.Body.ID, out.Body.Secret = id, secret
	return out
}

// change ends a change of the registry: it is written down who made it, or said why it was not made.
func (s *Server) change(ctx context.Context, project, action, subject string, err error) error {
	switch {
	case err == nil:
		return s.audit(ctx, project, action, subject, "")
	case errors.Is(err, access.ErrUnknown):
		return huma.Error404NotFound(err.Error())
	case errors.Is(err, access.ErrFixed):
		return huma.Error409Conflict(err.Error())
	case errors.Is(err, access.ErrInvalid):
		return huma.Error422UnprocessableEntity(err.Error())
	}
	return err
}
