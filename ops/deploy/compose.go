// Package deploy reads what GoSight is deployed with (docker-compose.yml, the Dockerfile, the Helm chart, the
// dashboards) so that tests can hold it against the programs: flags, variables, ports, metrics and tables that are
// named there must exist here.
package deploy

import (
	"fmt"
	"os"
	"regexp"
	"strings"

	"gopkg.in/yaml.v3"
)

// Root is the root of the tree, seen from a package two levels below it.
const Root = "../../"

// Compose is what tests look at in docker-compose.yml, anchors and variables resolved.
type Compose struct {
	Services map[string]Service
	Networks map[string]any
	Volumes  map[string]any
}

// Service is one of its services. Maps that compose also takes as lists are maps here.
type Service struct {
	Image       string
	Build       struct{ Dockerfile, Target, Context string }
	Command     []string
	Environment map[string]string
	Ports       []string
	Volumes     []string
	Networks    []string
	NetworkMode string                                `yaml:"network_mode"`
	DependsOn   map[string]struct{ Condition string } `yaml:"depends_on"`
	Healthcheck struct{ Test []string }
	User        string
	ReadOnly    bool `yaml:"read_only"`
	Restart     string
	CapDrop     []string `yaml:"cap_drop"`
	SecurityOpt []string `yaml:"security_opt"`
	Deploy      struct {
		Resources struct {
			Limits struct{ CPUs, Memory string }
		}
	}
}

var variable = regexp.MustCompile(`\$\{([A-Z_]+)(?::([-?])([^}]*))?\}`)

// ReadCompose reads the file; lookup gives .env's variables. One that has neither a value nor a default is an error,
// as compose says it.
func ReadCompose(path string, lookup func(name string) string) (Compose, error) {
	var c Compose
	text, err := os.ReadFile(path)
	if err != nil {
		return c, err
	}
	var missing error
	resolved := variable.ReplaceAllStringFunc(string(text), func(match string) string {
		part := variable.FindStringSubmatch(match)
		value := lookup(part[1])
		switch {
		case value != "":
			return value
		case part[2] == "-":
			return part[3]
		}
		missing = fmt.Errorf("%s: no %s: %s", path, part[1], part[3])
		return ""
	})
	if missing != nil {
		return c, missing
	}
	if strings.Contains(resolved, "$") {
		return c, fmt.Errorf("%s: a $ is left: a variable is written in a way that is not checked", path)
	}
	return c, yaml.Unmarshal([]byte(resolved), &c)
}

// Variables are the names that the file wants from .env.
func Variables(path string) ([]string, error) {
	text, err := os.ReadFile(path)
	var names []string
	for _, match := range variable.FindAllStringSubmatch(string(text), -1) {
		names = append(names, match[1])
	}
	return names, err
}

// Target is one of the Dockerfile's images: what it says by itself and what it has from its base.
type Target struct {
	Base        string
	Env         map[string]string
	Expose      []string // "7711/tcp"
	Entrypoint  []string
	Healthcheck []string
	User        string
	Copies      []string // "--from=… /out/x /x"
}

// ReadDockerfile reads the stages of a Dockerfile by name.
func ReadDockerfile(path string) (map[string]Target, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	stages, name := map[string]Target{}, ""
	lines := strings.ReplaceAll(string(text), "\\\n", " ")
	for line := range strings.Lines(lines) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		stage := stages[name]
		switch word {
		case "FROM":
			fields := strings.Fields(rest)
			if strings.HasPrefix(fields[0], "--") {
				fields = fields[1:]
			}
			if len(fields) != 3 || fields[1] != "AS" {
				return nil, fmt.Errorf("%s: %q has no name", path, line)
			}
			base := stages[fields[0]]
			name, stage = fields[2], Target{Base: fields[0], Env: map[string]string{}, User: base.User}
		case "ENV":
			for _, pair := range strings.Fields(rest) {
				key, value, _ := strings.Cut(pair, "=")
				stage.Env[key] = value
			}
		case "EXPOSE":
			stage.Expose = append(stage.Expose, strings.Fields(rest)...)
		case "USER":
			stage.User = rest
		case "COPY":
			stage.Copies = append(stage.Copies, rest)
		case "ENTRYPOINT":
			err = yaml.Unmarshal([]byte(rest), &stage.Entrypoint)
		case "HEALTHCHECK":
			_, command, _ := strings.Cut(rest, "CMD ")
			err = yaml.Unmarshal([]byte(command), &stage.Healthcheck)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %q: %w", path, line, err)
		}
		if name != "" {
			stages[name] = stage
		}
	}
	return stages, nil
}
