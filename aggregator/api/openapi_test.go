package api

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "write openapi.json instead of comparing with it")

// TestOpenAPI keeps the committed document, from which the UI's types are made, in step with the code.
func TestOpenAPI(t *testing.T) {
	s := &Server{cfg: Default(), metrics: newMetrics(nil)}
	doc, err := json.Marshal(s.register(http.NewServeMux()))
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if err := json.Indent(&got, doc, "", "  "); err != nil {
		t.Fatal(err)
	}
	got.WriteByte('\n')
	if *update {
		if err := os.WriteFile("openapi.json", got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile("openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Error("openapi.json is not what the code says: run \"go test ./aggregator/api -run TestOpenAPI -update\"" +
			" and \"npm run generate -w aggregator/ui\"")
	}
}
