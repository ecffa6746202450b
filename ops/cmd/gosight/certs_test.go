package main

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"
)

func TestCertsAreWhatBothEndsNeedAndStay(t *testing.T) {
	dir := t.TempDir()
	read := func(names ...string) string {
		text, err := os.ReadFile(filepath.Join(append([]string{dir}, names...)...))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	first := certs{Dir: dir, Hosts: []string{"aggregator-1", "aggregator-2"}, Agents: []string{"edge-eu"}}
	if err := first.Run(); err != nil {
		t.Fatal(err)
	}
	token := read("edge-eu", "token")

	// Run again, with an agent more.
	both := certs{Dir: dir, Hosts: first.Hosts, Agents: []string{"edge-eu", "edge-ap"}}
	if err := both.Run(); err != nil {
		t.Fatal(err)
	}
	if read("edge-eu", "token") != token {
		t.Error("an agent's token changed: it would be refused until it is restarted")
	}
	if want := "edge-eu " + token + "edge-ap " + read("edge-ap", "token"); read("aggregator", "tokens") != want {
		t.Errorf("tokens are %q, want %q", read("aggregator", "tokens"), want)
	}
	for _, secret := range []string{"aggregator/tokens", "aggregator/server.key", "aggregator/ca.key", "edge-ap/token"} {
		info, err := os.Stat(filepath.Join(dir, secret))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, mode %v, want it readable by its owner only", secret, err, info.Mode())
		}
	}

	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "aggregator/server.pem"), filepath.Join(dir, "aggregator/server.key"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(read("edge-ap", "ca.pem")))
	for _, host := range both.Hosts {
		if _, err := pair.Leaf.Verify(x509.VerifyOptions{DNSName: host, Roots: pool}); err != nil {
			t.Errorf("an agent would not trust %s: %v", host, err)
		}
	}
}

func TestCertsRefusesNamesThatLeaveTheFolder(t *testing.T) {
	for _, name := range []string{"", "..", "../x", "aggregator", "two words"} {
		if (certs{Dir: t.TempDir(), Agents: []string{name}}).Run() == nil {
			t.Errorf("%q was taken", name)
		}
	}
}
