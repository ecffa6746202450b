package receive

import (
	"context"
	"crypto/tls"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/quic-go/quic-go/http3"

	"github.com/gosight/gosight/internal/devcert"
	"github.com/gosight/gosight/internal/registry"
	"github.com/gosight/gosight/proto/gen/gosight"
	"github.com/gosight/gosight/proto/gen/gosight/gosightconnect"
)

// Every method of the relay, and how it is called. All of them are for agents alone; an agent relays for all projects,
// so no credential of a single project's is one here.
var matrix = map[string]func(t *testing.T, client gosightconnect.RelayClient, secret string) error{
	"Forward": func(t *testing.T, client gosightconnect.RelayClient, secret string) error {
		_, err := send(t, client, secret, frame(t, marshal(t, testBatch("s-1"))))
		return err
	},
	"Registry": func(t *testing.T, client gosightconnect.RelayClient, secret string) error {
		req := connect.NewRequest(&gosight.RegistryRequest{AgentId: "edge"})
		req.Header().Set("Authorization", "Bearer "+secret)
		answer, err := client.Registry(t.Context(), req)
		if err == nil && len(answer.Msg.Snapshot) == 0 {
			t.Error("an agent that has nothing gets nothing")
		}
		return err
	},
}

// kept is a registry as the centre keeps it.
type kept struct {
	NoRegistry
	state registry.State
}

func (k *kept) Agent(secret string) (string, bool) { return k.state.Agent(secret, time.Now()) }

func (k *kept) Snapshot() (string, []byte, bool) { return "1", []byte("{}"), true }

