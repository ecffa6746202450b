package api

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/sse"

	"github.com/gosight/gosight/aggregator/store"
)

// keepAlive is how often an idle stream says something, so that proxies keep it open and dead clients show.
const keepAlive = 15 * time.Second

// sessionsNews says which visits are new or changed since the last message.
type sessionsNews struct {
	Sessions []store.Session `json:"sessions"`
}

type replayNews struct {
	IDs    []string          `json:"ids"`
	Events []json.RawMessage `json:"events"`
}

type eventsNews struct {
	Events []store.Event `json:"events"`
}

type signalsNews struct {
	Signals []store.Signal `json:"signals"`
}

type beat struct {
	Now int64 `json:"now" doc:"The server's clock, Unix milliseconds."`
}

type liveInput struct{ ProjectScope }

type sessionLiveInput struct {
	ProjectScope
	ID    string `path:"id" minLength:"1" maxLength:"128"`
	After int64  `query:"after" minimum:"0" doc:"The newest time the client already has, Unix milliseconds."`
}

func (s *Server) registerLive(api huma.API) {
	sse.Register(api, huma.Operation{
		Method: http.MethodGet, Path: base + "/live", OperationID: "watch-sessions",
		Summary: "Visits as they begin and change", Middlewares: huma.Middlewares{s.oneStream(api)},
	}, map[string]any{"sessions": sessionsNews{}, "beat": beat{}}, s.watchSessions)
	sse.Register(api, huma.Operation{
		Method: http.MethodGet, Path: base + "/sessions/{id}/live", OperationID: "watch-session",
		Summary: "One visit's replay, events and signals as they arrive", Middlewares: huma.Middlewares{s.oneStream(api)},
	}, map[string]any{
		"session": store.Session{}, "replay": replayNews{}, "events": eventsNews{}, "signals": signalsNews{}, "beat": beat{},
	}, s.watchSession)
}

// oneStream counts a stream while it is open, and refuses it where too many are.
func (s *Server) oneStream(api huma.API) func(huma.Context, func(huma.Context)) {
	slots := make(chan struct{}, s.cfg.MaxStreams)
	return func(ctx huma.Context, next func(huma.Context)) {
		select {
		case slots <- struct{}{}:
		default:
			s.metrics.refused.WithLabelValues("streams").Inc()
			ctx.SetHeader("Retry-After", "5")
			if err := huma.WriteErr(api, ctx, http.StatusServiceUnavailable, "too many live streams are open"); err != nil {
				s.log.Debug("refuse a live stream", "error", err)
			}
			return
		}
		s.metrics.streams.Inc()
		defer func() { s.metrics.streams.Dec(); <-slots }()
		next(ctx)
	}
}

func (s *Server) watchSessions(ctx context.Context, in *liveInput, send sse.Sender) {
	news, leave := s.live.join(in.Project)
	defer leave()
	tick := time.NewTicker(keepAlive)
	defer tick.Stop()
	if send.Data(beat{Now: time.Now().UnixMilli()}) != nil {
		return
	}
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case <-s.closing.Done():
			return
		case changed, ok := <-news:
			if !ok { // read too slowly; the client joins again and loads the list afresh
				return
			}
			err = send.Data(sessionsNews{Sessions: changed})
		case <-tick.C:
			err = send.Data(beat{Now: time.Now().UnixMilli()})
		}
		if err != nil {
			return
		}
	}
}

// watchSession looks for what a visit's viewer does not have yet. Late events, up to lateness old, are found by
// looking that far back and leaving out what was sent.
func (s *Server) watchSession(ctx context.Context, in *sessionLiveInput, send sse.Sender) {
	// The first message opens the stream for the client: it may be long until there is news.
	if send.Data(beat{Now: time.Now().UnixMilli()}) != nil {
		return
	}
	if err := s.auditReading(ctx, in.Project, in.ID); err != nil {
		s.log.Error("live stream of a visit is refused", "session", in.ID, "error", err)
		return
	}
	tail := newTail(in.reader(s), in.ID, in.After)
	poll := time.NewTicker(s.cfg.LivePoll)
	defer poll.Stop()
	sent := time.Now()
	for {
		query, cancel := context.WithTimeout(ctx, s.cfg.QueryTimeout)
		news, err := tail.next(query)
		cancel()
		if err != nil {
			if ctx.Err() == nil {
				s.log.Warn("live stream of a visit ends", "session", in.ID, "error", err)
			}
			return
		}
		if len(news) == 0 && time.Since(sent) > keepAlive {
			news = append(news, beat{Now: time.Now().UnixMilli()})
		}
		for _, message := range news {
			if send.Data(message) != nil {
				return
			}
			sent = time.Now()
		}
		select {
		case <-ctx.Done():
			return
		case <-s.closing.Done():
			return
		case <-poll.C:
		}
	}
}

// recentSessions are the visits that may have changed within the window.
func (s *Server) recentSessions(ctx context.Context, project string, window time.Duration) ([]store.Session, error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.QueryTimeout)
	defer cancel()
	return s.store.Reader(project).RecentSessions(ctx, window, 200)
}
