package api

import (
	"errors"
	"io/fs"
	"net/http"
	"strings"
)

// contentPolicy keeps scripts to the UI's own. The replay frame is a sandboxed about:blank that inherits this
// policy: recorded pages run nothing and reach nothing, but the sources that the operator names for what they look
// like. An address in a recording would tell whoever wrote it when, and from where, it is watched.
func contentPolicy(sources []string) string {
	looks := strings.Join(append([]string{"'self'"}, sources...), " ")
	return "default-src 'self'; script-src 'self'; connect-src 'self'; object-src 'none'; " +
		"base-uri 'self'; form-action 'self'; frame-ancestors 'none'; frame-src 'self' about: blob: data:; " +
		"worker-src 'self' blob:; style-src " + looks + " 'unsafe-inline' data: blob:; img-src " + looks + " data: blob:; " +
		"font-src " + looks + " data:; media-src " + looks + " data: blob:"
}

func securityHeaders(sources []string, next http.Handler) http.Handler {
	policy := contentPolicy(sources)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("X-DNS-Prefetch-Control", "off") // links in a recording name hosts
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=(), payment=()")
		if strings.HasPrefix(r.URL.Path, base+"/") {
			h.Set("Cache-Control", "no-store")
			h.Set("Cross-Origin-Resource-Policy", "same-origin")
		}
		next.ServeHTTP(w, r)
	})
}

// pages serves the built UI. A path that is no file is a route of the application, and gets its index.html.
type pages struct {
	files http.Handler
	dist  fs.FS
	index []byte
}

func newPages(dist fs.FS) (*pages, error) {
	index, err := fs.ReadFile(dist, "index.html")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return &pages{files: http.FileServerFS(dist), dist: dist, index: index}, nil
}

func (p *pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		writeProblem(w, http.StatusMethodNotAllowed, "the UI is read with GET")
		return
	}
	if strings.HasPrefix(r.URL.Path, base) {
		writeProblem(w, http.StatusNotFound, "the API has no such operation; "+base+"/openapi.json lists them")
		return
	}
	name := strings.TrimPrefix(r.URL.Path, "/")
	if info, err := fs.Stat(p.dist, name); err == nil && !info.IsDir() && name != "index.html" {
		if strings.HasPrefix(name, "assets/") {
			// Their names change with their contents.
			w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
		}
		p.files.ServeHTTP(w, r)
		return
	}
	if strings.HasPrefix(name, "assets/") {
		// An old tab asks for a chunk of an earlier build: index.html in its place would be taken for a script.
		http.NotFound(w, r)
		return
	}
	if p.index == nil {
		http.Error(w, "The UI is not built into this binary: run \"make build\". The API answers under "+base+".",
			http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	_, _ = w.Write(p.index) // nobody is left to tell where the client went away
}
