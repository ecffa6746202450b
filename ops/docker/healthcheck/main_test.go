package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/readyz" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	addr := strings.TrimPrefix(server.URL, "http://")
	if err := check(addr, "/readyz"); err != nil {
		t.Error(err)
	}
	if err := check(addr, "/draining"); err == nil {
		t.Error("a part that is not ready was taken for ready")
	}
	server.Close()
	if err := check(addr, "/readyz"); err == nil {
		t.Error("a part that does not listen was taken for ready")
	}
}
