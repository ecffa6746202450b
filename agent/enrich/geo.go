package enrich

import (
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/oschwald/maxminddb-golang/v2"

	"github.com/gosight/gosight/internal/reload"
)

// A new database is in use within this time; databases are weeks old when they come out.
const geographyInterval = time.Minute

// geography is the database in use, which follows its file.
type geography struct {
	current atomic.Pointer[geoReader]
	files   *reload.Files
}

func openGeography(path string) (*geography, error) {
	g := &geography{}
	var err error
	g.files, err = reload.Open(func() error {
		db, err := openGeo(path)
		if err == nil {
			// The one before is unmapped by the collector, when the last lookup in it is over.
			g.current.Store(db)
		}
		return err
	}, path)
	return g, err
}

type place struct{ country, region, city string }

// geoReader reads MMDB files of both usual shapes: MaxMind's nested names, and the flat country_code of the free
// databases that npm packages carry.
type geoReader struct{ db *maxminddb.Reader }

func openGeo(path string) (*geoReader, error) {
	db, err := maxminddb.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open geography database (an MMDB file; unset geo-db to do without): %w", err)
	}
	return &geoReader{db: db}, nil
}

func (g *geoReader) Close() error { return g.db.Close() }

func (g *geoReader) lookup(addr netip.Addr) place {
	result := g.db.Lookup(addr)
	if !result.Found() {
		return place{}
	}
	return place{
		country: firstString(result, []any{"country", "iso_code"}, []any{"country_code"}),
		region:  firstString(result, []any{"subdivisions", 0, "iso_code"}, []any{"state1"}),
		city:    firstString(result, []any{"city", "names", "en"}, []any{"city"}),
	}
}

func firstString(result maxminddb.Result, paths ...[]any) string {
	for _, path := range paths {
		var s string
		if result.DecodePath(&s, path...) == nil && s != "" {
			return s
		}
	}
	return ""
}
