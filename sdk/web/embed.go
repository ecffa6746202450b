// Package web carries the built files of the web SDK, gosight.js and recorder.js among them, for the agent to
// serve. Before `npm run build -w sdk/web` there is only a note in it.
package web

import (
	"embed"
	"io/fs"
)

// What ends in ".js" or is the note: neither modules and types, which are for bundlers, nor an error before a build,
// as "dist/*.js" alone would be.
//
//go:embed dist/*[.D][jM][sE]
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
