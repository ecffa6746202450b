package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/gosight/gosight/aggregator/access"
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
	}
}

type projectOutput struct{ Body registry.Project }

type projectInput struct {
	ProjectScope
	Body registry.Project
}

type keysOutput struct {
	Body struct {
		Keys []registry.Key `json:"keys"`
	}
}

type tokensOutput struct {
	Body struct {
		Tokens []registry.Token `json:"tokens"`
	}
}

type agentsOutput struct {
	Body struct {
		Agents []registry.Agent `json:"agents"`
	}
}

type createKeyInput struct {
	ProjectScope
	Body struct {
		Name string `json:"name,omitempty" maxLength:"128"`
	}
}

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
			out.Body.Projects = []string{}
			for _, project := range s.access.State().Projects {
				if identityOf(ctx).roleIn(project.ID) != "" {
					out.Body.Projects = append(out.Body.Projects, project.ID)
				}
			}
			return out, nil
		})
	get(s, api, "/project", "get-project", "A project's settings",
		func(_ context.Context, in *ProjectScope) (*projectOutput, error) {
			for _, project := range s.access.State().Projects {
				if project.ID == in.Project {
					return &projectOutput{Body: project}, nil
				}
			}
			return &projectOutput{Body: registry.Project{ID: in.Project}}, nil
		})
	operation(s, api, http.MethodPut, "/project", "put-project", "Write a project's settings, over those it had",
		func(ctx context.Context, in *projectInput) (*struct{}, error) {
			in.Body.ID = in.Project
			return nil, s.change(ctx, in.Project, "project.change", in.Project, s.access.PutProject(ctx, in.Body))
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
			out.Body.Keys = []registry.Key{}
			for _, key := range s.access.State().Keys {
				if key.Project == in.Project {
					key.Sum = ""
					out.Body.Keys = append(out.Body.Keys, key)
				}
			}
			return out, nil
		})
	operation(s, api, http.MethodPost, "/keys", "create-key", "Make a write key",
		func(ctx context.Context, in *createKeyInput) (*secretOutput, error) {
			key, secret, err := s.access.CreateKey(ctx, in.Project, in.Body.Name)
			return shown(key.ID, secret), s.change(ctx, in.Project, "key.create", key.ID, err)
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
			out.Body.Tokens = []registry.Token{}
			for _, token := range s.access.State().Tokens {
				if token.Project == in.Project {
					token.Sum = ""
					out.Body.Tokens = append(out.Body.Tokens, token)
				}
			}
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
			out.Body.Agents = []registry.Agent{}
			for _, agent := range s.access.State().Agents {
				agent.Sum = ""
				out.Body.Agents = append(out.Body.Agents, agent)
			}
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
