package api

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"

	"github.com/gosight/gosight/internal/registry"
)

const cookieName = "gosight_session"

// Attempts to sign in from one address: tokens cannot be guessed, but a log full of tries helps nobody.
const (
	attemptsEvery = 6 * time.Second
	attemptsBurst = 10
	triedTracked  = 4096
)

// signedIn is what a session's cookie says, under a seal. A session that came from a token lives as long as the
// token is good; one of the identity provider's says itself what it grants.
type signedIn struct {
	Name    string                   `json:"n"`
	Token   string                   `json:"t,omitempty"` // the token's id, or adminSession
	Grants  map[string]registry.Role `json:"g,omitempty"`
	Expires int64                    `json:"x"` // Unix seconds
}

// adminSession stands for the admin token in place of a token's id.
const adminSession = "admin token"

// sessions seals and opens cookies. Aggregators with the same admin token open each other's.
type sessions struct {
	key   []byte
	tried *lru.Cache[netip.Addr, *rate.Limiter]
}

func newSessions(adminToken string) (*sessions, error) {
	seed := []byte(adminToken)
	if adminToken == "" {
		seed = []byte(rand.Text())
	}
	mac := hmac.New(sha256.New, seed)
	mac.Write([]byte("gosight ui session v2"))
	tried, err := lru.New[netip.Addr, *rate.Limiter](triedTracked)
	if err != nil {
		return nil, fmt.Errorf("track sign-ins: %w", err)
	}
	return &sessions{key: mac.Sum(nil), tried: tried}, nil
}

// seal makes a value that only this installation can have made.
func (s *sessions) seal(purpose string, value any) string {
	text, _ := json.Marshal(value) // structs of strings and numbers
	payload := base64.RawURLEncoding.EncodeToString(text)
	return payload + "." + s.mac(purpose, payload)
}

// open reads what seal made for the same purpose.
func (s *sessions) open(purpose, sealed string, value any) bool {
	payload, mac, ok := strings.Cut(sealed, ".")
	if !ok || !hmac.Equal([]byte(mac), []byte(s.mac(purpose, payload))) {
		return false
	}
	text, err := base64.RawURLEncoding.DecodeString(payload)
	return err == nil && json.Unmarshal(text, value) == nil
}

func (s *sessions) mac(purpose, payload string) string {
	mac := hmac.New(sha256.New, s.key)
	mac.Write([]byte(purpose + "\x00" + payload))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// mayTry counts an attempt to sign in, and says whether it is not one too many.
func (s *sessions) mayTry(r *http.Request) bool {
	addr, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return true // no network connection: a test, or a socket
	}
	limiter, ok := s.tried.Get(addr.Addr())
	if !ok {
		limiter = rate.NewLimiter(rate.Every(attemptsEvery), attemptsBurst)
		s.tried.Add(addr.Addr(), limiter)
	}
	return limiter.Allow()
}

func sessionCookie(r *http.Request, name, value string, maxAge time.Duration, sameSite http.SameSite) *http.Cookie {
	return &http.Cookie{
		Name: name, Value: value, Path: "/", HttpOnly: true, Secure: overTLS(r), SameSite: sameSite,
		MaxAge: int(maxAge.Seconds()),
	}
}

// overTLS says whether the browser came over TLS, here or at a proxy in front.
func overTLS(r *http.Request) bool {
	return r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https"
}

// signInWithToken turns the token in the address (the printed link) or in the form into a session.
func (s *Server) signInWithToken(w http.ResponseWriter, r *http.Request, token, target string) {
	if !s.sessions.mayTry(r) {
		s.metrics.refused.WithLabelValues("sign_in_limited").Inc()
		w.Header().Set("Retry-After", fmt.Sprint(int(attemptsEvery.Seconds())))
		writeProblem(w, http.StatusTooManyRequests, "too many attempts to sign in from this address: try again in a while")
		return
	}
	session := signedIn{Expires: time.Now().Add(s.cfg.SessionLifetime).Unix()}
	found, ok := s.access.State().Token(token, time.Now())
	switch {
	case s.cfg.AdminToken != "" && sameText(token, s.cfg.AdminToken):
		session.Name, session.Token = adminSession, adminSession
	case ok:
		session.Name, session.Token = "token "+found.ID, found.ID
	default:
		s.metrics.refused.WithLabelValues("unauthorized").Inc()
		http.Redirect(w, r, target, http.StatusSeeOther)
		return
	}
	http.SetCookie(w, sessionCookie(r, cookieName, s.sessions.seal(cookieName, session), s.cfg.SessionLifetime, http.SameSiteStrictMode))
	http.Redirect(w, r, target, http.StatusSeeOther)
}

// identify tells who sends a request: by a bearer token, or by a session's cookie.
func (s *Server) identify(r *http.Request) (identity, bool) {
	now := time.Now()
	if given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		if s.cfg.AdminToken != "" && sameText(given, s.cfg.AdminToken) {
			return s.byToken(adminSession, now)
		}
		token, ok := s.access.State().Token(given, now)
		if !ok {
			return identity{}, false
		}
		return s.byToken(token.ID, now)
	}
	cookie, err := r.Cookie(cookieName)
	if err != nil {
		return identity{}, false
	}
	var session signedIn
	if !s.sessions.open(cookieName, cookie.Value, &session) || now.Unix() >= session.Expires {
		return identity{}, false
	}
	if session.Token != "" {
		return s.byToken(session.Token, now)
	}
	return identity{name: session.Name, grants: session.Grants}, len(session.Grants) > 0
}

func (s *Server) byToken(id string, now time.Time) (identity, bool) {
	if id == adminSession {
		return identity{name: id, grants: map[string]registry.Role{registry.AllProjects: registry.Admin}}, s.cfg.AdminToken != ""
	}
	token, ok := s.access.State().TokenByID(id, now)
	return identity{name: "token " + id, grants: map[string]registry.Role{token.Project: token.Role}}, ok
}

// serveSignIn registers what is open to all, so that people can become somebody.
func (s *Server) serveSignIn(mux router) {
	mux.HandleFunc("POST /auth/token", func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, 4096)
		s.signInWithToken(w, r, r.PostFormValue("token"), local(r.PostFormValue("to")))
	})
	mux.HandleFunc("POST /auth/sign-out", func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, sessionCookie(r, cookieName, "", -time.Second, http.SameSiteStrictMode))
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	mux.HandleFunc("GET /auth/methods", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		_ = json.NewEncoder(w).Encode(map[string]bool{"token": true, "oidc": s.oidc != nil}) // the client went away
	})
	if s.oidc != nil {
		mux.HandleFunc("GET /auth/oidc", s.startOIDC)
		mux.HandleFunc("GET /auth/callback", s.endOIDC)
	}
}

// local makes a path of this site of what a link or a form names: "//host" would lead elsewhere.
func local(target string) string { return "/" + strings.TrimLeft(target, "/\\") }
