package ingest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"connectrpc.com/connect"
	"github.com/rs/cors"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/gosight/gosight/internal/fleet"
	"github.com/gosight/gosight/proto/gen/gosight"
	"github.com/gosight/gosight/proto/gen/gosight/gosightconnect"
	"github.com/gosight/gosight/proto/wire"
)

// NewHTTPServer serves browsers: batches as Connect unary calls of gosight.Ingestor/SendBatch, the web SDK's files
// below /sdk/, and under /agents the live agents among nodes. The caller listens and runs it.
func NewHTTPServer(cfg Server, p *Pipeline, sdk fs.FS, nodes func() []fleet.Node, log *slog.Logger) (*http.Server, error) {
	proxies, err := networks(cfg.TrustedProxies)
	if err != nil {
		return nil, err
	}
	path, handler := gosightconnect.NewIngestorHandler(&httpIngestor{pipeline: p, proxies: proxies}, leftToConnect()...)
	limit := int64(cfg.MaxMessageBytes)
	batches := bodies(limit, p.budget, p.metrics.refused, handler)
	mux := http.NewServeMux()
	for pattern, served := range httpRoutes(path, beacons(http.MaxBytesHandler(batches, limit)), p.agentID, sdk, nodes) {
		mux.Handle(pattern, served)
	}
	crossOrigin := cors.New(cors.Options{
		AllowedOrigins: cfg.AllowedOrigins,
		AllowedMethods: []string{http.MethodGet, http.MethodPost},
		AllowedHeaders: []string{"*"},
		ExposedHeaders: []string{"Retry-After"},
		MaxAge:         7200, // what Chromium allows at most
	})
	server := &http.Server{
		Handler:           crossOrigin.Handler(mux),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second, // a slow phone sends 64 KB in less
		IdleTimeout:       cfg.IdleTimeout,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		Protocols:         new(http.Protocols),
	}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetHTTP2(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	return server, nil
}

// leftToConnect are the options of a handler behind bodies: requests are empty there, but for what follows a message
// that should have been the last.
func leftToConnect() []connect.HandlerOption {
	return []connect.HandlerOption{
		connect.WithCodec(wire.Codec{}), connect.WithCodec(wire.JSON{}), connect.WithReadMaxBytes(16 << 10),
	}
}

// httpRoutes are all that the HTTP port serves, by pattern. events stands at path; the rest is public.
func httpRoutes(path string, events http.Handler, agentID string, sdk fs.FS, nodes func() []fleet.Node) map[string]http.Handler {
	return map[string]http.Handler{
		path:          events,
		"GET /agents": &agentList{nodes: nodes, self: agentID},
		"GET /sdk/":   http.StripPrefix("/sdk/", sdkFiles(sdk)),
		"GET /{$}": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintln(w, `GoSight edge agent. Put it on a page: <script async src="/sdk/gosight.js" data-key="KEY"></script>`)
		}),
	}
}

// beacons lets pages send without a preflight: a round trip less before the first batch, and a page that is being left
// would not live to see it answered. Only text/plain bodies and no headers of its own go out at once, so type and
// compression stand in the query, by the names that Connect uses in its GET requests (encoding=proto, compression=gzip).
func beacons(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.Header.Get("Content-Type"), "text/plain") {
			query := r.URL.Query()
			contentType := "application/proto"
			if query.Get("encoding") == "json" {
				contentType = "application/json"
			}
			r.Header.Set("Content-Type", contentType)
			if compression := query.Get("compression"); compression != "" {
				r.Header.Set("Content-Encoding", compression)
			}
		}
		next.ServeHTTP(w, r)
	})
}

// sdkFiles serves the web SDK to pages of any origin. The names are stable, so caches ask again after 5 minutes.
func sdkFiles(sdk fs.FS) http.Handler {
	files := http.FileServerFS(sdk)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "public, max-age=300")
		w.Header().Set("Cross-Origin-Resource-Policy", "cross-origin")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		files.ServeHTTP(w, r)
	})
}

type httpIngestor struct {
	pipeline *Pipeline
	proxies  networkList
}

// SendBatch implements gosightconnect.IngestorHandler.
func (h *httpIngestor) SendBatch(ctx context.Context, r *connect.Request[gosight.EventBatch]) (*connect.Response[gosight.Status], error) {
	peer := peerAddr(r.Peer().Addr)
	batch := received(ctx)
	key := r.Header().Get(keyHeader)
	if key == "" {
		key = r.Peer().Query.Get(keyQuery)
	}
	project, err := h.pipeline.gate.Project(key, r.Header().Get("Origin"), peer)
	if err != nil {
		return nil, h.connectError(err)
	}
	from := Source{Project: project, Addr: h.visitor(peer, r.Header()), UserAgent: r.Header().Get("User-Agent")}
	if err := h.pipeline.gate.Take(project, key, from.Addr, len(batch.Events)); err != nil {
		return nil, h.connectError(err)
	}
	start := time.Now()
	answer, err := h.pipeline.Take(ctx, from, batch)
	if err != nil {
		return nil, h.connectError(err)
	}
	h.pipeline.metrics.ackSeconds.Observe(time.Since(start).Seconds())
	return connect.NewResponse(answer), nil
}

// SendEvents implements gosightconnect.IngestorHandler: browsers cannot stream requests, servers have the gRPC port.
func (h *httpIngestor) SendEvents(context.Context, *connect.ClientStream[gosight.Event]) (*connect.Response[gosight.Status], error) {
	return nil, connect.NewError(connect.CodeUnimplemented, errors.New("stream to the agent's gRPC port, or use SendBatch here"))
}

func peerAddr(hostport string) netip.Addr {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		return netip.Addr{}
	}
	addr, _ := netip.ParseAddr(host)
	return addr.Unmap()
}

// visitor is the address that a trusted proxy reports: the last of X-Forwarded-For that is not itself one.
func (h *httpIngestor) visitor(peer netip.Addr, header http.Header) netip.Addr {
	if !h.proxies.contain(peer) {
		return peer
	}
	hops := strings.Split(strings.Join(header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		addr, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			return peer
		}
		if peer = addr.Unmap(); !h.proxies.contain(peer) {
			return peer
		}
	}
	return peer
}

type networkList []netip.Prefix

func networks(cidrs []string) (networkList, error) {
	list := make(networkList, len(cidrs))
	for i, cidr := range cidrs {
		var err error
		if list[i], err = netip.ParsePrefix(cidr); err != nil {
			return nil, fmt.Errorf("trusted proxy %q: %w", cidr, err)
		}
	}
	return list, nil
}

func (l networkList) contain(addr netip.Addr) bool {
	for _, network := range l {
		if network.Contains(addr) {
			return true
		}
	}
	return false
}

func (h *httpIngestor) connectError(err error) error {
	r := h.pipeline.refuse(err)
	refusal := connect.NewError(connect.Code(r.code), r.err)
	if r.retryAfter == 0 {
		return refusal
	}
	refusal.Meta().Set("Retry-After", strconv.Itoa(retrySeconds(r.retryAfter)))
	if detail, err := connect.NewErrorDetail(&errdetails.RetryInfo{RetryDelay: durationpb.New(r.retryAfter)}); err == nil {
		refusal.AddDetail(detail)
	}
	return refusal
}
