package detect

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
)

// Live is the configuration that engines work by. Its rules may change while they do: each engine takes over what
// is in force at its next call. It is safe for concurrent use.
//
// A project's rules are those of the configuration, then those of the file for everybody, then the project's own:
// of the configuration, of the file, of the registry; each names only the fields that it changes.
type Live struct {
	base    Config
	current atomic.Pointer[inForce]

	mu       sync.Mutex // held by who changes the layers
	file     FileRules
	registry map[string]Override
}

// FileRules are rules for everybody and for single projects, over those of a Config.
type FileRules struct {
	All      Override
	Projects map[string]Override
}

// inForce is one state of a Live, and never changes.
type inForce struct {
	Config
	projects map[string]*Rules // of projects that have their own
}

func (c *inForce) rules(project string) *Rules {
	if rules := c.projects[project]; rules != nil {
		return rules
	}
	return &c.Rules
}

// NewLive fails where cfg.Validate does.
func NewLive(cfg Config) (*Live, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	l := &Live{base: cfg}
	return l, l.SetFile(FileRules{})
}

// MustLive is NewLive for tests and tools, whose rules are known to be valid: it panics where they are not.
func MustLive(cfg Config) *Live {
	l, err := NewLive(cfg)
	if err != nil {
		panic("detect: " + err.Error())
	}
	return l
}

// SetFile changes the file's rules. Where any of them is wrong nothing changes, and the error names it.
func (l *Live) SetFile(file FileRules) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, err := l.compile(file, nil); err != nil {
		return err
	}
	l.file = file
	// What the registry says was right over other rules; over these it may not be, and then yields.
	next, _ := l.compile(file, l.registry)
	l.current.Store(next)
	return nil
}

// SetProjects changes the registry's rules, of all projects at once. Those of a project that are wrong are left
// out, and the error names it; the others are in force all the same.
func (l *Live) SetProjects(registry map[string]Override) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	next, err := l.compile(l.file, registry)
	l.registry = maps.Clone(registry)
	l.current.Store(next)
	return err
}

// Below are the rules that a project has before what the registry says of it.
func (l *Live) Below(project string) Rules {
	l.mu.Lock()
	defer l.mu.Unlock()
	next, _ := l.compile(l.file, nil) // SetFile took no file that is wrong
	return *next.rules(project)
}

// compile lays the layers over each other. Overrides that give no valid rules are left out of what it returns, and
// named in the error.
func (l *Live) compile(file FileRules, registry map[string]Override) (*inForce, error) {
	var errs []error
	over := func(rules Rules, override Override, whose string) Rules {
		changed, err := rules.over(override)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", whose, err))
			return rules
		}
		return changed
	}
	next := &inForce{Config: l.base, projects: map[string]*Rules{}}
	next.Rules = over(l.base.Rules, file.All, "rules")
	layers := [...]map[string]Override{l.base.Projects, file.Projects, registry}
	for _, layer := range layers {
		for _, project := range slices.Sorted(maps.Keys(layer)) {
			rules := over(*next.rules(project), layer[project], fmt.Sprintf("rules of project %q", project))
			next.projects[project] = &rules
		}
	}
	return next, errors.Join(errs...)
}
