package api

import (
	"context"
	"encoding/json"

	"github.com/danielgtaylor/huma/v2"

	"github.com/gosight/gosight/aggregator/store"
)

type replayInput struct {
	ProjectScope
	ID     string `path:"id" minLength:"1" maxLength:"128"`
	From   int64  `query:"from" minimum:"0" doc:"Start at the last full snapshot at or before this time, Unix milliseconds."`
	Limit  int    `query:"limit" default:"1000" minimum:"1" maximum:"5000"`
	Cursor string `query:"cursor" maxLength:"512" doc:"Goes on where the last chunk ended; from is then ignored."`
}

type replayOutput struct {
	Body struct {
		IDs        []string          `json:"ids" doc:"The events' ids, index by index."`
		Events     []json.RawMessage `json:"events" doc:"rrweb events in playing order."`
		NextCursor string            `json:"next_cursor" doc:"Empty where nothing more is stored yet."`
		Incomplete int               `json:"incomplete" doc:"Events left out because a part of them is missing or damaged."`
	}
}

func (s *Server) registerReplay(api huma.API) {
	get(s, api, "/sessions/{id}/replay", "get-replay", "A visit's replay in chunks of rrweb events",
		func(ctx context.Context, in *replayInput) (*replayOutput, error) {
			if err := s.auditReading(ctx, in.Project, in.ID); err != nil {
				return nil, err
			}
			chunk, err := in.reader(s).Replay(ctx, in.ID, in.From, in.Cursor, in.Limit)
			if err != nil {
				return nil, err
			}
			out := &replayOutput{}
			out.Body.IDs, out.Body.Events = split(chunk.Events)
			out.Body.NextCursor, out.Body.Incomplete = chunk.NextCursor, chunk.Incomplete
			return out, nil
		})
}

// split is the wire shape of replay events: ids beside payloads, which go out as rrweb wrote them.
func split(events []store.ReplayEvent) ([]string, []json.RawMessage) {
	ids, payloads := make([]string, len(events)), make([]json.RawMessage, len(events))
	for i, ev := range events {
		ids[i], payloads[i] = ev.EventID, ev.Payload
	}
	return ids, payloads
}
