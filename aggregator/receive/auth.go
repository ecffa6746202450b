package receive

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"

	"github.com/gosight/gosight/internal/reload"
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
	cfg      Config
	registry Registry
	refused  func(reason string)
	current  atomic.Pointer[credentials]
	files    *reload.Files
}

func newKeyring(cfg Config, registry Registry, refused func(reason string)) (*keyring, error) {
	k := &keyring{cfg: cfg, registry: registry, refused: refused}
	var err error
	k.files, err = reload.Open(k.load, cfg.CertFile, cfg.KeyFile, cfg.ClientCAFile, cfg.TokensFile)
	return k, err
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
		// What RequireAndVerifyClientCert does, but counted.
		c.tls.ClientAuth = tls.RequestClientCert
		c.tls.VerifyConnection = func(state tls.ConnectionState) error {
			err := verifyAgent(state.PeerCertificates, c.tls.ClientCAs)
			if err != nil {
				k.refused("certificate")
			}
			return err
		}
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

// verifyAgent says what is wrong with the certificate, and what comes along to prove it, that an agent has shown.
func verifyAgent(shown []*x509.Certificate, roots *x509.CertPool) error {
	if len(shown) == 0 {
		return errors.New("no certificate: set the agent's --forward-cert-file and --forward-key-file")
	}
	options := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	for _, between := range shown[1:] {
		options.Intermediates.AddCert(between)
	}
	_, err := shown[0].Verify(options)
	return err
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

// authenticate returns the agent's name. All configured tokens are compared, each in constant time; then the
// registry is asked. With only a client CA
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
	if ok && agent == "" {
		agent, ok = k.registry.Agent(secret)
	}
	if !ok {
		return "", errUnknownToken
	}
	return agent, nil
}
