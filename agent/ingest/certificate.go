package ingest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"github.com/gosight/gosight/internal/reload"
)

// A renewed certificate is in use within this time.
const certificateInterval = 10 * time.Second

// Certificate is what both ports show to clients. It follows its files; connections that are open keep theirs.
type Certificate struct {
	current atomic.Pointer[tls.Certificate]
	files   *reload.Files
}

// OpenCertificate returns nil where the ports are to be plain: behind a proxy that has the certificate, or on loopback.
func OpenCertificate(cfg Server) (*Certificate, error) {
	if cfg.CertFile == "" && cfg.KeyFile == "" {
		return nil, nil
	}
	if cfg.CertFile == "" || cfg.KeyFile == "" {
		return nil, errors.New("half a certificate: set --server-cert-file and --server-key-file, or neither")
	}
	c := &Certificate{}
	var err error
	c.files, err = reload.Open(func() error {
		pair, err := tls.LoadX509KeyPair(cfg.CertFile, cfg.KeyFile)
		if err != nil {
			return fmt.Errorf("load certificate (--server-cert-file, --server-key-file): %w", err)
		}
		c.current.Store(&pair)
		return nil
	}, cfg.CertFile, cfg.KeyFile)
	return c, err
}

// Watch follows the files until ctx ends.
func (c *Certificate) Watch(ctx context.Context, p *Pipeline, log *slog.Logger) {
	c.files.Watch(ctx, certificateInterval, p.metrics.reloadFailed.Inc, log)
}

// Listen is listener with TLS, for clients that speak one of protocols.
func (c *Certificate) Listen(listener net.Listener, protocols ...string) net.Listener {
	return tls.NewListener(listener, c.config(protocols...))
}

func (c *Certificate) config(protocols ...string) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12, // browsers of the last ten years
		NextProtos: protocols,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return c.current.Load(), nil
		},
	}
}
