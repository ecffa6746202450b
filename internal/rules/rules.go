// Package rules reads the numbers of the signal rules from a file, and again whenever it changes:
//
//	rage: {clicks: 8}
//	projects:
//	  shop:
//	    dead: {answer_ms: 4000, deadline_ms: 4500}
//
// Keys are the json names of detect.Rules; what is left out stays as the flags have it. It looks at the file from
// time to time and uses no notification, because those of mounted volumes (a ConfigMap's) are lost or never sent.
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
	text   []byte // as it was last looked at
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
			Name: "gosight_rules_reload_failures_total", Help: "Changed rules files that could not be used; the rules before stay in force.",
		})}
	if cfg.File == "" {
		return f, nil
	}
	_, err := f.look()
	return f, err
}

// Run follows the file until ctx ends.
func (f *Follower) Run(ctx context.Context) error {
	if f.cfg.File == "" {
		<-ctx.Done()
		return nil
	}
	tick := time.NewTicker(f.cfg.ReloadInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		changed, err := f.look()
		switch {
		case err != nil:
			f.failed.Inc()
			f.log.Error("reload rules, keeping those before", "error", err)
		case changed:
			f.log.Info("rules reloaded", "file", f.cfg.File)
		}
	}
}

// look reads the file and puts it in force where it changed. A text that was wrong is not looked at again.
func (f *Follower) look() (changed bool, err error) {
	text, err := os.ReadFile(f.cfg.File)
	if err != nil {
		return false, fmt.Errorf("read rules: %w", err)
	}
	if f.text != nil && bytes.Equal(text, f.text) {
		return false, nil
	}
	f.text = text
	file, err := parse(text)
	if err == nil {
		err = f.live.SetFile(file)
	}
	if err != nil {
		return false, fmt.Errorf("rules file %s: %w", f.cfg.File, err)
	}
	return true, nil
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
