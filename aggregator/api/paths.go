package api

import (
	"context"

	"github.com/danielgtaylor/huma/v2"

	"github.com/gosight/gosight/aggregator/store"
)

type pathsInput struct {
	ProjectScope
	SpanInput
	Page      string `query:"page" required:"true" minLength:"1" maxLength:"2048" doc:"The page's address without query and fragment."`
	Direction string `query:"direction" default:"from" enum:"from,to" doc:"Pages after this one, or before it."`
	Steps     int    `query:"steps" default:"3" minimum:"1" maximum:"8"`
}

type pathsOutput struct {
	Body struct {
		Links []store.PathLink `json:"links" doc:"Moves from page to page, the most frequent first within a step."`
	}
}

type retentionInput struct {
	ProjectScope
	SpanInput
}

type retentionOutput struct {
	Body struct {
		Cohorts []store.Cohort `json:"cohorts" doc:"Users by the week of their first visit."`
	}
}

func (s *Server) registerPaths(api huma.API) {
	get(s, api, "/paths", "get-paths", "Where visits went from a page, or came to it from",
		func(ctx context.Context, in *pathsInput) (*pathsOutput, error) {
			if err := in.check(); err != nil {
				return nil, err
			}
			out := &pathsOutput{}
			var err error
			out.Body.Links, err = in.reader(s).Paths(ctx, store.PathFilter{
				From: in.From, To: in.To, Page: in.Page, Before: in.Direction == "to", Steps: in.Steps,
			})
			return out, err
		})
	get(s, api, "/retention", "get-retention", "Users who come back, by week",
		func(ctx context.Context, in *retentionInput) (*retentionOutput, error) {
			if err := in.check(); err != nil {
				return nil, err
			}
			out := &retentionOutput{}
			var err error
			out.Body.Cohorts, err = in.reader(s).Retention(ctx, in.From, in.To)
			return out, err
		})
}
