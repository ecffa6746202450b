package agent

import (
	"strings"
	"testing"
)

func TestPlainPortsStayOnLoopback(t *testing.T) {
	certificate := func(c *Config) { c.Server.CertFile, c.Server.KeyFile = "c.pem", "k.pem" }
	for name, test := range map[string]struct {
		change func(*Config)
		want   []string // of the error; none where it starts
	}{
		"as it comes":            {func(*Config) {}, nil},
		"gRPC on all addresses":  {func(c *Config) { c.GRPCAddr = "0.0.0.0:7710" }, []string{"grpc-addr 0.0.0.0:7710", "--server-cert-file", "--insecure-public"}},
		"HTTP in the open":       {func(c *Config) { c.HTTPAddr = "203.0.113.7:443" }, []string{"http-addr 203.0.113.7:443", "--server-cert-file"}},
		"admin port in the open": {func(c *Config) { c.AdminAddr = ":7712" }, []string{"admin-addr :7712", "loopback", "--insecure-public"}},
		"both, with TLS": {func(c *Config) {
			certificate(c)
			c.GRPCAddr, c.HTTPAddr = "0.0.0.0:7710", "[::]:443"
		}, nil},
		"TLS is not the admin port's": {func(c *Config) {
			certificate(c)
			c.AdminAddr = "0.0.0.0:7712"
		}, []string{"admin-addr 0.0.0.0:7712"}},
		"said in words": {func(c *Config) {
			c.GRPCAddr, c.HTTPAddr, c.AdminAddr, c.InsecurePublic = ":7710", ":7711", ":7712", true
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := Default()
			test.change(&cfg)
			err := cfg.Validate()
			if (err != nil) != (test.want != nil) {
				t.Fatalf("got %v, want it to say %q", err, test.want)
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
		})
	}
}
