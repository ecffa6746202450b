package api

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

const cookieName = "gosight_session"

// admitted lets requests for data through when they carry the token (as a bearer token, or as the cookie that
// opening /?token=… sets), or come from loopback where that is allowed. The UI's own files hold no data and are
// open, so that the UI can ask for the token.
func (s *Server) admitted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if token := r.URL.Query().Get("token"); token != "" && !strings.HasPrefix(r.URL.Path, base) {
			s.signIn(w, r, token)
			return
		}
		if !strings.HasPrefix(r.URL.Path, base+"/") || s.hasToken(r) {
			next.ServeHTTP(w, r)
			return
		}
		if s.cfg.AllowLoopback && fromLoopback(r) {
			// A page elsewhere can make a browser send requests to loopback under a name of its own.
			if namesLoopback(r.Host) {
				next.ServeHTTP(w, r)
				return
			}
			s.metrics.refused.WithLabelValues("foreign_host").Inc()
			writeProblem(w, http.StatusForbidden, "open this under localhost or 127.0.0.1, or send the admin token")
			return
		}
		s.metrics.refused.WithLabelValues("unauthorized").Inc()
		w.Header().Set("WWW-Authenticate", `Bearer realm="gosight"`)
		writeProblem(w, http.StatusUnauthorized, "send the admin token as a bearer token, or open /?token=…")
	})
}

func (s *Server) hasToken(r *http.Request) bool {
	if s.cfg.AdminToken == "" {
		return false
	}
	if given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		return sameText(given, s.cfg.AdminToken)
	}
	cookie, err := r.Cookie(cookieName)
	return err == nil && sameText(cookie.Value, s.cookieValue())
}

// signIn turns the token in the address into a cookie, and takes it out of the address.
func (s *Server) signIn(w http.ResponseWriter, r *http.Request, token string) {
	if s.cfg.AdminToken != "" && sameText(token, s.cfg.AdminToken) {
		http.SetCookie(w, &http.Cookie{
			Name: cookieName, Value: s.cookieValue(), Path: "/", HttpOnly: true,
			Secure: r.TLS != nil, SameSite: http.SameSiteStrictMode, MaxAge: 30 * 24 * 3600,
		})
	} else {
		s.metrics.refused.WithLabelValues("unauthorized").Inc()
	}
	query := r.URL.Query()
	query.Del("token")
	// The path is rooted afresh: "//host" would send the browser elsewhere.
	target := "/" + strings.TrimLeft(r.URL.EscapedPath(), "/\\")
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	http.Redirect(w, r, target, http.StatusSeeOther)
}

// cookieValue is derived from the token, so that a new token ends every sign-in and no cookie holds the token.
func (s *Server) cookieValue() string {
	mac := hmac.New(sha256.New, []byte(s.cfg.AdminToken))
	mac.Write([]byte("gosight ui sign-in v1"))
	return hex.EncodeToString(mac.Sum(nil))
}

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
