// Package devcert makes a certificate authority and certificates for development, tests and a first try: what a
// real installation gets from its own authority.
package devcert

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"
)

const (
	caLife     = 10 * 365 * 24 * time.Hour
	serverLife = 90 * 24 * time.Hour
	// A certificate is made anew when less than this is left of it.
	renewBefore = 30 * 24 * time.Hour
	// Clocks of two machines differ.
	clockSkew = time.Hour

	caFileName   = "ca.pem"
	caKeyName    = "ca.key"
	certFileName = "server.pem"
	keyFileName  = "server.key"
)

// Ensure leaves in dir a CA (ca.pem, ca.key) and a certificate of it that is valid for hosts (names or addresses;
// localhost and the loopback addresses without any) as server and as client (server.pem, server.key), and returns
// the paths. What is there and good is kept, so that clients which know the CA keep working; what expires within
// 30 days or lacks a host is made anew. Keys are readable by their owner only.
func Ensure(dir string, hosts ...string) (certFile, keyFile, caFile string, err error) {
	return ensure(dir, time.Now(), hosts)
}

func ensure(dir string, now time.Time, hosts []string) (certFile, keyFile, caFile string, err error) {
	if len(hosts) == 0 {
		hosts = []string{"localhost", "127.0.0.1", "::1"}
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", "", "", fmt.Errorf("create certificate directory: %w", err)
	}
	certFile, keyFile = filepath.Join(dir, certFileName), filepath.Join(dir, keyFileName)
	caFile = filepath.Join(dir, caFileName)

	ca, caKey, err := load(caFile, filepath.Join(dir, caKeyName))
	if err != nil {
		return "", "", "", err
	}
	if ca == nil || ca.NotAfter.Before(now.Add(renewBefore)) {
		ca, caKey, err = issue(&x509.Certificate{
			Subject:               pkix.Name{CommonName: "GoSight development CA"},
			NotBefore:             now.Add(-clockSkew),
			NotAfter:              now.Add(caLife),
			IsCA:                  true,
			BasicConstraintsValid: true,
			MaxPathLenZero:        true,
			KeyUsage:              x509.KeyUsageCertSign,
		}, nil, nil, caFile, filepath.Join(dir, caKeyName))
		if err != nil {
			return "", "", "", err
		}
	}

	cert, _, err := load(certFile, keyFile)
	if err != nil {
		return "", "", "", err
	}
	if cert != nil && serves(cert, ca, hosts, now) {
		return certFile, keyFile, caFile, nil
	}
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: hosts[0]},
		NotBefore:   now.Add(-clockSkew),
		NotAfter:    now.Add(serverLife),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	if _, _, err := issue(template, ca, caKey, certFile, keyFile); err != nil {
		return "", "", "", err
	}
	return certFile, keyFile, caFile, nil
}

// serves says whether cert is of ca, lasts, and covers all hosts.
func serves(cert, ca *x509.Certificate, hosts []string, now time.Time) bool {
	missing := func(host string) bool { return cert.VerifyHostname(host) != nil }
	return cert.CheckSignatureFrom(ca) == nil && cert.NotAfter.After(now.Add(renewBefore)) &&
		!slices.ContainsFunc(hosts, missing)
}

// load returns nil, and no error, where one of the files is missing or is not what this package writes: then both
// are written anew.
func load(certFile, keyFile string) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	var blocks [2][]byte
	for i, path := range []string{certFile, keyFile} {
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil, nil
		}
		if err != nil {
			return nil, nil, fmt.Errorf("read certificate: %w", err)
		}
		block, _ := pem.Decode(text)
		if block == nil {
			return nil, nil, nil
		}
		blocks[i] = block.Bytes
	}
	cert, certErr := x509.ParseCertificate(blocks[0])
	key, keyErr := x509.ParseECPrivateKey(blocks[1])
	if certErr != nil || keyErr != nil || !key.PublicKey.Equal(cert.PublicKey) {
		return nil, nil, nil
	}
	return cert, key, nil
}

// issue makes a key and a certificate, signed by parent (by itself without one), and writes both.
func issue(template, parent *x509.Certificate, parentKey *ecdsa.PrivateKey, certFile, keyFile string) (
	*x509.Certificate, *ecdsa.PrivateKey, error,
) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make key: %w", err)
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127)); err != nil {
		return nil, nil, fmt.Errorf("make serial number: %w", err)
	}
	if parent == nil {
		parent, parentKey = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey)
	if err != nil {
		return nil, nil, fmt.Errorf("sign certificate: %w", err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, nil, fmt.Errorf("encode key: %w", err)
	}
	if err := write(keyFile, "EC PRIVATE KEY", keyDER, 0o600); err != nil {
		return nil, nil, err
	}
	if err := write(certFile, "CERTIFICATE", der, 0o644); err != nil {
		return nil, nil, err
	}
	cert, err := x509.ParseCertificate(der)
	return cert, key, err
}

// write replaces a file as a whole: a server that reloads certificates must not see half of one.
func write(path, kind string, der []byte, mode fs.FileMode) error {
	text := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	if err := os.WriteFile(path+".new", text, mode); err != nil {
		return fmt.Errorf("write %s: %w", kind, err)
	}
	if err := os.Chmod(path+".new", mode); err != nil {
		return fmt.Errorf("write %s: %w", kind, err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("write %s: %w", kind, err)
	}
	return nil
}
