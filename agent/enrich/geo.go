package enrich

import (
	"fmt"
	"net/netip"

	"github.com/oschwald/maxminddb-golang/v2"
)

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
