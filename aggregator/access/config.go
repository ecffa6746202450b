package access

import (
	"errors"
	"time"

	"github.com/gosight/gosight/internal/config"
)

// Config says where the registry comes from beside its table.
type Config struct {
	File string            `help:"YAML file with projects, keys, tokens and agents; changes are picked up." type:"path"`
	Keys map[string]string `help:"Write keys that are there from the start, as key=project;key=project."`
	// Agents ask every few seconds, so that a revoked key is refused everywhere within ten.
	Refresh time.Duration `help:"How often the registry is looked at for changes that others made." default:"2s"`
}

// Default reads the table alone.
func Default() Config { return config.Default[Config]() }

// Validate says what is wrong with the settings.
func (c Config) Validate() error {
	if c.Refresh <= 0 || c.Refresh > 5*time.Second {
		return errors.New("registry refresh: above 0 and at most 5s, or agents learn of a revoked key too late")
	}
	return nil
}
