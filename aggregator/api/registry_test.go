package api

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gosight/gosight/internal/detect"
	"github.com/gosight/gosight/internal/registry"
)

// What the settings page does: lists that say what is the file's and tell no sum, a key made and rotated, the audit
// log of that key alone, and the rules that hold where the project has none of its own.
func TestSettings(t *testing.T) {
	st := openStore(t)
	keeper := keeperWith(t, st, "projects: [{id: site}]\nkeys: [{id: mounted, project: site, sum: "+string(registry.SumOf("gs_x"))+"}]\n")
	cfg := Default()
	cfg.AdminToken = adminToken
	s, err := New(cfg, st, keeper, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	rules := detect.Default()
	rules.Rage.Clicks = 9
	s.ShowRules(detect.MustLive(rules))
	server := httptest.NewServer(s.Handler())
	t.Cleanup(server.Close)
	t.Cleanup(s.close)

	call := func(method, path, body string, want int, into any) string {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, server.URL+base+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+adminToken)
		r.Header.Set("Content-Type", "application/json")
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		answer, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != want {
			t.Fatalf("%s %s: %d %s %v", method, path, res.StatusCode, answer, err)
		}
		if into != nil {
			if err := json.Unmarshal(answer, into); err != nil {
				t.Fatal(err)
			}
		}
		return string(answer)
	}

	var made, rotated struct{ ID, Secret string }
	call("POST", "/keys?project=site", `{"name":"pages"}`, 200, &made)
	call("POST", "/keys/"+made.ID+"/rotate?project=site", `{"after_seconds":3600}`, 200, &rotated)
	call("POST", "/keys/mounted/rotate?project=site", `{"after_seconds":0}`, 409, nil)
	var keys struct {
		Keys  []registry.Key
		Fixed []string
	}
	listed := call("GET", "/keys?project=site", "", 200, &keys)
	if len(keys.Keys) != 3 || !slices.Equal(keys.Fixed, []string{"mounted"}) || strings.Contains(listed, `"sum"`) {
		t.Errorf("keys: %s", listed)
	}
	for _, key := range keys.Keys {
		switch key.ID {
		case made.ID:
			if key.RevokedAt == 0 || !strings.HasPrefix(made.Secret, key.Hint) || key.Hint == "" {
				t.Errorf("rotated: %+v", key)
			}
		case rotated.ID:
			if key.RevokedAt != 0 || key.Name != "pages" || len(rotated.Secret) < 3*len(key.Hint) {
				t.Errorf("in its place: %+v", key)
			}
		}
	}
	var projects struct{ Projects, Fixed []string }
	call("PUT", "/project?project=other", `{"id":"other"}`, 204, nil)
	call("GET", "/projects", "", 200, &projects)
	if !slices.Equal(projects.Projects, []string{"other", "site"}) || !slices.Equal(projects.Fixed, []string{"site"}) {
		t.Errorf("projects %+v", projects)
	}

	var log struct {
		Entries []struct{ Actor, Action, Subject string }
	}
	call("GET", "/audit?project=site&limit=1&subject="+made.ID, "", 200, &log)
	if len(log.Entries) == 0 || log.Entries[0].Action != "key.rotate" || log.Entries[0].Actor != adminSession {
		t.Errorf("audit %+v", log)
	}
	call("GET", "/audit?project=site&subject=mounted", "", 200, &log)
	if len(log.Entries) != 0 {
		t.Errorf("a rotation that was refused is in the log: %+v", log)
	}

	var inForce struct{ Rage struct{ Clicks int } }
	call("GET", "/rules?project=site", "", 200, &inForce)
	if inForce.Rage.Clicks != 9 {
		t.Errorf("rules %+v", inForce)
	}
}
