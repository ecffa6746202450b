package api

import (
	"context"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/gosight/gosight/aggregator/store"
)

// Period is the time range that lists and sums share.
type Period struct {
	From int64 `query:"from" minimum:"0" doc:"Earliest time, Unix milliseconds; 0 means no limit."`
	To   int64 `query:"to" minimum:"0" doc:"Latest time, Unix milliseconds; 0 means now."`
}

func (p Period) check() error {
	if p.To != 0 && p.From > p.To {
		return huma.Error422UnprocessableEntity("from is after to")
	}
	return nil
}

// SessionQuery selects sessions.
type SessionQuery struct {
	ProjectScope
	Period
	Page          string   `query:"page" maxLength:"512" doc:"Part of the address of a page that was visited."`
	User          string   `query:"user" maxLength:"256" doc:"Start of the user id or of the session id."`
	Kind          []string `query:"kind,explode" maxItems:"16" doc:"Signal kinds that all occurred."`
	Country       []string `query:"country,explode" maxItems:"32"`
	Browser       []string `query:"browser,explode" maxItems:"32"`
	Device        []string `query:"device,explode" maxItems:"32"`
	MinDurationMS int64    `query:"min_duration_ms" minimum:"0"`
	MaxDurationMS int64    `query:"max_duration_ms" minimum:"0"`
	Live          bool     `query:"live" doc:"Only visits in progress."`
	Errors        bool     `query:"errors" doc:"Only visits with an uncaught error."`
	Error         string   `query:"error" maxLength:"256" doc:"Part of the message of an uncaught error."`
	Event         string   `query:"event" maxLength:"128" doc:"Name of a custom event that occurred."`
	Prop          []string `query:"prop,explode" maxItems:"8" doc:"Properties that this event had, as name=value."`
	Release       string   `query:"release" maxLength:"128" doc:"Release that the site's pages named."`
}

func (in *SessionQuery) filter() (store.SessionFilter, error) {
	f := store.SessionFilter{
		From: in.From, To: in.To, Page: in.Page, User: in.User, Kinds: in.Kind, Country: in.Country,
		Browser: in.Browser, Device: in.Device, MinDurationMS: in.MinDurationMS, MaxDurationMS: in.MaxDurationMS,
		LiveOnly: in.Live, WithErrors: in.Errors, Error: in.Error, Event: in.Event, Release: in.Release,
	}
	if len(in.Prop) > 0 && in.Event == "" {
		return f, huma.Error422UnprocessableEntity("prop: name the event that has the property")
	}
	for _, prop := range in.Prop {
		name, value, ok := strings.Cut(prop, "=")
		if !ok || name == "" {
			return f, huma.Error422UnprocessableEntity("prop: want name=value")
		}
		if f.Props == nil {
			f.Props = map[string]string{}
		}
		f.Props[name] = value
	}
	return f, in.check()
}

type sessionsInput struct {
	SessionQuery
	Limit  int    `query:"limit" default:"50" minimum:"1" maximum:"200"`
	Cursor string `query:"cursor" maxLength:"512"`
}

type sessionsOutput struct {
	Body struct {
		Sessions   []store.Session `json:"sessions"`
		NextCursor string          `json:"next_cursor" doc:"Empty on the last page."`
	}
}

type sessionInput struct {
	ProjectScope
	ID string `path:"id" minLength:"1" maxLength:"128"`
}

type sessionOutput struct {
	Body struct {
		Session store.Session     `json:"session"`
		Signals []store.Signal    `json:"signals"`
		Pages   []store.PageVisit `json:"pages"`
	}
}

type eventsInput struct {
	ProjectScope
	ID     string   `path:"id" minLength:"1" maxLength:"128"`
	Type   []string `query:"type,explode" maxItems:"32" doc:"Event types to return; empty means all but replay."`
	Limit  int      `query:"limit" default:"500" minimum:"1" maximum:"2000"`
	Cursor string   `query:"cursor" maxLength:"512"`
}

type eventsOutput struct {
	Body struct {
		Events     []store.Event `json:"events"`
		NextCursor string        `json:"next_cursor" doc:"Empty on the last page."`
	}
}

type facetsInput struct {
	ProjectScope
	Period
}

type facetsOutput struct{ Body store.Facets }

func (s *Server) registerSessions(api huma.API) {
	get(s, api, "/sessions", "list-sessions", "Visits, the latest active first",
		func(ctx context.Context, in *sessionsInput) (*sessionsOutput, error) {
			filter, err := in.filter()
			if err != nil {
				return nil, err
			}
			filter.Limit, filter.Cursor = in.Limit, in.Cursor
			out := &sessionsOutput{}
			out.Body.Sessions, out.Body.NextCursor, err = in.reader(s).Sessions(ctx, filter)
			return out, err
		})
	get(s, api, "/sessions/{id}", "get-session", "One visit with its signals and pages",
		func(ctx context.Context, in *sessionInput) (*sessionOutput, error) {
			reader, out := in.reader(s), &sessionOutput{}
			var err error
			if out.Body.Session, err = reader.Session(ctx, in.ID); err != nil {
				return nil, err
			}
			if out.Body.Signals, err = reader.Signals(ctx, in.ID); err != nil {
				return nil, err
			}
			out.Body.Pages, err = reader.Pages(ctx, in.ID)
			return out, err
		})
	get(s, api, "/sessions/{id}/events", "list-events", "A visit's events in time order, replay left out",
		func(ctx context.Context, in *eventsInput) (*eventsOutput, error) {
			out := &eventsOutput{}
			var err error
			out.Body.Events, out.Body.NextCursor, err = in.reader(s).Events(ctx, in.ID, in.Type, in.Cursor, in.Limit)
			return out, err
		})
	get(s, api, "/facets", "get-facets", "Values worth filtering by, most frequent first",
		func(ctx context.Context, in *facetsInput) (*facetsOutput, error) {
			if err := in.check(); err != nil {
				return nil, err
			}
			facets, err := in.reader(s).Facets(ctx, in.From, in.To)
			return &facetsOutput{Body: facets}, err
		})
}
