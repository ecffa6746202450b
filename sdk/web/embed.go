// Package web carries the built files of the web SDK, gosight.js and recorder.js among them, for the agent to
// serve. Before `npm run build -w sdk/web` there is only a note in it.
package web

import (
	"embed"
	"io/fs"
)

//go:embed dist
var dist embed.FS

// Dist holds the built files by their plain names: "gosight.js", "recorder.js".
var Dist = sub()

func sub() fs.FS {
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		panic(err) // "dist" is a valid path: fs.Sub fails on nothing else
	}
	return files
}
