package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/klauspost/compress/gzhttp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/gosight/gosight/aggregator/access"
	"github.com/gosight/gosight/aggregator/store"
	"github.com/gosight/gosight/aggregator/ui"
	"github.com/gosight/gosight/internal/detect"
	"github.com/gosight/gosight/internal/fleet"
	"github.com/gosight/gosight/internal/observe"
)

// huma.DefaultArrayNullable is a package setting: our lists are empty, never null.
func init() { huma.DefaultArrayNullable = false }

const base = "/api/v1"

// Server answers analysts' requests from the store. It holds no state but the live feeds.
type Server struct {
	cfg      Config
	store    *store.Store
	access   *access.Keeper
	oidc     *provider // nil where people sign in with tokens alone
	sessions *sessions
	readings readings
	log      *slog.Logger
	metrics  *metrics
	live     *feed
	members  *members
	nodes    func() []fleet.Node // nil without gossip
	rules    func(project string) detect.Rules
	handler  http.Handler
	spec     *huma.OpenAPI
	slots    chan struct{}
	closing  context.Context
	close    context.CancelFunc
}

// New makes a server that reads from st. It opens nothing: Serve takes the listener.
func New(cfg Config, st *store.Store, keeper *access.Keeper, reg prometheus.Registerer, log *slog.Logger) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.AdminToken == "" && !cfg.AllowLoopback {
		log.Warn("api: no admin-token is set and loopback is not allowed: the API refuses everybody")
	}
	s := &Server{cfg: cfg, store: st, access: keeper, readings: newReadings(), log: log, metrics: newMetrics(reg), slots: make(chan struct{}, cfg.MaxInFlight)}
	s.rules = detect.MustLive(detect.Default()).Below
	s.closing, s.close = context.WithCancel(context.Background())
	s.members = newMembers(cfg.Fleet)
	s.live = newFeed(cfg.LivePoll, s.recentSessions, s.metrics, log)

	var err error
	if s.sessions, err = newSessions(cfg.AdminToken); err != nil {
		return nil, err
	}
	if s.oidc, err = newProvider(cfg.OIDC); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	if err := s.route(mux); err != nil {
		return nil, err
	}

	compress, err := gzhttp.NewWrapper(gzhttp.MinSize(1400), gzhttp.ExceptContentTypes([]string{
		"text/event-stream", "font/woff2", "image/png", "application/gzip", "application/vnd.apache.parquet",
	}))
	if err != nil {
		return nil, fmt.Errorf("set up gzip: %w", err)
	}
	// What changes something must come from this UI or from no browser: a page elsewhere may not use its visitor's
	// way in.
	sameOrigin := http.NewCrossOriginProtection()
	s.handler = s.observed(securityHeaders(cfg.ReplaySources, s.admitted(sameOrigin.Handler(compress(mux)))))
	return s, nil
}

// router is where routes are put: a mux, or a test that wants to know them.
type router interface {
	humago.Mux
	Handle(pattern string, handler http.Handler)
}

// route registers all that the port serves.
func (s *Server) route(mux router) error {
	s.spec = s.register(mux)
	declared(s.spec)
	s.serveSignIn(mux)
	pages, err := newPages(ui.Dist)
	if err != nil {
		return fmt.Errorf("open the UI's files: %w", err)
	}
	mux.Handle("/", pages)
	return nil
}

// Handler is the API and the UI, for servers that bring their own listener.
func (s *Server) Handler() http.Handler { return s.handler }

// Watch makes the fleet page show what the metrics of a program say; admin is its admin port, host:port.
func (s *Server) Watch(admin string) { s.members.add(admin) }

// WatchGossip makes the fleet page show the nodes that gossip knows. Call it before Serve.
func (s *Server) WatchGossip(nodes func() []fleet.Node) { s.nodes = nodes }

// ShowRules makes the settings show the signal rules that are in force where a project has none of its own, in place of
// the published ones. Call it before Serve.
func (s *Server) ShowRules(live *detect.Live) { s.rules = live.Below }

// Serve answers on the listener until ctx ends, then lets requests finish and ends the live streams.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	defer s.close()
	// No write time-out: live streams last; each of their writes has its own deadline, and queries have theirs.
	server := &http.Server{
		Handler: s.handler, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	server.RegisterOnShutdown(s.close)
	go s.members.watch(s.closing)
	return observe.Serve(ctx, server, listener)
}

