package api

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/gosight/gosight/internal/registry"
)

// OIDCConfig is how people sign in with an identity provider. An empty issuer turns it off.
type OIDCConfig struct {
	Issuer       string            `help:"Address of the OpenID Connect provider; empty turns signing in with it off."`
	ClientID     string            `name:"client-id" help:"What the provider calls this installation."`
	ClientSecret string            `help:"Secret that the provider knows it by."`
	SecretFile   string            `help:"File that holds the secret." type:"path"`
	PublicURL    string            `name:"public-url" help:"Where browsers see this UI, as https://HOST; the provider is to know PUBLIC-URL/auth/callback."`
	Scopes       []string          `help:"Scopes to ask for beside openid." default:"email,groups"`
	Claim        string            `help:"Claim whose values decide what one may do: a text or a list." default:"groups"`
	Grants       map[string]string `help:"What the claim's values grant, as VALUE=ROLE:PROJECT;… (roles viewer, analyst, admin; project * for all)."`
}

// Validate says what is missing.
func (c OIDCConfig) Validate() error {
	if c.Issuer == "" {
		return nil
	}
	var errs []error
	if c.ClientID == "" || c.PublicURL == "" {
		errs = append(errs, errors.New("api: oidc: set client-id and public-url beside the issuer"))
	}
	if len(c.Grants) == 0 {
		errs = append(errs, errors.New("api: oidc: without grants nobody who signs in may see anything: set --api-oidc-grants VALUE=ROLE:PROJECT"))
	}
	for value, grant := range c.Grants {
		if role, project, ok := strings.Cut(grant, ":"); !ok || project == "" || !registry.Admin.Includes(registry.Role(role)) || !registry.Role(role).Includes(registry.Viewer) {
			errs = append(errs, fmt.Errorf("api: oidc: grant %q=%q: want ROLE:PROJECT with a role of viewer, analyst, admin", value, grant))
		}
	}
	return errors.Join(errs...)
}

// provider signs people in with OpenID Connect: code flow with PKCE. The provider is asked for its addresses and
// keys when the first person signs in: it need not be there when we start.
type provider struct {
	cfg    OIDCConfig
	secret string

	mu    sync.Mutex
	found *oidc.Provider
}

func newProvider(cfg OIDCConfig) (*provider, error) {
	if cfg.Issuer == "" {
		return nil, nil
	}
	secret := cfg.ClientSecret
	if cfg.SecretFile != "" {
		text, err := os.ReadFile(cfg.SecretFile)
		if err != nil {
			return nil, fmt.Errorf("api: oidc: read the secret: %w", err)
		}
		secret = strings.TrimSpace(string(text))
	}
	return &provider{cfg: cfg, secret: secret}, nil
}

func (p *provider) discover(ctx context.Context) (*oidc.Provider, *oauth2.Config, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.found == nil {
		found, err := oidc.NewProvider(ctx, p.cfg.Issuer)
		if err != nil {
			return nil, nil, fmt.Errorf("ask the identity provider: %w", err)
		}
		p.found = found
	}
	return p.found, &oauth2.Config{
		ClientID: p.cfg.ClientID, ClientSecret: p.secret, Endpoint: p.found.Endpoint(),
		RedirectURL: strings.TrimRight(p.cfg.PublicURL, "/") + "/auth/callback",
		Scopes:      append([]string{oidc.ScopeOpenID}, p.cfg.Scopes...),
	}, nil
}

// underWay is what a browser that is at the provider brings back, sealed in a cookie of its own.
type underWay struct {
	State    string `json:"s"`
	Nonce    string `json:"n"`
	Verifier string `json:"v"`
	Target   string `json:"t"`
	Expires  int64  `json:"x"`
}

const (
	underWayCookie   = "gosight_sign_in"
	underWayLifetime = 10 * time.Minute
	providerTimeout  = 10 * time.Second
)

