// Package rules reads the numbers of the signal rules from a file, and again whenever it changes:
//
//	rage: {clicks: 8}
//	projects:
//	  shop:
//	    dead: {answer_ms: 4000, deadline_ms: 4500}
//
// Keys are the json names of detect.Rules; what is left out stays as the flags have it.
package rules

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"gopkg.in/yaml.v3"

	"github.com/gosight/gosight/internal/config"
	"github.com/gosight/gosight/internal/detect"
	"github.com/gosight/gosight/internal/reload"
)

// Config says where the file is.
type Config struct {
	File           string        `help:"YAML file with numbers of the signal rules, for everybody and for single projects; followed without a restart." placeholder:"FILE"`
	ReloadInterval time.Duration `help:"How often the file is looked at." default:"5s"`
}

// Default is no file.
func Default() Config { return config.Default[Config]() }

// Validate says what is wrong with the settings.
func (c Config) Validate() error {
	if c.ReloadInterval <= 0 {
		return errors.New("rules: reload-interval must be above zero")
	}
	return nil
}

// Follower keeps a detect.Live as its file says.
type Follower struct {
	cfg    Config
	live   *detect.Live
	files  *reload.Files // nil: there is no file
	failed prometheus.Counter
	log    *slog.Logger
}

// New reads the file for the first time. It fails where the file is not there or wrong.
func New(cfg Config, live *detect.Live, reg prometheus.Registerer, log *slog.Logger) (*Follower, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	f := &Follower{cfg: cfg, live: live, log: log.With("part", "rules"),
		failed: promauto.With(reg).NewCounter(prometheus.CounterOpts{
			Name: "gosight_rules_reload_failures_total", Help: "Looks at a changed rules file that could not be used; the rules before stay in force.",
		})}
	var err error
	if cfg.File != "" {
		f.files, err = reload.Open(f.load, cfg.File)
	}
	return f, err
}

// Run follows the file until ctx ends.
func (f *Follower) Run(ctx context.Context) error {
	if f.files == nil {
		<-ctx.Done()
		return nil
	}
	f.files.Watch(ctx, f.cfg.ReloadInterval, f.failed.Inc, f.log)
	return nil
}

// load reads the file and puts it in force.
func (f *Follower) load() error {
	text, err := os.ReadFile(f.cfg.File)
	if err != nil {
		return fmt.Errorf("read rules: %w", err)
	}
	file, err := parse(text)
	if err == nil {
		err = f.live.SetFile(file)
	}
	if err != nil {
		return fmt.Errorf("rules file %s: %w", f.cfg.File, err)
	}
	return nil
}

// parse splits the file into the rules for everybody and those of projects, whose fields detect checks.
func parse(text []byte) (detect.FileRules, error) {
	var file struct {
		Projects map[string]map[string]any `yaml:"projects"`
		All      map[string]any            `yaml:",inline"`
	}
	if err := yaml.NewDecoder(bytes.NewReader(text)).Decode(&file); err != nil && !errors.Is(err, io.EOF) {
		return detect.FileRules{}, err
	}
	override := func(fields map[string]any) (detect.Override, error) {
		if len(fields) == 0 {
			return nil, nil
		}
		return json.Marshal(fields)
	}
	all, err := override(file.All)
	parsed := detect.FileRules{All: all, Projects: map[string]detect.Override{}}
	for project, fields := range file.Projects {
		if parsed.Projects[project], err = override(fields); err != nil {
			return detect.FileRules{}, fmt.Errorf("project %q: %w", project, err)
		}
	}
	return parsed, err
}