// register declares every operation; the OpenAPI document is what this code says.
func (s *Server) register(mux router) *huma.OpenAPI {
	cfg := huma.DefaultConfig("GoSight", "1")
	cfg.Info.Description = "Sessions, replays and signals of one GoSight installation. " +
		"Times are Unix milliseconds; lists are paged by an opaque cursor."
	cfg.OpenAPIPath = base + "/openapi"
	cfg.DocsPath = "" // the UI shows the document itself: huma's page would load a script from a CDN
	cfg.SchemasPath = ""
	cfg.CreateHooks = nil
	cfg.RejectUnknownQueryParameters = true
	cfg.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"token": {Type: "http", Scheme: "bearer", Description: "A read token, or the admin token."},
	}
	cfg.Security = []map[string][]string{{"token": {}}}
	api := humago.New(mux, cfg)
	api.UseMiddleware(s.authorize(api))
	s.registerSessions(api)
	s.registerReplay(api)
	s.registerInsights(api)
	s.registerMaps(api)
	s.registerPaths(api)
	s.registerSaved(api)
	s.registerExports(api)
	s.registerFleet(api)
	s.registerLive(api)
	s.registerRegistry(api)
	return api.OpenAPI()
}

// ProjectScope is the parameter that every operation has: no query runs without a project.
type ProjectScope struct {
	Project string `query:"project" default:"default" minLength:"1" maxLength:"64" pattern:"^[A-Za-z0-9_.-]+$" doc:"Whose data."`
}

func (p ProjectScope) reader(s *Server) *store.Reader { return s.store.Reader(p.Project) }

// get registers a query: it has a deadline, and its errors become problem documents.
func get[I, O any](s *Server, api huma.API, path, id, summary string,
	run func(ctx context.Context, in *I) (*O, error)) {
	operation(s, api, http.MethodGet, path, id, summary, run)
}

// operation is get for any method.
func operation[I, O any](s *Server, api huma.API, method, path, id, summary string,
	run func(ctx context.Context, in *I) (*O, error)) {
	op := huma.Operation{Method: method, Path: base + path, OperationID: id, Summary: summary,
		Errors: []int{400, 401, 404, 422, 503, 504}}
	huma.Register(api, op, func(ctx context.Context, in *I) (*O, error) {
		leave, err := s.enter()
		if err != nil {
			return nil, err
		}
		defer leave()
		ctx, cancel := context.WithTimeout(ctx, s.cfg.QueryTimeout)
		defer cancel()
		out, err := run(ctx, in)
		if err != nil {
			return nil, s.problem(ctx, id, err)
		}
		return out, nil
	})
}

// enter takes one of the places for requests under way, and returns what gives it back.
func (s *Server) enter() (leave func(), err error) {
	select {
	case s.slots <- struct{}{}:
		return func() { <-s.slots }, nil
	default:
		s.metrics.refused.WithLabelValues("busy").Inc()
		return nil, huma.ErrorWithHeaders(huma.Error503ServiceUnavailable("too many requests at once; try again"),
			http.Header{"Retry-After": {"1"}})
	}
}

// problem turns a store's error into what a client may know of it.
func (s *Server) problem(ctx context.Context, operation string, err error) error {
	var status huma.StatusError
	switch {
	case errors.As(err, &status):
		return err
	case errors.Is(err, store.ErrBadCursor):
		return huma.Error400BadRequest("cursor: not one that this API gave out, or for another list")
	case errors.Is(err, store.ErrNotFound):
		return huma.Error404NotFound("there is no such session in this project")
	case errors.Is(err, context.DeadlineExceeded), store.IsTimeout(err):
		s.metrics.refused.WithLabelValues("timeout").Inc()
		return huma.Error504GatewayTimeout("the query took longer than " + s.cfg.QueryTimeout.String() +
			": narrow the time range or the filters")
	case ctx.Err() != nil:
		return huma.NewError(499, "the client went away")
	}
	s.log.Error("query failed", "operation", operation, "error", err)
	s.metrics.refused.WithLabelValues("store").Inc()
	return huma.Error503ServiceUnavailable("the store did not answer this query; the aggregator's log says why")
}
