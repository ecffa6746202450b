package api

import (
	"context"

	"github.com/danielgtaylor/huma/v2"

	"github.com/gosight/gosight/aggregator/store"
)

// maxBuckets bounds a series: finer than a chart has pixels helps nobody.
const maxBuckets = 1000

type insightsInput struct {
	ProjectScope
	From     int64    `query:"from" required:"true" minimum:"1" doc:"Unix milliseconds."`
	To       int64    `query:"to" required:"true" minimum:"1" doc:"Unix milliseconds."`
	BucketMS int64    `query:"bucket_ms" minimum:"1000" default:"3600000"`
	Kind     []string `query:"kind,explode" maxItems:"16"`
	Page     string   `query:"page" maxLength:"512" doc:"Part of the page's address."`
}

type insightsOutput struct{ Body store.Insights }

func (s *Server) registerInsights(api huma.API) {
	get(s, api, "/insights", "get-insights", "Signals over time, by page and by element",
		func(ctx context.Context, in *insightsInput) (*insightsOutput, error) {
			if in.From >= in.To {
				return nil, huma.Error422UnprocessableEntity("from must be before to")
			}
			if (in.To-in.From)/in.BucketMS > maxBuckets {
				return nil, huma.Error422UnprocessableEntity("that makes more than 1000 buckets: raise bucket_ms or narrow the range")
			}
			insights, err := in.reader(s).Insights(ctx, store.InsightFilter{
				From: in.From, To: in.To, BucketMS: in.BucketMS, Kinds: in.Kind, Page: in.Page,
			})
			return &insightsOutput{Body: insights}, err
		})
}
