package api

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

const adminToken = "an admin token of some length"

func TestAdmission(t *testing.T) {
	handler := func(loopback bool) http.Handler {
		cfg := Default()
		cfg.AdminToken, cfg.AllowLoopback = adminToken, loopback
		// No request of this test reaches the store: openapi.json needs none.
		s, err := New(cfg, nil, keeperOf(t, nil), prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		return s.Handler()
	}
	open, closed := handler(true), handler(false)
	const data = base + "/openapi.json"
	signedIn := httptest.NewRecorder()
	closed.ServeHTTP(signedIn, httptest.NewRequest("GET", "/sessions/a%2Fb?t=5&token="+strings.ReplaceAll(adminToken, " ", "+"), nil))
	cookie := signedIn.Result().Cookies()
	if len(cookie) != 1 || !cookie[0].HttpOnly || cookie[0].SameSite != http.SameSiteStrictMode ||
		strings.Contains(cookie[0].Value, adminToken) {
		t.Fatalf("cookies %v", cookie)
	}
	if got := signedIn.Header().Get("Location"); got != "/sessions/a%2Fb?t=5" {
		t.Errorf("led to %q", got)
	}
	tests := []struct {
		name    string
		handler http.Handler
		path    string
		from    string
		change  func(*http.Request)
		status  int
	}{
		{"no token", closed, data, "127.0.0.1:9", nil, 401},
		{"bearer", closed, data, "10.0.0.1:9", func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+adminToken) }, 200},
		{"wrong bearer", closed, data, "10.0.0.1:9", func(r *http.Request) { r.Header.Set("Authorization", "Bearer x") }, 401},
		{"cookie", closed, data, "10.0.0.1:9", func(r *http.Request) { r.AddCookie(cookie[0]) }, 200},
		{"wrong cookie", closed, data, "10.0.0.1:9", func(r *http.Request) {
			r.AddCookie(&http.Cookie{Name: cookieName, Value: adminToken})
		}, 401},
		{"the UI's files are open", closed, "/robots.txt", "10.0.0.1:9", nil, 200},
		{"loopback", open, data, "127.0.0.1:9", func(r *http.Request) { r.Host = "localhost:7721" }, 200},
		{"loopback v6", open, data, "[::1]:9", func(r *http.Request) { r.Host = "[::1]:7721" }, 200},
		{"loopback under a foreign name", open, data, "127.0.0.1:9", func(r *http.Request) { r.Host = "evil.example" }, 403},
		{"loopback as a proxy", open, data, "127.0.0.1:9", func(r *http.Request) {
			r.Host = "localhost"
			r.Header.Set("X-Forwarded-For", "10.0.0.1")
		}, 401},
		{"elsewhere", open, data, "10.0.0.1:9", func(r *http.Request) { r.Host = "localhost" }, 401},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", tt.path, nil)
			r.RemoteAddr = tt.from
			if tt.change != nil {
				tt.change(r)
			}
			w := httptest.NewRecorder()
			tt.handler.ServeHTTP(w, r)
			if w.Code != tt.status {
				t.Errorf("status %d, want %d: %s", w.Code, tt.status, w.Body)
			}
			if w.Code >= 400 && w.Header().Get("Content-Type") != "application/problem+json" {
				t.Errorf("content type %q", w.Header().Get("Content-Type"))
			}
		})
	}

	t.Run("a wrong token in the address sets no cookie and leads to no other host", func(t *testing.T) {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "/x?token=wrong", nil)
		r.URL.Path = "//evil.example/x"
		closed.ServeHTTP(w, r)
		if len(w.Result().Cookies()) != 0 || !strings.HasPrefix(w.Header().Get("Location"), "/evil") {
			t.Errorf("cookies %v, location %q", w.Result().Cookies(), w.Header().Get("Location"))
		}
	})
}

func TestConfig(t *testing.T) {
	cfg := Default()
	if err := cfg.Validate(); err != nil {
		t.Error(err)
	}
	cfg.AdminToken, cfg.LivePoll, cfg.MaxStreams = "short", 0, 0
	err := cfg.Validate()
	for _, part := range []string{"admin-token", "live-poll", "max-streams"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%v does not name %s", err, part)
		}
	}
}

