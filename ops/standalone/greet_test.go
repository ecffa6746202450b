package standalone

import (
	"strings"
	"testing"
)

func TestGreetingSaysWhenOthersReachItWithoutTLS(t *testing.T) {
	for listen, want := range map[string]bool{"127.0.0.1": false, "localhost": false, "0.0.0.0": true, "192.0.2.1": true} {
		var out strings.Builder
		greet(&out, Ready{UI: listen + ":7721", AdminToken: "secret"}, Config{Listen: listen}, 0)
		if got := strings.Contains(out.String(), "without TLS"); got != want {
			t.Errorf("--listen %s: says so: %v, want %v\n%s", listen, got, want, out.String())
		}
	}
}
