package chserver

import "strings"

// contentType returns what ClickHouse announces for an output format.
func contentType(format string) string {
	switch f := strings.ToLower(format); {
	case strings.HasPrefix(f, "tabseparated"), strings.HasPrefix(f, "tsv"), f == "tskv":
		return "text/tab-separated-values; charset=UTF-8"
	case strings.HasPrefix(f, "csv"):
		return "text/csv; charset=UTF-8"
	case strings.Contains(f, "eachrow"), f == "jsonlines", f == "ndjson":
		return "application/x-ndjson; charset=UTF-8"
	case strings.HasPrefix(f, "json"):
		return "application/json; charset=UTF-8"
	case f == "xml":
		return "application/xml; charset=UTF-8"
	case strings.HasPrefix(f, "pretty"), f == "vertical", f == "values", f == "sql", f == "null":
		return "text/plain; charset=UTF-8"
	}
	return "application/octet-stream"
}

// joinable are the formats in which two documents one after the other are one document, so that a result can be
// sent chunk by chunk. A result in any other format is made whole in the engine's memory, under its limits.
var joinable = map[string]bool{
	"native": true, "rowbinary": true,
	"tabseparated": true, "tsv": true, "tabseparatedraw": true, "tsvraw": true, "tskv": true, "csv": true,
	"jsoneachrow": true, "jsonlines": true, "ndjson": true, "jsoncompacteachrow": true,
	"jsonstringseachrow": true, "jsoncompactstringseachrow": true,
}