// TestBadInput: what an analyst's tool gets wrong is answered with what to change.
func TestBadInput(t *testing.T) {
	server := serve(t, openStore(t), nil)
	tests := map[string]struct {
		status int
		says   string
	}{
		"/sessions?limit=0":                              {422, "limit"},
		"/sessions?limit=5000":                           {422, "limit"},
		"/sessions?from=x":                               {422, "from"},
		"/sessions?from=9&to=3":                          {422, "from is after to"},
		"/sessions?colour=red":                           {422, "colour"},
		"/sessions?project=a%27b":                        {422, "project"},
		"/sessions?cursor=%21%21":                        {400, "cursor"},
		"/sessions?cursor=c3g":                           {400, "cursor"},
		"/sessions/a/events?cursor=cnsidCI6MX0":          {400, "cursor"},
		"/insights":                                      {422, "from"},
		"/insights?from=5&to=5":                          {422, "from must be before to"},
		"/insights?from=1&to=99999999999&bucket_ms=1000": {422, "buckets"},
		"/insights?from=1&to=9&bucket_ms=0":              {422, "bucket_ms"},
		"/funnel?from=1&to=9&step=page:a":                {422, "step"},
		"/funnel?from=1&to=9&step=page:a&step=b":         {422, "page:…"},
		"/heatmap?from=1&to=9&page=x&viewport=tv":        {422, "viewport"},
		"/nothing":                                   {404, "openapi.json"},
		"/sessions/" + strings.Repeat("x", 200):      {422, "id"},
		"/sessions?user=" + strings.Repeat("x", 300): {422, "user"},
	}
	for path, want := range tests {
		t.Run(path, func(t *testing.T) {
			res, err := http.Get(server.URL + base + path)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			body, err := io.ReadAll(res.Body)
			if err != nil {
				t.Fatal(err)
			}
			if res.StatusCode != want.status || !strings.Contains(string(body), want.says) {
				t.Errorf("status %d: %s; want %d naming %q", res.StatusCode, body, want.status, want.says)
			}
			if got := res.Header.Get("Content-Type"); got != "application/problem+json" {
				t.Errorf("content type %q", got)
			}
		})
	}
}

func TestPages(t *testing.T) {
	server := serve(t, nil, nil)
	get := func(method, path string) *http.Response {
		r, err := http.NewRequest(method, server.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { res.Body.Close() })
		return res
	}
	res := get("GET", "/robots.txt")
	if res.StatusCode != 200 {
		t.Errorf("robots.txt: %d", res.StatusCode)
	}
	if policy := res.Header.Get("Content-Security-Policy"); !strings.Contains(policy, "script-src 'self';") ||
		!strings.Contains(policy, "frame-ancestors 'none'") {
		t.Errorf("policy %q", policy)
	}
	if got := get("GET", "/assets/gone-123.js").StatusCode; got != 404 {
		t.Errorf("a missing chunk: %d", got)
	}
	// A route of the application: its page, or how to build it.
	if got := get("GET", "/sessions/some-id").StatusCode; got != 200 && got != 503 {
		t.Errorf("a route: %d", got)
	}
	if got := get("POST", "/sessions").StatusCode; got != 405 {
		t.Errorf("POST: %d", got)
	}
}

// What recorded pages may load from is what the operator names, and cannot be more than that.
func TestReplaySources(t *testing.T) {
	policy := contentPolicy(nil)
	for _, looks := range []string{"style-src", "img-src", "font-src", "media-src"} {
		if !strings.Contains(policy, looks+" 'self' ") || strings.Contains(policy, "http") || strings.Contains(policy, "*") {
			t.Errorf("%s: with no sources the policy is %q", looks, policy)
		}
		if named := contentPolicy([]string{"https://cdn.example.com"}); !strings.Contains(named, looks+" 'self' https://cdn.example.com ") {
			t.Errorf("%s: with a source the policy is %q", looks, named)
		}
	}
	for source, good := range map[string]bool{
		"https://cdn.example.com":            true,
		"https://*.example.com:8443":         true,
		"http://127.0.0.1:7730":              true,
		"*":                                  false,
		"cdn.example.com":                    false,
		"https://a.example; script-src *":    false,
		"https://a.example 'unsafe-inline'":  false,
		"https://a.example\nSet-Cookie: a=b": false,
		"https://a.example/path":             false,
		"javascript://a.example":             false,
	} {
		cfg := Default()
		cfg.ReplaySources = []string{source}
		if err := cfg.Validate(); (err == nil) != good {
			t.Errorf("%q: %v, want it taken: %v", source, err, good)
		}
	}
}
