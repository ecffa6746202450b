package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
)

// imageLimit is what an agent's image may take: it is pulled on every node.
const imageLimit = 25_000_000

// No image can be built here, so what goes into the agent's is built as its Dockerfile does, for both platforms.
func TestAgentFitsItsImage(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles everything for two platforms")
	}
	for _, arch := range []string{"amd64", "arm64"} {
		total := int64(0)
		for _, program := range []string{"agent/cmd/gosight-agent", "ops/docker/healthcheck"} {
			binary := filepath.Join(t.TempDir(), filepath.Base(program))
			build := exec.Command("go", "build", "-trimpath", "-tags", "grpcnotrace", "-ldflags", "-s -w", "-o", binary, "./"+program)
			build.Dir = Root
			build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch)
			if out, err := build.CombinedOutput(); err != nil {
				t.Fatalf("%s for %s: %v\n%s", program, arch, err, out)
			}
			info, err := os.Stat(binary)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%s for %s: %d bytes", program, arch, info.Size())
			total += info.Size()
		}
		if total > imageLimit {
			t.Errorf("the agent's image for %s has %d bytes of programs, the limit is %d", arch, total, imageLimit)
		}
	}
}

// The centre compiles for arm64 too; linking it would show no more.
func TestCentreCompilesForARM(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles everything for another platform")
	}
	build := exec.Command("go", "build", "./aggregator/cmd/gosight-aggregator", "./ops/cmd/gosight")
	build.Dir = Root
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=arm64")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// compose itself is not here; its own loader holds the file against the specification.
func TestComposeFollowsItsSpecification(t *testing.T) {
	env := types.Mapping{}
	for _, name := range []string{"CLICKHOUSE_PASSWORD", "CLICKHOUSE_GRAFANA_PASSWORD", "GOSIGHT_ADMIN_TOKEN",
		"GOSIGHT_PROJECT_KEY", "GRAFANA_ADMIN_PASSWORD", "GOSIGHT_FLEET_KEY"} {
		env[name] = "secret"
	}
	project, err := loader.LoadWithContext(t.Context(), types.ConfigDetails{
		WorkingDir: Root, Environment: env, ConfigFiles: []types.ConfigFile{{Filename: Root + "docker-compose.yml"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(project.Services) < 10 {
		t.Errorf("only %d services", len(project.Services))
	}
}
