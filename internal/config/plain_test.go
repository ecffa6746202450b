package config

import (
	"strings"
	"testing"
)

func TestOnlyLoopbackIsPlain(t *testing.T) {
	for addr, refused := range map[string]bool{
		"127.0.0.1:7710": false,
		"127.8.8.8:0":    false,
		"[::1]:7710":     false,
		"localhost:7710": false,

		"0.0.0.0:7710":         true,
		"[::]:7710":            true,
		":7710":                true,
		"203.0.113.7:7710":     true,
		"10.0.0.1:7710":        true, // a private network is a network
		"[2001:db8::1]:7710":   true,
		"gosight.example:7710": true,
		"7710":                 true, // no address at all
	} {
		err := RefusePlain(Port{"grpc-addr", addr, "set a certificate"})
		if (err != nil) != refused {
			t.Errorf("%s: %v, want refused: %v", addr, err, refused)
		}
		if err != nil && !strings.Contains(err.Error(), "grpc-addr") {
			t.Errorf("%s: %q does not name the setting", addr, err)
		}
	}
}