func (s *Server) startOIDC(w http.ResponseWriter, r *http.Request) {
	if !s.sessions.mayTry(r) {
		s.metrics.refused.WithLabelValues("sign_in_limited").Inc()
		writeProblem(w, http.StatusTooManyRequests, "too many attempts to sign in from this address: try again in a while")
		return
	}
	_, client, err := s.oidc.discover(context.WithoutCancel(r.Context()))
	if err != nil {
		s.log.Error("sign in", "error", err)
		writeProblem(w, http.StatusBadGateway, "the identity provider does not answer; the aggregator's log says why")
		return
	}
	way := underWay{
		State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(),
		Target: local(r.URL.Query().Get("to")), Expires: time.Now().Add(underWayLifetime).Unix(),
	}
	// Lax: the browser comes back from another site.
	http.SetCookie(w, sessionCookie(r, underWayCookie, s.sessions.seal(underWayCookie, way), underWayLifetime, http.SameSiteLaxMode))
	http.Redirect(w, r, client.AuthCodeURL(way.State, oidc.Nonce(way.Nonce), oauth2.S256ChallengeOption(way.Verifier)), http.StatusFound)
}

func (s *Server) endOIDC(w http.ResponseWriter, r *http.Request) {
	http.SetCookie(w, sessionCookie(r, underWayCookie, "", -time.Second, http.SameSiteLaxMode))
	session, target, err := s.finishOIDC(r)
	if err != nil {
		s.metrics.refused.WithLabelValues("unauthorized").Inc()
		s.log.Warn("sign in with the identity provider", "error", err)
		writeProblem(w, http.StatusForbidden, "signing in failed: "+err.Error())
		return
	}
	http.SetCookie(w, sessionCookie(r, cookieName, s.sessions.seal(cookieName, session), s.cfg.SessionLifetime, http.SameSiteStrictMode))
	// A redirect would still count as coming from the provider's site, and leave the strict cookie behind.
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Refresh", "0; url="+target)
	w.Header().Set("Cache-Control", "no-store")
	fmt.Fprintln(w, "Signed in.")
}

var errStale = errors.New("begin again: this sign-in was not begun here, or too long ago")

func (s *Server) finishOIDC(r *http.Request) (session signedIn, target string, err error) {
	ctx, cancel := context.WithTimeout(r.Context(), providerTimeout)
	defer cancel()
	var way underWay
	cookie, err := r.Cookie(underWayCookie)
	if err != nil || !s.sessions.open(underWayCookie, cookie.Value, &way) || time.Now().Unix() >= way.Expires ||
		!sameText(r.URL.Query().Get("state"), way.State) {
		return session, "", errStale
	}
	if refusal := r.URL.Query().Get("error"); refusal != "" {
		return session, "", fmt.Errorf("the identity provider refused: %.100q", refusal)
	}
	found, client, err := s.oidc.discover(context.WithoutCancel(ctx))
	if err != nil {
		return session, "", err
	}
	tokens, err := client.Exchange(ctx, r.URL.Query().Get("code"), oauth2.VerifierOption(way.Verifier))
	if err != nil {
		return session, "", errors.New("the identity provider did not take the code")
	}
	raw, _ := tokens.Extra("id_token").(string)
	id, err := found.Verifier(&oidc.Config{ClientID: s.oidc.cfg.ClientID}).Verify(ctx, raw)
	if err != nil {
		return session, "", fmt.Errorf("verify the identity: %w", err)
	}
	if !sameText(id.Nonce, way.Nonce) {
		return session, "", errStale
	}
	var claims map[string]any
	if err := id.Claims(&claims); err != nil {
		return session, "", fmt.Errorf("read the identity: %w", err)
	}
	session = signedIn{Name: "oidc " + id.Subject, Grants: s.oidc.grants(claims), Expires: time.Now().Add(s.cfg.SessionLifetime).Unix()}
	if len(session.Grants) == 0 {
		return session, "", errors.New("you are known, and nothing here is granted to you: ask for a grant")
	}
	return session, way.Target, nil
}

// grants are the roles that a person's claim gives; of several in one project the highest.
func (p *provider) grants(claims map[string]any) map[string]registry.Role {
	var values []any
	switch claim := claims[p.cfg.Claim].(type) {
	case []any:
		values = claim
	case string:
		if verified, ok := claims["email_verified"].(bool); p.cfg.Claim != "email" || ok && verified {
			values = []any{claim}
		}
	}
	granted := map[string]registry.Role{}
	for _, value := range values {
		text, _ := value.(string)
		role, project, ok := strings.Cut(p.cfg.Grants[text], ":")
		if ok && !granted[project].Includes(registry.Role(role)) {
			granted[project] = registry.Role(role)
		}
	}
	return granted
}
