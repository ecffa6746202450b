package api

import (
	"context"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/gosight/gosight/internal/registry"
)

// need is what an operation asks of its caller.
type need struct {
	role registry.Role
	// installation: the role must be one for all projects, since what is shown or changed is nobody's own.
	installation bool
}

// needs has every operation: one that is not here cannot be registered. The matrix in matrix_test.go holds the API
// against it.
var needs = map[string]need{
	"get-me": {},

	"list-sessions":    {role: registry.Viewer},
	"get-facets":       {role: registry.Viewer},
	"get-insights":     {role: registry.Viewer},
	"list-pages":       {role: registry.Viewer},
	"get-heatmap":      {role: registry.Viewer},
	"get-funnel":       {role: registry.Viewer},
	"get-paths":        {role: registry.Viewer},
	"get-retention":    {role: registry.Viewer},
	"list-segments":    {role: registry.Viewer},
	"list-annotations": {role: registry.Viewer},
	"watch-sessions":   {role: registry.Viewer},

	"get-session":       {role: registry.Analyst},
	"list-events":       {role: registry.Analyst},
	"get-replay":        {role: registry.Analyst},
	"watch-session":     {role: registry.Analyst},
	"save-segment":      {role: registry.Analyst},
	"delete-segment":    {role: registry.Analyst},
	"save-annotation":   {role: registry.Analyst},
	"delete-annotation": {role: registry.Analyst},
	"export-sessions":   {role: registry.Analyst},
	"export-signals":    {role: registry.Analyst},
	"export-events":     {role: registry.Analyst},

	"get-project":      {role: registry.Admin},
	"put-project":      {role: registry.Admin},
	"list-keys":        {role: registry.Admin},
	"get-signal-rules": {role: registry.Admin},
	"rotate-key":       {role: registry.Admin},
	"create-key":       {role: registry.Admin},
	"revoke-key":       {role: registry.Admin},
	"list-tokens":      {role: registry.Admin},
	"create-token":     {role: registry.Admin},
	"revoke-token":     {role: registry.Admin},
	"erase":            {role: registry.Admin},
	"list-erasures":    {role: registry.Admin},
	"export-person":    {role: registry.Admin},
	"list-audit-log":   {role: registry.Admin},

	"get-fleet":     {role: registry.Viewer, installation: true},
	"list-projects": {role: registry.Viewer}, // those that the caller may see, whatever project is named
	"list-agents":   {role: registry.Admin, installation: true},
	"create-agent":  {role: registry.Admin, installation: true},
	"revoke-agent":  {role: registry.Admin, installation: true},
}

// identity is who sends a request, and what they may do in which project.
type identity struct {
	name   string // for the audit log
	grants map[string]registry.Role
}

// roleIn is the identity's role in a project, "" where it has none.
func (i identity) roleIn(project string) registry.Role {
	everywhere, here := i.grants[registry.AllProjects], i.grants[project]
	if everywhere.Includes(here) || here == "" {
		return everywhere
	}
	return here
}

type identityKey struct{}

func withIdentity(r *http.Request, who identity) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), identityKey{}, who))
}

func identityOf(ctx context.Context) identity {
	who, _ := ctx.Value(identityKey{}).(identity)
	return who
}

// defaultProject is the project of a request that names none.
const defaultProject = "default"

// authorize is the one place that decides whether a request's identity may have an operation done. It runs before
// any operation, and before its parameters are read.
func (s *Server) authorize(api huma.API) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		who, operation := identityOf(ctx.Context()), ctx.Operation().OperationID
		required, known := needs[operation]
		project := ctx.Query("project")
		switch {
		case required.installation:
			project = registry.AllProjects
		case project == "":
			project = defaultProject
		}
		if operation == "list-projects" && len(who.grants) > 0 || operation == "get-me" || // their answers are cut to what the caller may see
			known && who.roleIn(project).Includes(required.role) {
			next(ctx)
			return
		}
		s.metrics.refused.WithLabelValues("forbidden").Inc()
		detail := fmt.Sprintf("this needs the role %s in project %s", required.role, project)
		if err := huma.WriteErr(api, ctx, http.StatusForbidden, detail); err != nil {
			s.log.Debug("refuse a request", "error", err)
		}
	}
}

// declared panics where an operation has no need: whoever adds one decides who may have it done.
func declared(op *huma.OpenAPI) {
	for path, item := range op.Paths {
		for _, o := range []*huma.Operation{item.Get, item.Put, item.Post, item.Delete, item.Patch} {
			if o == nil {
				continue
			}
			if _, ok := needs[o.OperationID]; !ok {
				panic(fmt.Sprintf("api: %s %s (%s) is not in needs, so nobody may use it", o.Method, path, o.OperationID))
			}
		}
	}
}
