// Package demo is the shop that `gosight up --demo` shows: a small site that carries the SDK, with faults on purpose
// that make signals, and a few recorded visits to fill the first screen.
package demo

import (
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"path"
)

//go:embed shop
var shopFiles embed.FS

// Shop serves the demo shop, its pages carrying the SDK of the agent at agentURL (http://host:port) with a project
// key; where that host is a wildcard, it is the name under which the visitor reached the shop. All its routes are
// one page: the shop's script draws them.
func Shop(agentURL, key string) (http.Handler, error) {
	agent, err := url.Parse(agentURL)
	if err != nil {
		return nil, fmt.Errorf("the agent's URL: %w", err)
	}
	files, err := fs.Sub(shopFiles, "shop")
	if err != nil {
		return nil, err
	}
	page, err := template.ParseFS(files, "index.html")
	if err != nil {
		return nil, fmt.Errorf("parse the shop's page: %w", err)
	}
	mux := http.NewServeMux()
	static := http.FileServerFS(files)
	mux.HandleFunc("GET /api/stock/{slug}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(map[string]int{"stock": 3 + len(r.PathValue("slug"))%7})
	})
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-cache")
		if ext := path.Ext(r.URL.Path); ext == ".js" || ext == ".css" {
			static.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		page.Execute(w, map[string]string{"Agent": reachable(agent, r.Host), "Key": key})
	})
	return mux, nil
}

func reachable(agent *url.URL, host string) string {
	if ip := net.ParseIP(agent.Hostname()); ip == nil || !ip.IsUnspecified() {
		return agent.String()
	}
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	there := *agent
	there.Host = net.JoinHostPort(host, agent.Port())
	return there.String()
}
