// Package imports holds the test of the import rules: which part of GoSight may know which.
package imports

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/gosight/gosight/"

type pkg struct {
	ImportPath string
	Imports    []string
	Deps       []string
}

func list(t *testing.T, args ...string) []pkg {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-json=ImportPath,Imports,Deps"}, args...)...)
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var packages []pkg
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
}

// Each part of the tree, the most special first, and the parts of the module that it may import.
var rules = []struct {
	part string
	may  []string
}{
	{"internal/detect", []string{"proto/gen", "internal/config"}},
	{"internal/", []string{"proto/", "internal/"}},
	{"agent", []string{"agent", "proto/", "internal/", "sdk/web"}},
	{"aggregator", []string{"aggregator", "proto/", "internal/"}},
	{"sdk/web", nil},
	{"benchmarks", []string{"benchmarks", "proto/", "sdk/go", "internal/"}},
	{"ops/", []string{""}},
}

func TestEachPartImportsOnlyWhatItMay(t *testing.T) {
	for _, p := range list(t, "./...") {
		local := strings.TrimPrefix(p.ImportPath, module)
		rule := slices.IndexFunc(rules, func(r struct {
			part string
			may  []string
		}) bool {
			return strings.HasPrefix(local, r.part)
		})
		if rule < 0 {
			t.Errorf("%s is in no part that the rules know", local)
			continue
		}
		for _, name := range p.Imports {
			imported, ours := strings.CutPrefix(name, module)
			if ours && !slices.ContainsFunc(rules[rule].may, func(may string) bool { return strings.HasPrefix(imported, may) }) {
				t.Errorf("%s imports %s: %s may import only %v", local, imported, rules[rule].part, rules[rule].may)
			}
		}
	}
}

// A library that stands for one job is used in the one place that has that job.
func TestLibrariesStayInTheirPlace(t *testing.T) {
	places := map[string][]string{
		"github.com/twmb/franz-go":        {"aggregator/bus", "ops/"},
		"github.com/ClickHouse/":          {"aggregator/store", "ops/"},
		"go.etcd.io/bbolt":                {"agent/queue", "ops/"},
		"github.com/hashicorp/memberlist": {"internal/fleet"},
		"github.com/pierrec/lz4":          {"ops/engines"}, // and proto/wire, a module of its own
		"github.com/ebitengine/purego":    {"ops/engines"},
		"github.com/danielgtaylor/huma":   {"aggregator/api"},
		"github.com/coreos/go-oidc":       {"aggregator/api"},
		"golang.org/x/oauth2":             {"aggregator/api"},
	}
	for _, p := range list(t, "./...") {
		local := strings.TrimPrefix(p.ImportPath, module)
		for _, name := range p.Imports {
			for library, allowed := range places {
				if strings.HasPrefix(name, library) && !slices.ContainsFunc(allowed, func(place string) bool { return strings.HasPrefix(local, place) }) {
					t.Errorf("%s imports %s, which belongs in %v", local, name, allowed)
				}
			}
		}
	}
}

func TestAgentLinksNothingOfTheCentre(t *testing.T) {
	for _, p := range list(t, "./agent/cmd/gosight-agent") {
		for _, dep := range p.Deps {
			for _, foreign := range []string{"twmb/franz-go", "ClickHouse/", module + "aggregator", module + "ops"} {
				if strings.Contains(dep, foreign) {
					t.Errorf("the agent links %s", dep)
				}
			}
		}
	}
}

func TestNoPackageIsCalledAfterNothing(t *testing.T) {
	for _, p := range list(t, "./...") {
		for _, element := range strings.Split(strings.TrimPrefix(p.ImportPath, module), "/") {
			if slices.Contains([]string{"util", "utils", "common", "helpers", "helper", "pkg", "misc", "manager"}, element) {
				t.Errorf("%s: %q says nothing of what is in it", p.ImportPath, element)
			}
		}
	}
}
