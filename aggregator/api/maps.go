package api

import (
	"context"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/gosight/gosight/aggregator/store"
)

// SpanInput is a period with both ends.
type SpanInput struct {
	From int64 `query:"from" required:"true" minimum:"1" doc:"Unix milliseconds."`
	To   int64 `query:"to" required:"true" minimum:"1" doc:"Unix milliseconds."`
}

func (p SpanInput) check() error {
	if p.From >= p.To {
		return huma.Error422UnprocessableEntity("from must be before to")
	}
	return nil
}

type topPagesInput struct {
	ProjectScope
	SpanInput
}

type topPagesOutput struct {
	Body struct {
		Pages []store.PageVisits `json:"pages"`
	}
}

type heatmapInput struct {
	ProjectScope
	SpanInput
	Page     string `query:"page" required:"true" minLength:"1" maxLength:"2048" doc:"The page's address without query and fragment."`
	Kind     string `query:"kind" default:"click" maxLength:"64" doc:"click, move, or a signal's kind."`
	Viewport string `query:"viewport" default:"desktop" enum:"desktop,tablet,mobile"`
}

type heatmapOutput struct{ Body store.Heatmap }

type funnelInput struct {
	ProjectScope
	SpanInput
	WindowMS int64    `query:"window_ms" default:"3600000" minimum:"1000" maximum:"2592000000"`
	Step     []string `query:"step,explode" required:"true" minItems:"2" maxItems:"8" doc:"page:…, click:… or event:…, in order."`
}

type funnelOutput struct {
	Body struct {
		Levels []store.FunnelLevel `json:"levels"`
	}
}

func (s *Server) registerMaps(api huma.API) {
	get(s, api, "/pages", "list-pages", "Pages by visits",
		func(ctx context.Context, in *topPagesInput) (*topPagesOutput, error) {
			if err := in.check(); err != nil {
				return nil, err
			}
			out := &topPagesOutput{}
			var err error
			out.Body.Pages, err = in.reader(s).TopPages(ctx, in.From, in.To)
			return out, err
		})
	get(s, api, "/heatmap", "get-heatmap", "Where on a page clicks or signals happened, and how far visits scrolled",
		func(ctx context.Context, in *heatmapInput) (*heatmapOutput, error) {
			if err := in.check(); err != nil {
				return nil, err
			}
			heat, err := in.reader(s).Heatmap(ctx, store.HeatFilter{
				From: in.From, To: in.To, Page: in.Page, Kind: in.Kind, Viewport: in.Viewport,
			})
			return &heatmapOutput{Body: heat}, err
		})
	get(s, api, "/funnel", "get-funnel", "Visits that took steps in order",
		func(ctx context.Context, in *funnelInput) (*funnelOutput, error) {
			if err := in.check(); err != nil {
				return nil, err
			}
			steps := make([]store.FunnelStep, len(in.Step))
			for i, step := range in.Step {
				kind, match, ok := strings.Cut(step, ":")
				if !ok || match == "" || len(match) > 256 || kind != "page" && kind != "click" && kind != "event" {
					return nil, huma.NewError(http.StatusUnprocessableEntity,
						"step: want page:…, click:… or event:… with at most 256 characters, not "+step[:min(len(step), 80)])
				}
				steps[i] = store.FunnelStep{Kind: kind, Match: match}
			}
			out := &funnelOutput{}
			var err error
			out.Body.Levels, err = in.reader(s).Funnel(ctx, store.FunnelFilter{
				From: in.From, To: in.To, WindowMS: in.WindowMS, Steps: steps,
			})
			return out, err
		})
}
