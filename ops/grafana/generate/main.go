// Command generate writes ops/grafana/dashboards.
package main

import (
	"log"
	"os"
	"path/filepath"

	"github.com/gosight/gosight/ops/grafana"
)

func main() {
	for _, dashboard := range grafana.Dashboards() {
		text, err := dashboard.JSON()
		if err != nil {
			log.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join("dashboards", dashboard.Name+".json"), text, 0o644); err != nil {
			log.Fatal(err)
		}
	}
}
