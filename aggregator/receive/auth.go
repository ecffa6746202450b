package receive

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"
)

// credentials are what the files say now: who we are and who may relay.
type credentials struct {
	tls    *tls.Config
	tokens []token
}

type token struct {
	agent string
	sum   [sha256.Size]byte
}

// keyring holds credentials and follows changes of their files.
type keyring struct {
	cfg     Config
	current atomic.Pointer[credentials]
	stamp   string
}

func newKeyring(cfg Config) (*keyring, error) {
	k := &keyring{cfg: cfg}
	k.stamp = k.stat()
	return k, k.load()
}

func (k *keyring) load() error {
	pair, err := tls.LoadX509KeyPair(k.cfg.CertFile, k.cfg.KeyFile)
	if err != nil {
		return fmt.Errorf("load certificate: %w", err)
	}
	c := &credentials{tls: &tls.Config{
		Certificates: []tls.Certificate{pair},
		MinVersion:   tls.VersionTLS13,
		NextProtos:   []string{"h2", "http/1.1"},
	}}
	if k.cfg.ClientCAFile != "" {
		text, err := os.ReadFile(k.cfg.ClientCAFile)
		if err != nil {
			return fmt.Errorf("load client CA: %w", err)
		}
		c.tls.ClientCAs = x509.NewCertPool()
		if !c.tls.ClientCAs.AppendCertsFromPEM(text) {
			return fmt.Errorf("load client CA: no certificate in %s", k.cfg.ClientCAFile)
		}
		c.tls.ClientAuth = tls.RequireAndVerifyClientCert
	}
	for agent, secret := range k.cfg.Tokens {
		c.tokens = append(c.tokens, token{agent, sha256.Sum256([]byte(secret))})
	}
	if k.cfg.TokensFile != "" {
		pairs, err := readTokens(k.cfg.TokensFile)
		if err != nil {
			return err
		}
		for _, pair := range pairs {
			c.tokens = append(c.tokens, token{pair[0], sha256.Sum256([]byte(pair[1]))})
		}
	}
	k.current.Store(c)
	return nil
}

// stat names the present version of all files.
func (k *keyring) stat() string {
	var b strings.Builder
	for _, path := range []string{k.cfg.CertFile, k.cfg.KeyFile, k.cfg.ClientCAFile, k.cfg.TokensFile} {
		if info, err := os.Stat(path); path != "" && err == nil {
			fmt.Fprintln(&b, path, info.ModTime().UnixNano(), info.Size())
		}
	}
	return b.String()
}

// watch loads files that changed. Files that do not load (a certificate whose key comes a moment later) leave the
// present ones in use.
func (k *keyring) watch(ctx context.Context, failed func(), log *slog.Logger) {
	ticker := time.NewTicker(k.cfg.ReloadInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		stamp := k.stat()
		if stamp == k.stamp {
			continue
		}
		if err := k.load(); err != nil {
			failed()
			log.Error("receive: reload credentials, keeping the old ones", "error", err)
			continue
		}
		k.stamp = stamp
		log.Info("receive: credentials reloaded")
	}
}

// tlsConfig always answers a handshake with the newest credentials.
func (k *keyring) tlsConfig() *tls.Config {
	first := k.current.Load().tls.Clone()
	first.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		return k.current.Load().tls, nil
	}
	return first
}

var errUnknownToken = errors.New("no valid token: set the agent's --forward-token to one of the aggregator's tokens")

// authenticate returns the agent's name. All tokens are compared, each in constant time. With only a client CA
// configured the handshake has said it all.
func (k *keyring) authenticate(r *http.Request) (agent string, err error) {
	tokens := k.current.Load().tokens
	if len(tokens) == 0 && k.cfg.ClientCAFile != "" {
		return r.TLS.PeerCertificates[0].Subject.CommonName, nil
	}
	if len(tokens) == 0 && k.cfg.TokensFile == "" && k.cfg.AllowAnonymousLoopback {
		host, _, _ := net.SplitHostPort(r.RemoteAddr)
		if ip := net.ParseIP(host); ip != nil && ip.IsLoopback() {
			return "anonymous", nil
		}
	}
	secret, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	sum := sha256.Sum256([]byte(secret))
	for _, t := range tokens {
		if subtle.ConstantTimeCompare(sum[:], t.sum[:]) == 1 {
			agent = t.agent
		}
	}
	if !ok || agent == "" {
		return "", errUnknownToken
	}
	return agent, nil
}
