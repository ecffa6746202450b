package deploy

import (
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

const composeFile = Root + "docker-compose.yml"

// dotenv runs ops/docker/env.sh on a copy of its folder, and gives what it wrote.
func dotenv(t *testing.T) map[string]string {
	t.Helper()
	dir := t.TempDir()
	script, err := os.ReadFile(Root + "ops/docker/env.sh")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "ops/docker"), 0o755); err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(dir, "ops/docker/env.sh")
	if err := os.WriteFile(copied, script, 0o755); err != nil {
		t.Fatal(err)
	}
	run := func() string {
		if out, err := exec.Command("sh", copied, "urls").CombinedOutput(); err != nil {
			t.Fatalf("env.sh: %v: %s", err, out)
		}
		text, err := os.ReadFile(filepath.Join(dir, ".env"))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	text := run()
	if run() != text {
		t.Error("env.sh replaced passwords that are in use")
	}
	values := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(line, "#") {
			values[name] = value
			if len(value) < 24 && name != "GOSIGHT_BIND" {
				t.Errorf("%s=%s is short", name, value)
			}
		}
	}
	return values
}

func readCompose(t *testing.T) Compose {
	t.Helper()
	values := dotenv(t)
	c, err := ReadCompose(composeFile, func(name string) string { return values[name] })
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// started is how a service of ours starts: arguments and variables, the image's under its own.
func started(t *testing.T, s Service) (args []string, env map[string]string) {
	t.Helper()
	stages, err := ReadDockerfile(Root + s.Build.Dockerfile)
	if err != nil {
		t.Fatal(err)
	}
	env = maps.Clone(stages[s.Build.Target].Env)
	maps.Copy(env, s.Environment)
	return s.Command, env
}

func TestComposeServices(t *testing.T) {
	c := readCompose(t)
	for name, s := range c.Services {
		tag := path.Base(s.Image)
		if _, version, ok := strings.Cut(tag, ":"); !ok || version == "latest" {
			t.Errorf("%s: image %s is not pinned", name, s.Image)
		}
		if l := s.Deploy.Resources.Limits; l.CPUs == "" || l.Memory == "" {
			t.Errorf("%s: no limits", name)
		}
		if len(s.Healthcheck.Test) == 0 && name != "certs" {
			t.Errorf("%s: no health check", name)
		}
		if strings.HasPrefix(s.Image, "gosight/") && (!s.ReadOnly || s.User != "65532:65532" ||
			!slices.Equal(s.CapDrop, []string{"ALL"}) || !slices.Contains(s.SecurityOpt, "no-new-privileges:true")) {
			t.Errorf("%s may do more than it needs: %+v", name, s)
		}
		for dependency := range s.DependsOn {
			if _, ok := c.Services[dependency]; !ok {
				t.Errorf("%s depends on %s, which is not there", name, dependency)
			}
		}
		for _, network := range s.Networks {
			if _, ok := c.Networks[network]; !ok {
				t.Errorf("%s: network %s is not declared", name, network)
			}
		}
		for _, volume := range s.Volumes {
			source, _, _ := strings.Cut(volume, ":")
			if strings.HasPrefix(source, "./") {
				if _, err := os.Stat(filepath.Join(Root, source)); err != nil {
					t.Errorf("%s mounts %v", name, err)
				}
			} else if _, ok := c.Volumes[source]; !ok {
				t.Errorf("%s: volume %s is not declared", name, source)
			}
		}
	}
}

func TestComposePublishesPortsOfTheImages(t *testing.T) {
	stages, err := ReadDockerfile(Root + "ops/docker/Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	hostPorts := map[string]string{}
	for name, s := range readCompose(t).Services {
		for _, published := range s.Ports {
			parts := strings.Split(published, ":")
			if len(parts) != 3 || parts[0] != "127.0.0.1" {
				t.Errorf("%s: %s is published to other machines by default", name, published)
				continue
			}
			if other := hostPorts[parts[1]]; other != "" {
				t.Errorf("%s and %s want host port %s", name, other, parts[1])
			}
			hostPorts[parts[1]] = name
			if s.Build.Target != "" && !slices.Contains(stages[s.Build.Target].Expose, parts[2]) {
				t.Errorf("%s publishes %s, which its image does not expose", name, parts[2])
			}
		}
	}
}

func TestComposeAgentsAndAggregatorsFitTogether(t *testing.T) {
	c := readCompose(t)
	certs := c.Services["certs"]
	made := map[string]string{} // volume → folder below /secrets
	for _, v := range certs.Volumes {
		volume, folder, _ := strings.Cut(v, ":")
		made[volume] = strings.TrimPrefix(folder, "/secrets/")
	}
	stages, err := ReadDockerfile(Root + certs.Build.Dockerfile)
	if err != nil {
		t.Fatal(err)
	}
	text, _ := os.ReadFile(Root + certs.Build.Dockerfile)
	hosts, agents := option(certs.Command, "--hosts"), option(certs.Command, "--agents")
	for _, folder := range made {
		// A volume takes its owner from the image; a folder that is not there would be root's.
		if !strings.Contains(string(text), "/empty/secrets/"+folder) || len(stages["gosight"].Copies) < 2 {
			t.Errorf("the image gosight has no folder /secrets/%s for certs to write to", folder)
		}
	}
	relays := map[string]bool{}
	for name, s := range c.Services {
		if s.Build.Target != "aggregator" {
			continue
		}
		args, env := started(t, s)
		cfg := parseAggregator(t, args, env)
		relays[name+":"+port(t, cfg.RelayAddr)] = true
		if !slices.Contains(hosts, name) {
			t.Errorf("the certificate is not valid for %s", name)
		}
		for _, file := range []string{cfg.Receive.CertFile, cfg.Receive.KeyFile, cfg.Receive.TokensFile} {
			base := path.Base(file)
			if !slices.Contains([]string{"server.pem", "server.key", "tokens"}, base) ||
				made[mounted(s, path.Dir(file))] != "aggregator" {
				t.Errorf("%s reads %s, which certs does not make", name, file)
			}
		}
		for _, broker := range cfg.Kafka.Brokers {
			kafka := c.Services["kafka"].Environment
			if broker != strings.TrimPrefix(kafka["KAFKA_ADVERTISED_LISTENERS"], "PLAINTEXT://") {
				t.Errorf("%s: Kafka does not call itself %s", name, broker)
			}
		}
		clickhouse, _ := url.Parse(cfg.ClickHouse.URL)
		engine := c.Services["clickhouse"]
		if clickhouse.Host != "clickhouse:8123" || cfg.ClickHouse.User != engine.Environment["CLICKHOUSE_USER"] ||
			cfg.ClickHouse.Password != engine.Environment["CLICKHOUSE_PASSWORD"] || cfg.ClickHouse.Password == "" {
			t.Errorf("%s: %s as %s is not the service clickhouse", name, cfg.ClickHouse.URL, cfg.ClickHouse.User)
		}
		checkHealth(t, name, s, port(t, cfg.AdminAddr))
	}
	regions, key := map[string]bool{}, c.Services["demo"].Environment["GOSIGHT_KEY"]
	for name, s := range c.Services {
		if s.Build.Target != "agent" {
			continue
		}
		args, env := started(t, s)
		cfg := parseAgent(t, args, env)
		regions[cfg.Region] = true
		for _, aggregator := range cfg.Forward.Aggregators {
			if !relays[aggregator] {
				t.Errorf("%s: %s is no aggregator", name, aggregator)
			}
		}
		if len(cfg.Forward.Aggregators) != len(relays) || !slices.Contains(agents, cfg.ID) {
			t.Errorf("%s: id %s, aggregators %v", name, cfg.ID, cfg.Forward.Aggregators)
		}
		for _, file := range []string{cfg.Forward.CAFile, cfg.Forward.TokenFile} {
			if !slices.Contains([]string{"ca.pem", "token"}, path.Base(file)) || made[mounted(s, path.Dir(file))] != cfg.ID {
				t.Errorf("%s reads %s, which certs does not make for it", name, file)
			}
		}
		if mounted(s, cfg.DataDir) == "" {
			t.Errorf("%s: its queue in %s is on no volume", name, cfg.DataDir)
		}
		if cfg.Keys[key] != "default" {
			t.Errorf("%s does not know the demo shop's key", name)
		}
		checkHealth(t, name, s, port(t, cfg.AdminAddr))
	}
	if len(relays) < 2 || len(regions) < 2 {
		t.Errorf("aggregators %v, regions %v: want two of each", relays, regions)
	}
}

// option is the values of --name=a,b among args.
func option(args []string, name string) []string {
	for _, arg := range args {
		if value, ok := strings.CutPrefix(arg, name+"="); ok {
			return strings.Split(value, ",")
		}
	}
	return nil
}

// mounted is the volume that is mounted at dir.
func mounted(s Service, dir string) string {
	for _, v := range s.Volumes {
		if parts := strings.Split(v, ":"); parts[1] == dir {
			return parts[0]
		}
	}
	return ""
}

func checkHealth(t *testing.T, name string, s Service, port string) {
	t.Helper()
	if want := []string{"CMD", "/healthcheck", "127.0.0.1:" + port, "/readyz"}; !slices.Equal(s.Healthcheck.Test, want) {
		t.Errorf("%s: health check %v, want %v", name, s.Healthcheck.Test, want)
	}
}

func TestEnvironmentFileHasWhatComposeWants(t *testing.T) {
	wanted, err := Variables(composeFile)
	if err != nil {
		t.Fatal(err)
	}
	example, err := os.ReadFile(Root + "ops/docker/env.example")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range wanted {
		if !regexp.MustCompile(`(?m)^` + name + `=`).Match(example) {
			t.Errorf("%s is not in env.example", name)
		}
	}
	// Whatever looks like a secret must come from there.
	text, err := os.ReadFile(composeFile)
	if err != nil {
		t.Fatal(err)
	}
	secret := regexp.MustCompile(`(?i)^\s*\w*(PASSWORD|TOKEN|SECRET|_KEYS?):\s*(.*)$`)
	for line := range strings.Lines(string(text)) {
		if match := secret.FindStringSubmatch(strings.TrimRight(line, "\n")); match != nil && !strings.HasPrefix(match[2], "${") {
			t.Errorf("a secret in docker-compose.yml: %s", line)
		}
	}
	ignored, err := os.ReadFile(Root + ".gitignore")
	if err != nil || !strings.Contains(string(ignored), "\n.env\n") {
		t.Errorf(".env could be committed: %v", err)
	}
}

func TestPrometheusScrapesTheAdminPorts(t *testing.T) {
	var file struct {
		RuleFiles     []string `yaml:"rule_files"`
		ScrapeConfigs []struct {
			JobName       string                       `yaml:"job_name"`
			StaticConfigs []struct{ Targets []string } `yaml:"static_configs"`
		} `yaml:"scrape_configs"`
	}
	text, err := os.ReadFile(Root + "ops/prometheus/prometheus.yml")
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	for _, rules := range file.RuleFiles {
		if _, err := os.Stat(Root + "ops/prometheus/" + rules); err != nil {
			t.Error(err)
		}
	}
	var scraped []string
	for _, job := range file.ScrapeConfigs {
		if job.JobName == "prometheus" {
			continue
		}
		for _, static := range job.StaticConfigs {
			for _, target := range static.Targets {
				scraped = append(scraped, job.JobName+" "+target)
			}
		}
	}
	var want []string
	for name, s := range readCompose(t).Services {
		switch s.Build.Target {
		case "agent":
			args, env := started(t, s)
			want = append(want, "gosight-agent "+net.JoinHostPort(name, port(t, parseAgent(t, args, env).AdminAddr)))
		case "aggregator":
			args, env := started(t, s)
			want = append(want, "gosight-aggregator "+net.JoinHostPort(name, port(t, parseAggregator(t, args, env).AdminAddr)))
		}
	}
	slices.Sort(scraped)
	slices.Sort(want)
	if !slices.Equal(scraped, want) {
		t.Errorf("scraped are %v, want %v", scraped, want)
	}
}

// What is tested against and what is deployed are the same ClickHouse.
func TestComposeHasTheEngineThatTestsRunOn(t *testing.T) {
	var engines struct{ OptionalDependencies map[string]string }
	text, err := os.ReadFile(Root + "ops/engines/package.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &engines); err != nil {
		t.Fatal(err)
	}
	_, tag, _ := strings.Cut(readCompose(t).Services["clickhouse"].Image, ":")
	for library, version := range engines.OptionalDependencies {
		if strings.HasPrefix(library, "@chdb/") && !strings.HasPrefix(version, tag+".") {
			t.Errorf("docker-compose.yml has ClickHouse %s, tests run on %s", tag, fmt.Sprint(library, " ", version))
		}
	}
}
