package api

import (
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/gosight/gosight/aggregator/store"
	"github.com/gosight/gosight/internal/registry"
)

// call is how an operation of the matrix is called, and who may: for callers in the order of callersInOrder, a
// refusal's status, or 0 for let through, whatever then becomes of the request.
type call struct {
	query, body string
	// no credential, wrong, revoked, other tenant's admin, viewer, analyst, admin of the project, of all projects
	want [8]int
}

var callersInOrder = []string{"none", "wrong", "revoked", "other tenant", "viewer", "analyst", "admin", "installation"}

var (
	viewers      = [8]int{401, 401, 401, 403, 0, 0, 0, 0}
	analysts     = [8]int{401, 401, 401, 403, 403, 0, 0, 0}
	admins       = [8]int{401, 401, 401, 403, 403, 403, 0, 0}
	installation = [8]int{401, 401, 401, 403, 403, 403, 403, 0}
	anyoneKnown  = [8]int{401, 401, 401, 0, 0, 0, 0, 0}
	anySpan      = "&from=1&to=2"
	matrix       = map[string]call{
		"GET /me":       {want: anyoneKnown},
		"GET /projects": {want: anyoneKnown},

		"GET /sessions":    {want: viewers},
		"GET /facets":      {want: viewers},
		"GET /insights":    {query: anySpan, want: viewers},
		"GET /pages":       {query: anySpan, want: viewers},
		"GET /heatmap":     {query: anySpan + "&page=x", want: viewers},
		"GET /funnel":      {query: anySpan + "&step=page:a&step=page:b", want: viewers},
		"GET /paths":       {query: anySpan + "&page=x", want: viewers},
		"GET /retention":   {query: anySpan, want: viewers},
		"GET /segments":    {want: viewers},
		"GET /annotations": {query: anySpan, want: viewers},
		"GET /live":        {want: viewers},

		"GET /sessions/{id}":        {want: analysts},
		"GET /sessions/{id}/events": {want: analysts},
		"GET /sessions/{id}/replay": {want: analysts},
		"GET /sessions/{id}/live":   {want: analysts},
		"GET /sessions/{id}/export": {want: analysts},
		"GET /export/sessions":      {want: analysts},
		"GET /export/signals":       {query: anySpan, want: analysts},
		"PUT /segments/{id}":        {body: `{"name":"n","filter":""}`, want: analysts},
		"DELETE /segments/{id}":     {want: analysts},
		"PUT /annotations/{id}":     {body: `{"at":1,"title":"t"}`, want: analysts},
		"DELETE /annotations/{id}":  {want: analysts},

		"GET /project":           {want: admins},
		"GET /rules":             {want: admins},
		"PUT /project":           {body: `{"id":"shop"}`, want: admins},
		"GET /keys":              {want: admins},
		"POST /keys":             {body: `{}`, want: admins},
		"POST /keys/{id}/rotate": {body: `{"after_seconds":0}`, want: admins},
		"DELETE /keys/{id}":      {want: admins},
		"GET /tokens":            {want: admins},
		"POST /tokens":           {body: `{"role":"viewer"}`, want: admins},
		"DELETE /tokens/{id}":    {want: admins},
		"POST /erasures":         {body: `{"session":"none"}`, want: admins},
		"GET /erasures":          {want: admins},
		"GET /person":            {query: "&session=none", want: admins},
		"GET /audit":             {want: admins},

		"GET /fleet":            {want: installation},
		"GET /agents":           {want: installation},
		"POST /agents":          {body: `{"name":"edge"}`, want: installation},
		"DELETE /agents/{name}": {want: installation},
	}
)