// Every method of the relay times every kind of caller, over HTTP/2 and HTTP/3. A method or a route without a row
// fails: whoever adds one says who may call it.
func TestMatrix(t *testing.T) {
	now := time.Now()
	known := &kept{state: registry.State{
		Keys:   []registry.Key{{ID: "k", Project: "shop", Sum: registry.SumOf("gs_page")}},
		Tokens: []registry.Token{{ID: "v", Project: "shop", Role: registry.Viewer, Sum: registry.SumOf("gst_viewer")}, {ID: "a", Project: registry.AllProjects, Role: registry.Admin, Sum: registry.SumOf("gst_admin")}},
		Agents: []registry.Agent{
			{ID: "edge", Sum: registry.SumOf("gsa_edge")},
			{ID: "gone", Sum: registry.SumOf("gsa_gone"), RevokedAt: now.Add(-time.Second).UnixMilli()},
			{ID: "going", Sum: registry.SumOf("gsa_going"), RevokedAt: now.Add(time.Hour).UnixMilli()},
		},
	}}
	var produced atomic.Int64
	r := startWith(t, func(_ context.Context, records []Record) (int, error) {
		produced.Add(int64(len(records)))
		return 0, nil
	}, known)

	methods := gosight.File_gosight_relay_proto.Services().ByName("Relay").Methods()
	for i := range methods.Len() {
		if _, ok := matrix[string(methods.Get(i).Name())]; !ok {
			t.Errorf("%s is not in the matrix: say there how it is called", methods.Get(i).Name())
		}
	}
	path := "/" + gosightconnect.RelayName + "/"
	if routes := slices.Collect(maps.Keys(r.routes())); !slices.Equal(routes, []string{"POST " + path}) {
		t.Errorf("the port serves %v: say here who may have what is new", routes)
	}

	for name, call := range matrix {
		for transport, client := range map[string]gosightconnect.RelayClient{"HTTP/2": r.http2, "HTTP/3": r.http3} {
			for caller, secret := range map[string]string{
				"no credential": "", "wrong": "gsa_wrong", "revoked": "gsa_gone", "a page's key": "gs_page",
				"a viewer": "gst_viewer", "an admin of all projects": "gst_admin", "another agent's name": "edge",
			} {
				before, refused := produced.Load(), r.refusals("unauthenticated")
				if err := call(t, client, secret); connect.CodeOf(err) != connect.CodeUnauthenticated {
					t.Errorf("%s over %s, %s: %v", name, transport, caller, err)
				}
				if produced.Load() != before || r.refusals("unauthenticated") != refused+1 {
					t.Errorf("%s over %s, %s: stored, or not counted", name, transport, caller)
				}
			}
			for caller, secret := range map[string]string{"of the registry": "gsa_edge", "revoked later": "gsa_going", "of the configuration": "one"} {
				if err := call(t, client, secret); err != nil {
					t.Errorf("%s over %s, %s: %v", name, transport, caller, err)
				}
			}
		}
	}
	if n := produced.Load(); n != 6 {
		t.Errorf("%d batches stored, 6 were of agents that may", n)
	}
	for _, other := range []string{"/", path, path + "Forget", "/metrics", "/gosight.Ingestor/SendBatch"} {
		for _, secret := range []string{"", "gsa_gone", "gsa_edge"} {
			req, err := http.NewRequestWithContext(t.Context(), "POST", "https://"+r.Addr()+other, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/proto")
			req.Header.Set("Authorization", "Bearer "+secret)
			answer, err := r.raw.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			answer.Body.Close()
			if answer.StatusCode != http.StatusNotFound && answer.StatusCode != http.StatusUnauthorized {
				t.Errorf("%s with %q: %d", other, secret, answer.StatusCode)
			}
		}
	}
}

// The same where agents are known by certificates: none, one of another CA, and the right one, with and without a token
// that is asked for as well.
func TestMatrixOfCertificates(t *testing.T) {
	agents, others := t.TempDir(), t.TempDir()
	_, _, agentsCA, err := devcert.Ensure(agents)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := devcert.Ensure(others); err != nil {
		t.Fatal(err)
	}
	for _, tokens := range []map[string]string{nil, {"agent-1": "one"}} {
		r := startWith(t, takes, &kept{}, func(cfg *Config) { cfg.ClientCAFile, cfg.Tokens = agentsCA, tokens })
		for caller, may := range map[string]bool{"": false, others: false, agents: true} {
			for _, secret := range []string{"", "one", "wrong"} {
				want := may && (tokens == nil || secret == "one")
				for transport, client := range r.showing(t, caller) {
					for name, call := range matrix {
						if err := call(t, client, secret); (err == nil) != want {
							t.Errorf("%s over %s, certificate of %q, token %q of %v: %v", name, transport, filepath.Base(caller), secret, tokens, err)
						}
					}
				}
			}
		}
	}
}

// showing are clients that show the certificate in dir; "" shows none.
func (r *running) showing(t *testing.T, dir string) map[string]gosightconnect.RelayClient {
	t.Helper()
	conf := &tls.Config{RootCAs: r.roots}
	if dir != "" {
		text, err := os.ReadFile(filepath.Join(dir, "server.pem"))
		if err != nil {
			t.Fatal(err)
		}
		key, err := os.ReadFile(filepath.Join(dir, "server.key"))
		if err != nil {
			t.Fatal(err)
		}
		pair, err := tls.X509KeyPair(text, key)
		if err != nil {
			t.Fatal(err)
		}
		// Shown whatever CAs the server names: a stranger would not be so polite either.
		conf.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	}
	over2 := &http.Transport{TLSClientConfig: conf.Clone(), ForceAttemptHTTP2: true}
	over3 := &http3.Transport{TLSClientConfig: conf.Clone()}
	t.Cleanup(func() {
		over2.CloseIdleConnections()
		over3.Close()
	})
	clients := map[string]gosightconnect.RelayClient{}
	for name, transport := range map[string]http.RoundTripper{"HTTP/2": over2, "HTTP/3": over3} {
		clients[name] = gosightconnect.NewRelayClient(&http.Client{Transport: transport}, "https://"+r.Addr())
	}
	return clients
}
