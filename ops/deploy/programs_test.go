package deploy

import (
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/gosight/gosight/agent"
	"github.com/gosight/gosight/aggregator"
	"github.com/gosight/gosight/internal/config"
)

// envs are the variables that a program with the settings T reads.
func envs[T any](t *testing.T) []string {
	t.Helper()
	var settings T
	parser, err := kong.New(&struct {
		Config kong.ConfigFlag `env:"GOSIGHT_CONFIG"`
	}{}, append(config.Options(config.App{Name: "model"}), kong.Embed(&settings))...)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, group := range parser.Model.AllFlags(false) {
		for _, flag := range group {
			names = append(names, flag.Envs...)
		}
	}
	return names
}

// parse gives the settings that the program comes to with these arguments and variables, by its own code. Variables
// that it would not look at are an error: it ignores them silently.
func parse[T any](t *testing.T, args []string, env map[string]string) T {
	t.Helper()
	known := envs[T](t)
	for _, name := range os.Environ() {
		if name, _, _ = strings.Cut(name, "="); strings.HasPrefix(name, "GOSIGHT_") {
			t.Setenv(name, "")
			os.Unsetenv(name)
		}
	}
	for name, value := range env {
		if !strings.HasPrefix(name, "GOSIGHT_") {
			continue
		}
		if !slices.Contains(known, name) {
			t.Errorf("no setting is read from %s", name)
		}
		t.Setenv(name, value)
	}
	settings, err := config.Parse[T](config.App{Name: "program"}, args)
	if err != nil {
		t.Errorf("%v\nwith %q and %v", err, args, slices.Sorted(maps.Keys(env)))
	}
	for name := range env {
		os.Unsetenv(name) // t.Setenv puts back what was there; the next parse starts clean
	}
	return settings
}

func parseAgent(t *testing.T, args []string, env map[string]string) agent.Config {
	t.Helper()
	cfg := parse[agent.Config](t, args, env)
	// Files of the container are not here to be read.
	if err := cfg.Validate(); err != nil {
		t.Errorf("the agent would not start: %v", err)
	}
	if err := cfg.Forward.Validate(); err != nil {
		t.Errorf("the agent would not start: %v", err)
	}
	return cfg
}

func parseAggregator(t *testing.T, args []string, env map[string]string) aggregator.Config {
	t.Helper()
	cfg := parse[aggregator.Config](t, args, env)
	if err := cfg.Validate(); err != nil {
		t.Errorf("the aggregator would not start: %v", err)
	}
	receive := cfg.Receive
	receive.Addr = cfg.RelayAddr
	if err := receive.Validate(); err != nil {
		t.Errorf("the aggregator would not start: %v", err)
	}
	return cfg
}

// port is an address's port; the address must let other containers in.
func port(t *testing.T, addr string) string {
	t.Helper()
	host, port, err := net.SplitHostPort(addr)
	if err != nil || host != "0.0.0.0" {
		t.Errorf("%s: %v; want it on all of the container's addresses", addr, err)
	}
	return port
}

func TestImages(t *testing.T) {
	stages, err := ReadDockerfile(Root + "ops/docker/Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	agentImage, aggregatorImage := stages["agent"], stages["aggregator"]
	keys := map[string]string{"GOSIGHT_KEYS": "k=default"}
	maps.Copy(keys, agentImage.Env)
	a := parseAgent(t, nil, keys)
	relay := map[string]string{"GOSIGHT_RECEIVE_TOKENS_FILE": "/t", "GOSIGHT_RECEIVE_CERT_FILE": "/c",
		"GOSIGHT_RECEIVE_KEY_FILE": "/k"}
	maps.Copy(relay, aggregatorImage.Env)
	c := parseAggregator(t, nil, relay)

	// The ports are the documented ones: what listens by default listens on the same port in an image.
	sameAsDefault := func(addr, byDefault string) string {
		_, want, _ := net.SplitHostPort(byDefault)
		if port(t, addr) != want {
			t.Errorf("%s: by default the port is %s", addr, want)
		}
		return want
	}
	da, dc := agent.Default(), aggregator.Default()
	ports := map[string][]string{
		"agent": {sameAsDefault(a.GRPCAddr, da.GRPCAddr) + "/tcp", sameAsDefault(a.HTTPAddr, da.HTTPAddr) + "/tcp",
			port(t, a.HTTPAddr) + "/udp", sameAsDefault(a.AdminAddr, da.AdminAddr) + "/tcp"},
		"aggregator": {sameAsDefault(c.RelayAddr, dc.RelayAddr) + "/tcp", port(t, c.RelayAddr) + "/udp",
			sameAsDefault(c.APIAddr, dc.APIAddr) + "/tcp", sameAsDefault(c.AdminAddr, dc.AdminAddr) + "/tcp"},
	}
	admin := map[string]string{"agent": port(t, a.AdminAddr), "aggregator": port(t, c.AdminAddr)}
	for name, want := range ports {
		image := stages[name]
		if !slices.Equal(image.Expose, want) {
			t.Errorf("%s exposes %v, and listens on %v", name, image.Expose, want)
		}
		if want := []string{"/healthcheck", "127.0.0.1:" + admin[name], "/readyz"}; !slices.Equal(image.Healthcheck, want) {
			t.Errorf("%s: health check %v, want %v", name, image.Healthcheck, want)
		}
	}
	for name, program := range map[string]string{
		"agent": "agent/cmd/gosight-agent", "aggregator": "aggregator/cmd/gosight-aggregator",
		"gosight": "ops/cmd/gosight", "base": "ops/docker/healthcheck"} {
		if _, err := os.Stat(filepath.Join(Root, program, "main.go")); err != nil {
			t.Error(err)
		}
		text, _ := os.ReadFile(Root + "ops/docker/Dockerfile")
		if !strings.Contains(string(text), "./"+program+"\n") {
			t.Errorf("the Dockerfile does not build %s", program)
		}
		image := stages[name]
		if image.User != "65532:65532" {
			t.Errorf("%s runs as %q", name, image.User)
		}
		if name != "base" && (image.Base != "base" || !slices.ContainsFunc(image.Copies, func(copy string) bool {
			return strings.HasSuffix(copy, " "+image.Entrypoint[0])
		})) {
			t.Errorf("%s starts %v, which it has not", name, image.Entrypoint)
		}
	}
}

// Files that a stage copies from the context must be there.
func TestDockerfileCopiesWhatExists(t *testing.T) {
	stages, err := ReadDockerfile(Root + "ops/docker/Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	for name, stage := range stages {
		for _, copy := range stage.Copies {
			words := strings.Fields(copy)
			if strings.HasPrefix(words[0], "--from") {
				continue
			}
			for _, source := range words[:len(words)-1] {
				if _, err := os.Stat(filepath.Join(Root, source)); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
		}
	}
}
