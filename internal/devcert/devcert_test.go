package devcert

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestCertificateServesItsHosts(t *testing.T) {
	cert, key, ca, err := Ensure(t.TempDir(), "aggregator.example", "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(contents(t, ca))
	for _, host := range []string{"aggregator.example", "127.0.0.1"} {
		for _, usage := range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} {
			if _, err := pair.Leaf.Verify(x509.VerifyOptions{
				DNSName: host, Roots: roots, KeyUsages: []x509.ExtKeyUsage{usage},
			}); err != nil {
				t.Errorf("%s, usage %v: %v", host, usage, err)
			}
		}
	}
	if err := pair.Leaf.VerifyHostname("elsewhere.example"); err == nil {
		t.Error("valid for a host that was not asked for")
	}
	info, err := os.Stat(key)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key file mode %v, %v", info.Mode(), err)
	}
}

func TestKeepsWhatIsGood(t *testing.T) {
	dir := t.TempDir()
	now := time.Now()
	paths := func(now time.Time, hosts ...string) (cert, ca []byte) {
		t.Helper()
		certFile, _, caFile, err := ensure(dir, now, hosts)
		if err != nil {
			t.Fatal(err)
		}
		return contents(t, certFile), contents(t, caFile)
	}
	cert, ca := paths(now)
	if again, sameCA := paths(now.Add(time.Hour)); !bytes.Equal(again, cert) || !bytes.Equal(sameCA, ca) {
		t.Error("a good certificate was replaced")
	}
	renewed, sameCA := paths(now.Add(serverLife - renewBefore + time.Hour))
	if bytes.Equal(renewed, cert) || !bytes.Equal(sameCA, ca) {
		t.Error("not renewed before expiry, or with another CA")
	}
	more, _ := paths(now, "localhost", "new.example")
	if bytes.Equal(more, renewed) {
		t.Error("not made anew for a new host")
	}
	if _, newCA := paths(now.Add(caLife)); bytes.Equal(newCA, ca) {
		t.Error("the CA was not renewed before expiry")
	}
}

func TestReplacesDamagedFiles(t *testing.T) {
	dir := t.TempDir()
	cert, key, _, err := Ensure(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(key, []byte("not a key"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := Ensure(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := tls.LoadX509KeyPair(cert, key); err != nil {
		t.Fatal(err)
	}
}

func TestUnusableDirectory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := Ensure(filepath.Join(file, "certs")); err == nil {
		t.Fatal("no error")
	}
}

func contents(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
