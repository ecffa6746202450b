package api

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/gosight/gosight/internal/registry"
)

// admitted lets requests for data through when they say who they are (a bearer token, or the session's cookie), or
// come from loopback where that is allowed; authorize then decides what for. The UI's own files hold no data and are
// open, so that the UI can ask people to sign in.
func (s *Server) admitted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if token := r.URL.Query().Get("token"); token != "" && r.Method == http.MethodGet && !strings.HasPrefix(r.URL.Path, base) {
			query := r.URL.Query()
			query.Del("token")
			target := local(r.URL.EscapedPath())
			if len(query) > 0 {
				target += "?" + query.Encode()
			}
			s.signInWithToken(w, r, token, target)
			return
		}
		if !strings.HasPrefix(r.URL.Path, base+"/") {
			next.ServeHTTP(w, r)
			return
		}
		if who, ok := s.identify(r); ok {
			next.ServeHTTP(w, withIdentity(r, who))
			return
		}
		if s.cfg.AllowLoopback && fromLoopback(r) && r.Header.Get("Authorization") == "" {
			// A page elsewhere can make a browser send requests to loopback under a name of its own.
			if namesLoopback(r.Host) {
				next.ServeHTTP(w, withIdentity(r, loopback))
				return
			}
			s.metrics.refused.WithLabelValues("foreign_host").Inc()
			writeProblem(w, http.StatusForbidden, "open this under localhost or 127.0.0.1, or sign in")
			return
		}
		s.metrics.refused.WithLabelValues("unauthorized").Inc()
		w.Header().Set("WWW-Authenticate", `Bearer realm="gosight"`)
		writeProblem(w, http.StatusUnauthorized, "send a token as a bearer token, or sign in at /")
	})
}

// loopback may look at everything and change nothing that is not its own: keys, tokens and erasures ask for the
// admin token, here too.
var loopback = identity{name: "loopback", grants: map[string]registry.Role{registry.AllProjects: registry.Analyst}}

// sameText compares in constant time whatever the lengths are.
func sameText(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

func fromLoopback(r *http.Request) bool {
	// Behind a proxy on this machine every client looks local: such requests need the token.
	if r.Header.Get("X-Forwarded-For") != "" || r.Header.Get("Forwarded") != "" {
		return false
	}
	addr, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && addr.Addr().Unmap().IsLoopback()
}

func namesLoopback(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.Trim(host, "[]")
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

func writeProblem(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	// A response that cannot be written has no reader left to tell.
	_ = json.NewEncoder(w).Encode(map[string]any{
		"title": http.StatusText(status), "status": status, "detail": detail,
	})
}