// Every operation of the API times every kind of caller. An operation without a row fails: whoever adds one says
// who may call it.
func TestMatrix(t *testing.T) {
	st := openStore(t)
	keeper := keeperOf(t, st)
	cfg := Default()
	cfg.AdminToken = adminToken
	// For the routes that are there only then.
	cfg.OIDC.Issuer, cfg.OIDC.ClientID, cfg.OIDC.PublicURL = startProvider(t, nil).URL, "gosight", "http://127.0.0.1"
	cfg.OIDC.Grants = map[string]string{"team": "viewer:shop"}
	s, err := New(cfg, st, keeper, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s.Handler())
	t.Cleanup(server.Close)
	t.Cleanup(s.close)
	token := func(project string, role registry.Role) (registry.Token, string) {
		made, secret, err := keeper.CreateToken(t.Context(), project, "", role)
		if err != nil {
			t.Fatal(err)
		}
		return made, secret
	}
	revoked, revokedSecret := token("shop", registry.Admin)
	if err := keeper.RevokeToken(t.Context(), "shop", revoked.ID); err != nil {
		t.Fatal(err)
	}
	secrets := map[string]string{"none": "", "wrong": "gst_wrong", "revoked": revokedSecret, "installation": adminToken}
	for name, caller := range map[string]struct {
		project string
		role    registry.Role
	}{"other tenant": {"bank", registry.Admin}, "viewer": {"shop", registry.Viewer}, "analyst": {"shop", registry.Analyst}, "admin": {"shop", registry.Admin}} {
		_, secrets[name] = token(caller.project, caller.role)
	}

	seen := map[string]bool{}
	for path, item := range s.spec.Paths {
		for method, operation := range map[string]*huma.Operation{"GET": item.Get, "PUT": item.Put, "POST": item.Post, "DELETE": item.Delete, "PATCH": item.Patch} {
			if operation == nil {
				continue
			}
			name := method + " " + strings.TrimPrefix(path, base)
			seen[name] = true
			row, ok := matrix[name]
			if !ok {
				t.Errorf("%s is not in the matrix: say there who may call it", name)
				continue
			}
			scoped := slices.ContainsFunc(operation.Parameters, func(p *huma.Param) bool { return p.Name == "project" })
			if tenant := row.want[3] == 403 && row.want[6] == 0; tenant != scoped {
				t.Errorf("%s: takes a project: %v, is one project's: %v", name, scoped, tenant)
			}
			for i, caller := range callersInOrder {
				url := strings.NewReplacer("{id}", "none", "{name}", "none").Replace(server.URL + path)
				if scoped {
					url += "?project=shop" + row.query
				}
				got := status(t, method, url, row.body, secrets[caller])
				refused := got == 401 || got == 403
				if want := row.want[i]; want != 0 && got != want || want == 0 && refused {
					t.Errorf("%s by %s: status %d, want %d", name, caller, got, want)
				}
			}
		}
	}
	for name := range matrix {
		if !seen[name] {
			t.Errorf("the matrix has %s, which the API has not", name)
		}
	}

	t.Run("beside the operations", func(t *testing.T) { testPlainRoutes(t, s, server.URL, secrets) })
	t.Run("a token for all projects is made by an admin of all only", func(t *testing.T) {
		for caller, want := range map[string]int{"admin": 403, "installation": 200} {
			if got := status(t, "POST", server.URL+base+"/tokens?project=*", `{"role":"admin"}`, secrets[caller]); got != want {
				t.Errorf("%s: %d, want %d", caller, got, want)
			}
		}
	})
	t.Run("a project named twice is the first", func(t *testing.T) {
		if got := status(t, "GET", server.URL+base+"/sessions?project=shop&project=bank", "", secrets["other tenant"]); got != 403 {
			t.Errorf("status %d", got)
		}
	})
}

// What the port serves beside the operations, and what each caller of callersInOrder is answered; 0 is whatever the UI's
// files come to, where they were built and where not. What is public shows the same to everybody: those files, the ways
// to sign in, and where the provider sends people back to, who here began nothing.
var plainRoutes = map[string][8]int{
	"/":                                 {},
	"GET /auth/methods":                 {200, 200, 200, 200, 200, 200, 200, 200},
	"POST /auth/sign-out":               {303, 303, 303, 303, 303, 303, 303, 303},
	"POST /auth/token":                  {303, 303, 303, 303, 303, 303, 303, 303},
	"GET /auth/oidc":                    {302, 302, 302, 302, 302, 302, 302, 302},
	"GET /auth/callback":                {403, 403, 403, 403, 403, 403, 403, 403},
	"GET " + base + "/openapi.json":     {401, 401, 401, 200, 200, 200, 200, 200},
	"GET " + base + "/openapi.yaml":     {401, 401, 401, 200, 200, 200, 200, 200},
	"GET " + base + "/openapi-3.0.json": {401, 401, 401, 200, 200, 200, 200, 200},
	"GET " + base + "/openapi-3.0.yaml": {401, 401, 401, 200, 200, 200, 200, 200},
}

