// Package reload follows files that are replaced while a program runs: certificates, keys, tokens, rules. It looks at
// them from time to time and uses no notification, because those of mounted volumes (a ConfigMap's) are lost or never
// sent.
package reload

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"
)

// Files are files that are loaded together.
type Files struct {
	load  func() error
	paths []string
	seen  string // the versions that are loaded, or newer ones
}

// Open loads for the first time. Empty paths are none.
func Open(load func() error, paths ...string) (*Files, error) {
	f := &Files{load: load, paths: paths}
	f.seen = f.versions()
	return f, load()
}

// Watch loads again each time that one of the files is another than before, until ctx ends. Files that do not load
// (a certificate whose key comes a moment later) are counted by failed, and loaded again at the next look; what load
// had before stays in use until then.
func (f *Files) Watch(ctx context.Context, every time.Duration, failed func(), log *slog.Logger) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now := f.versions()
		if now == f.seen {
			continue
		}
		if err := f.load(); err != nil {
			failed()
			log.Error("reload files, keeping what was in use", "error", err)
			continue
		}
		f.seen = now
		log.Info("files reloaded", "files", strings.Join(f.paths, " "))
	}
}

// versions names the present version of all files.
func (f *Files) versions() string {
	var b strings.Builder
	for _, path := range f.paths {
		if info, err := os.Stat(path); path != "" && err == nil {
			fmt.Fprintln(&b, path, info.ModTime().UnixNano(), info.Size())
		}
	}
	return b.String()
}
