package api

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/gosight/gosight/internal/registry"
)

// identityProvider is an OpenID Connect provider at which everybody is signed in already, as its person.
type identityProvider struct {
	*httptest.Server
	person map[string]any // claims beside those of the protocol
	key    *rsa.PrivateKey
	codes  map[string]url.Values // what was asked for, by code
}

func startProvider(t *testing.T, person map[string]any) *identityProvider {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	p := &identityProvider{person: person, key: key, codes: map[string]url.Values{}}
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, value any) {
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(value); err != nil {
			t.Error(err)
		}
	}
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, map[string]any{"issuer": p.URL, "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token",
			"jwks_uri": p.URL + "/keys", "id_token_signing_alg_values_supported": []string{"RS256"}})
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "1", Algorithm: "RS256", Use: "sig"}}})
	})
	mux.HandleFunc("GET /authorize", func(w http.ResponseWriter, r *http.Request) {
		asked := r.URL.Query()
		code := rand.Text()
		p.codes[code] = asked
		back := url.Values{"code": {code}, "state": {asked.Get("state")}}
		http.Redirect(w, r, asked.Get("redirect_uri")+"?"+back.Encode(), http.StatusFound)
	})
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		asked, ok := p.codes[r.FormValue("code")]
		verifier := sha256.Sum256([]byte(r.FormValue("code_verifier")))
		if !ok || asked.Get("code_challenge") != base64.RawURLEncoding.EncodeToString(verifier[:]) {
			http.Error(w, `{"error":"invalid_grant"}`, http.StatusBadRequest)
			return
		}
		delete(p.codes, r.FormValue("code")) // good once
		answer(w, map[string]any{"access_token": "a", "token_type": "Bearer", "id_token": p.sign(t, asked)})
	})
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	return p
}

func (p *identityProvider) sign(t *testing.T, asked url.Values) string {
	claims := map[string]any{"iss": p.URL, "aud": asked.Get("client_id"), "sub": "linh", "nonce": asked.Get("nonce"),
		"exp": time.Now().Add(time.Hour).Unix(), "iat": time.Now().Unix()}
	for name, value := range p.person {
		claims[name] = value
	}
	text, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: p.key, KeyID: "1"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(text)
	if err != nil {
		t.Fatal(err)
	}
	compact, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return compact
}

// signInAt serves an API that trusts the provider, and a browser for it.
func signInAt(t *testing.T, p *identityProvider) (*httptest.Server, *http.Client) {
	t.Helper()
	cfg := Default()
	cfg.AdminToken = adminToken
	server := httptest.NewUnstartedServer(nil)
	cfg.OIDC.Issuer, cfg.OIDC.ClientID, cfg.OIDC.PublicURL = p.URL, "gosight", "http://"+server.Listener.Addr().String()
	cfg.OIDC.Grants = map[string]string{"shop-team": "analyst:shop", "shop-boss": "admin:shop"}
	s, err := New(cfg, nil, keeperOf(t, nil), prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = s.Handler()
	server.Start()
	t.Cleanup(server.Close)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return server, &http.Client{Jar: jar}
}

func read(t *testing.T, client *http.Client, address string) (int, string, http.Header) {
	t.Helper()
	answer, err := client.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(body), answer.Header
}

func TestSignInWithAnIdentityProvider(t *testing.T) {
	server, browser := signInAt(t, startProvider(t, map[string]any{"groups": []string{"others", "shop-team", "shop-boss"}}))
	if code, _, _ := read(t, browser, server.URL+base+"/me"); code != 401 {
		t.Fatalf("before: %d", code)
	}
	code, body, header := read(t, browser, server.URL+"/auth/oidc?to=//evil.example/sessions")
	if code != 200 || header.Get("Refresh") != "0; url=/evil.example/sessions" {
		t.Fatalf("%d %s, leads to %q", code, body, header.Get("Refresh"))
	}
	code, body, _ = read(t, browser, server.URL+base+"/me")
	var me struct {
		Name   string
		Grants map[string]registry.Role
	}
	if err := json.Unmarshal([]byte(body), &me); err != nil || code != 200 || me.Name != "oidc linh" || len(me.Grants) != 1 || me.Grants["shop"] != registry.Admin {
		t.Errorf("%d %s", code, body)
	}
	if code, _, _ := read(t, browser, server.URL+base+"/keys?project=shop"); code != 200 {
		t.Errorf("own project: %d", code)
	}
	if code, _, _ := read(t, browser, server.URL+base+"/keys?project=bank"); code != 403 {
		t.Errorf("another's project: %d", code)
	}
}

func TestSignInIsRefused(t *testing.T) {
	t.Run("who has no grant", func(t *testing.T) {
		server, browser := signInAt(t, startProvider(t, map[string]any{"groups": []string{"others"}}))
		if code, body, _ := read(t, browser, server.URL+"/auth/oidc"); code != 403 || !strings.Contains(body, "ask for a grant") {
			t.Errorf("%d %s", code, body)
		}
	})
	t.Run("a token for somebody else", func(t *testing.T) {
		server, browser := signInAt(t, startProvider(t, map[string]any{"groups": []string{"shop-boss"}, "aud": "another"}))
		if code, _, _ := read(t, browser, server.URL+"/auth/oidc"); code != 403 {
			t.Errorf("%d", code)
		}
	})
	t.Run("another sign-in's answer", func(t *testing.T) {
		server, browser := signInAt(t, startProvider(t, map[string]any{"groups": []string{"shop-boss"}}))
		if code, _, _ := read(t, browser, server.URL+"/auth/callback?code=x&state=y"); code != 403 {
			t.Errorf("%d", code)
		}
	})
	t.Run("too many attempts", func(t *testing.T) {
		server, browser := signInAt(t, startProvider(t, nil))
		last := 0
		for range attemptsBurst + 1 {
			answer, err := browser.PostForm(server.URL+"/auth/token", url.Values{"token": {"gst_guess"}, "to": {"/robots.txt"}})
			if err != nil {
				t.Fatal(err)
			}
			answer.Body.Close()
			last = answer.StatusCode
		}
		if last != http.StatusTooManyRequests {
			t.Errorf("attempt %d: %d", attemptsBurst+1, last)
		}
	})
	t.Run("a form of another site", func(t *testing.T) {
		server, browser := signInAt(t, startProvider(t, nil))
		r, err := http.NewRequest("POST", server.URL+"/auth/token", strings.NewReader("token="+url.QueryEscape(adminToken)))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", "https://evil.example")
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		answer, err := browser.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != 403 || len(answer.Cookies()) != 0 {
			t.Errorf("%d, cookies %v", answer.StatusCode, answer.Cookies())
		}
	})
}