func testPlainRoutes(t *testing.T, s *Server, at string, secrets map[string]string) {
	served := &recorder{ServeMux: http.NewServeMux()}
	if err := s.route(served); err != nil {
		t.Fatal(err)
	}
	rest := maps.Clone(plainRoutes)
	for _, pattern := range served.patterns {
		if _, ok := matrix[strings.Replace(pattern, " "+base, " ", 1)]; ok {
			continue
		}
		want, ok := rest[pattern]
		if !ok {
			t.Errorf("%s is not in the matrix: say there what each caller is answered", pattern)
			continue
		}
		delete(rest, pattern)
		method, path, ok := strings.Cut(pattern, " ")
		if !ok {
			method, path = "GET", pattern
		}
		s.sessions.tried.Purge() // not what is asked here
		bodies := map[string]bool{}
		for i, caller := range callersInOrder {
			r, err := http.NewRequestWithContext(t.Context(), method, at+path, strings.NewReader(url.Values{"token": {secrets[caller]}}.Encode()))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			if secrets[caller] != "" {
				r.Header.Set("Authorization", "Bearer "+secrets[caller])
			}
			answer, err := http.DefaultTransport.RoundTrip(r) // follows no redirect
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(answer.Body)
			answer.Body.Close()
			if err != nil || want[i] != 0 && answer.StatusCode != want[i] {
				t.Errorf("%s by %s: status %d, want %d; %v", pattern, caller, answer.StatusCode, want[i], err)
			}
			if answer.StatusCode == 200 || want[i] == 0 {
				bodies[string(body)] = true
			}
			session := slices.ContainsFunc(answer.Cookies(), func(c *http.Cookie) bool { return c.Name == cookieName && c.Value != "" })
			if known := want[i] != 401 && i >= 3; session != (pattern == "POST /auth/token" && known) {
				t.Errorf("%s by %s: a session is given: %v", pattern, caller, session)
			}
		}
		if len(bodies) > 1 {
			t.Errorf("%s tells some callers more than others", pattern)
		}
	}
	for pattern := range rest {
		t.Errorf("the matrix has %s, which the port does not serve", pattern)
	}
}

// recorder remembers the patterns of the routes.
type recorder struct {
	*http.ServeMux
	patterns []string
}

func (r *recorder) Handle(pattern string, handler http.Handler) {
	r.patterns = append(r.patterns, pattern)
	r.ServeMux.Handle(pattern, handler)
}

func (r *recorder) HandleFunc(pattern string, handler func(http.ResponseWriter, *http.Request)) {
	r.Handle(pattern, http.HandlerFunc(handler))
}

// status is the answer's; of a stream, that it has begun.
func status(t *testing.T, method, url, body, secret string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if secret != "" {
		r.Header.Set("Authorization", "Bearer "+secret)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatalf("%s %s: %v", method, url, err)
	}
	res.Body.Close()
	return res.StatusCode
}

// No byte of another tenant's: both have the same session id, and each sees their own.
func TestTenantsSeeTheirOwn(t *testing.T) {
	st := openStore(t)
	for _, project := range []string{"shop", "bank"} {
		rows := store.NewEventRows()
		for i := range 3 {
			row := store.EventRow{
				Project: project, SessionID: "same", EventID: fmt.Sprint("e", i), EventType: "click", TS: time.Now().UnixMilli(),
				ReceivedAt: time.Now().UnixMilli(), URL: "https://" + project + ".example/", UserID: "user-of-" + project, Payload: "{}",
			}
			rows.Append(&row)
		}
		if err := st.InsertEvents(t.Context(), rows); err != nil {
			t.Fatal(err)
		}
	}
	keeper := keeperOf(t, st)
	cfg := Default()
	s, err := New(cfg, st, keeper, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	_, secret, err := keeper.CreateToken(t.Context(), "shop", "", registry.Admin)
	if err != nil {
		t.Fatal(err)
	}
	from, to := time.Now().Add(-time.Hour).UnixMilli(), time.Now().Add(time.Hour).UnixMilli()
	for _, path := range []string{
		"/sessions?project=shop", "/sessions/same?project=shop", "/sessions/same/events?project=shop", "/facets?project=shop",
		fmt.Sprintf("/pages?project=shop&from=%d&to=%d", from, to), "/export/sessions?project=shop", "/person?project=shop&session=same",
	} {
		r := httptest.NewRequest("GET", base+path, nil)
		r.Header.Set("Authorization", "Bearer "+secret)
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		if w.Code != 200 || strings.Contains(w.Body.String(), "bank") {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
		if path != "/facets?project=shop" && !strings.Contains(w.Body.String(), "shop") {
			t.Errorf("%s says nothing of its own: %s", path, w.Body)
		}
	}
}
