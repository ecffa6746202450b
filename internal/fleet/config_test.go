package fleet

import (
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

func TestValidateNamesTheRemedy(t *testing.T) {
	good := Default()
	good.Addr, good.Keys = "0.0.0.0:7946", []string{key("a"), key("b")}
	for _, cfg := range []Config{Default(), good, {Addr: "127.0.0.1:0", Label: "x", Rejoin: 1}} {
		if err := cfg.Validate(); err != nil {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
	for want, change := range map[string]func(*Config){
		"--fleet-addr":     func(c *Config) { c.Addr, c.Join = "", []string{"a"} },
		"missing port":     func(c *Config) { c.Addr = "host" },
		"no port number":   func(c *Config) { c.Addr = "host:gossip" },
		"an IP address":    func(c *Config) { c.Advertise = "host:1" },
		"--fleet-key-file": func(c *Config) { c.Keys = nil },
		"openssl rand":     func(c *Config) { c.Keys = []string{"c2hvcnQ="} },
		"not both":         func(c *Config) { c.KeyFile = "x" },
		"label":            func(c *Config) { c.Label = "" },
		"invalid cidr":     func(c *Config) { c.Networks = []string{"10.0.0.0"} },
		"rejoin":           func(c *Config) { c.Rejoin = 0 },
	} {
		bad := good
		change(&bad)
		if err := bad.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestAKeyFileThatIsMissing(t *testing.T) {
	cfg := Default()
	cfg.Addr, cfg.KeyFile = "127.0.0.1:0", filepath.Join(t.TempDir(), "none")
	_, err := New(cfg, func() Node { return Node{ID: "a", Role: Agent} }, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "read keys") {
		t.Errorf("got %v", err)
	}
}

func TestWhatANodeSaysFits(t *testing.T) {
	long := Node{ID: "a", Role: Agent, URL: "https://" + strings.Repeat("x", 600)}
	_, err := New(Default(), func() Node { return long }, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "shorten") {
		t.Errorf("got %v", err)
	}
}

func FuzzNode(f *testing.F) {
	meta, err := Node{Region: "eu", Relay: ":7720", Draining: true, Load: 42}.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add("aggregator/one", meta)
	f.Add("agent/", []byte("{}"))
	f.Add("someone", []byte(nil))
	f.Add("agent/x", []byte(`{"l":1e9}`))
	f.Fuzz(func(t *testing.T, name string, meta []byte) {
		n, err := decodeNode(name, meta)
		if err != nil {
			return
		}
		if n.name() != name || n.Load < 0 || n.Load > 100 {
			t.Errorf("%q decodes to %+v", name, n)
		}
	})
}
