// Package ui carries the built single-page application. dist is made by "npm run build -w aggregator/ui"; a
// checkout that was not built yet has only its robots.txt, and the server says so.
package ui

import (
	"embed"
	"io/fs"
)

//go:embed all:dist
var files embed.FS

// Dist is the root of the built files: index.html, assets/….
var Dist = mustSub(files, "dist")

func mustSub(fsys fs.FS, dir string) fs.FS {
	sub, err := fs.Sub(fsys, dir)
	if err != nil {
		panic(err) // the directory's name is a constant
	}
	return sub
}
