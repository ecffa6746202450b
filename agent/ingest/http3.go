package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// HTTP3Server is the HTTP port's other half: the same requests over QUIC, on UDP of the same number. Browsers learn of
// it from the Alt-Svc header of the first half's answers.
type HTTP3Server struct {
	server *http3.Server
	quic   *quic.Transport
	end    *quic.EarlyListener
}

// http3Grace is how long requests under way may take once the agent stops, and udpBuffer what a burst of them needs.
const (
	http3Grace = 5 * time.Second
	udpBuffer  = 7 << 20
)

// NewHTTP3Server binds UDP at tcp's address, serves there what server serves, and has server tell of it.
func NewHTTP3Server(tcp net.Addr, server *http.Server, certificate *Certificate, cfg Server, p *Pipeline, log *slog.Logger) (*HTTP3Server, error) {
	limits, err := newLimiter(cfg, p)
	if err != nil {
		return nil, err
	}
	at := tcp.(*net.TCPAddr)
	udp, err := net.ListenUDP("udp", &net.UDPAddr{IP: at.IP, Port: at.Port, Zone: at.Zone})
	if err != nil {
		return nil, fmt.Errorf("listen for HTTP/3: %w", err)
	}
	if err := errors.Join(udp.SetReadBuffer(udpBuffer), udp.SetWriteBuffer(udpBuffer)); err != nil {
		log.Warn("UDP buffers stay small, HTTP/3 will be slower under load",
			"error", err, "remedy", "sysctl net.core.rmem_max=7500000 net.core.wmem_max=7500000")
	}
	s := &HTTP3Server{
		server: &http3.Server{
			Handler: server.Handler, MaxHeaderBytes: server.MaxHeaderBytes, IdleTimeout: cfg.IdleTimeout, Port: at.Port,
			Logger: slog.New(slog.DiscardHandler),
		},
		quic: &quic.Transport{
			Conn: udp,
			// Half full, clients prove their address before they cost anything.
			VerifySourceAddress: func(net.Addr) bool { return limits.count() > cfg.MaxConnections/2 },
			ConnContext: func(ctx context.Context, info *quic.ClientInfo) (context.Context, error) {
				client := peerAddr(info.RemoteAddr.String())
				if reason := limits.admit(client); reason != "" {
					limits.refused(reason)
					return nil, errors.New("too many connections")
				}
				context.AfterFunc(ctx, func() { limits.leave(client) })
				return ctx, nil
			},
		},
	}
	s.end, err = s.quic.ListenEarly(http3.ConfigureTLSConfig(certificate.config()), &quic.Config{
		Allow0RTT:          false, // it can be replayed
		MaxIncomingStreams: int64(cfg.MaxStreams),
		MaxIdleTimeout:     cfg.IdleTimeout,
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("listen for HTTP/3: %w", err), udp.Close())
	}
	server.Handler = s.told(server.Handler)
	return s, nil
}

// told adds the header that tells browsers of HTTP/3.
func (s *HTTP3Server) told(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := s.server.SetQUICHeaders(w.Header()); err != nil {
			w.Header().Del("Alt-Svc") // it is not listening any more
		}
		next.ServeHTTP(w, r)
	})
}

// Run serves until ctx is cancelled; requests under way then have some seconds to end.
func (s *HTTP3Server) Run(ctx context.Context) error {
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), http3Grace)
		defer cancel()
		_ = s.server.Shutdown(grace) // what has not ended by then is cut off
		s.Close()
	})
	err := s.server.ServeListener(s.end)
	if stop() {
		return fmt.Errorf("serve HTTP/3: %w", err)
	}
	<-stopped
	return nil
}

// Close gives the port back where Run was never called.
func (s *HTTP3Server) Close() {
	_ = s.server.Close()
	_ = s.end.Close()
	_ = s.quic.Close()
	_ = s.quic.Conn.Close()
}
