package ingest

import (
	"sync/atomic"

	"github.com/gosight/gosight/agent/redact"
	"github.com/gosight/gosight/internal/registry"
)

// policy is what is done to one project's events.
type policy struct {
	scrubber *redact.Scrubber
	privacy  registry.Privacy
	excluded map[string]bool
}

// policies has the rules of every project; those without rules of their own have the agent's.
type policies struct {
	redact  redact.Config
	current atomic.Pointer[chapters]
}

type chapters struct {
	common *policy
	own    map[string]*policy
}

// set makes the rules of the registry's projects. It is called whenever the registry changes.
func (b *policies) set(index *registry.Index) {
	c := &chapters{common: &policy{scrubber: redact.New(b.redact, registry.Privacy{})}, own: map[string]*policy{}}
	for id, project := range index.Projects() {
		own := &policy{
			scrubber: redact.New(b.redact, project.Privacy),
			privacy:  project.Privacy, excluded: map[string]bool{},
		}
		for _, country := range project.Privacy.ExcludedCountries {
			own.excluded[country] = true
		}
		c.own[id] = own
	}
	b.current.Store(c)
}

func (b *policies) of(project string) *policy {
	c := b.current.Load()
	if own := c.own[project]; own != nil {
		return own
	}
	return c.common
}
