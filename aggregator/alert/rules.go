package alert

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/gosight/gosight/aggregator/store"
)

// Rule is one entry of the rules' file.
type Rule struct {
	// Name tells the rule from the others of its project; renaming it forgets what it has sent.
	Name    string `yaml:"name"`
	Project string `yaml:"project"`
	// Kind is the signals' kind, as rage_click.
	Kind string `yaml:"kind"`
	// Page is what the URL begins with, or its path where it begins with "/". Selector is the element, exactly.
	Page     string `yaml:"page"`
	Selector string `yaml:"selector"`
	// The alert is due when Count signals stand within Window, and then not again for Cooldown.
	Count    uint64        `yaml:"count"`
	Window   time.Duration `yaml:"window"`
	Cooldown time.Duration `yaml:"cooldown"`
	Webhook  string        `yaml:"webhook"`
	// SecretEnv names the environment variable with the key that signs what is posted.
	SecretEnv string `yaml:"secret_env"`

	secret []byte
}

const (
	maxRules    = 200 // each costs a query at every evaluation
	maxWindow   = 24 * time.Hour
	maxCooldown = 30 * 24 * time.Hour
)

var kinds = []string{"rage_click", "dead_click", "unresponsive_click", "error_click", "thrashed_cursor", "quick_back",
	"u_turn", "excessive_scroll"}

// Load reads a rules' file. The error names each rule that is wrong, and what it needs.
func Load(path string) ([]Rule, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read alert rules: %w", err)
	}
	rules, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("alert rules %s: %w", path, err)
	}
	return rules, nil
}

func parse(text []byte) ([]Rule, error) {
	var file struct {
		Rules []Rule `yaml:"rules"`
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&file); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if len(file.Rules) == 0 {
		return nil, errors.New("no rules: the file needs a list under the key rules")
	}
	if len(file.Rules) > maxRules {
		return nil, fmt.Errorf("%d rules; at most %d", len(file.Rules), maxRules)
	}
	var errs []error
	seen := map[[2]string]bool{}
	for i := range file.Rules {
		rule := &file.Rules[i]
		if rule.Project == "" {
			rule.Project = "default"
		}
		if rule.Cooldown == 0 {
			rule.Cooldown = rule.Window
		}
		label := fmt.Sprintf("rule %d", i+1)
		if rule.Name != "" {
			label = fmt.Sprintf("rule %q", rule.Name)
		}
		wrong := rule.problems()
		if key := [2]string{rule.Project, rule.Name}; rule.Name != "" && seen[key] {
			wrong = append(wrong, "its project has another rule of this name")
		} else {
			seen[key] = true
		}
		for _, problem := range wrong {
			errs = append(errs, fmt.Errorf("%s: %s", label, problem))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return file.Rules, nil
}

func (r *Rule) problems() (wrong []string) {
	say := func(bad bool, problem string) {
		if bad {
			wrong = append(wrong, problem)
		}
	}
	say(r.Name == "", "name is missing")
	say(!slices.Contains(kinds, r.Kind), fmt.Sprintf("kind %q: one of %s", r.Kind, strings.Join(kinds, ", ")))
	say(r.Count == 0, "count must be above zero")
	say(r.Window < time.Second || r.Window > maxWindow, "window must be from 1s to 24h, as 10m")
	say(r.Cooldown < r.Window || r.Cooldown > maxCooldown,
		"cooldown must be from the window's length to 720h: a signal must not alert twice")
	if err := webAddress(r.Webhook); err != nil {
		wrong = append(wrong, "webhook: "+err.Error())
	}
	if r.SecretEnv != "" {
		r.secret = []byte(os.Getenv(r.SecretEnv))
		say(len(r.secret) == 0, fmt.Sprintf("secret_env: the environment variable %s is empty", r.SecretEnv))
	}
	return wrong
}

func webAddress(text string) error {
	u, err := url.Parse(text)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return fmt.Errorf("%q is no http:// or https:// address", text)
	}
	return nil
}

// filter is which signals count at a time.
func (r *Rule) filter(now time.Time) store.AlertFilter {
	return store.AlertFilter{Kind: r.Kind, Page: r.Page, Selector: r.Selector,
		From: now.Add(-r.Window).UnixMilli(), To: now.UnixMilli() + 1}
}
