package process

import (
	"errors"
	"fmt"

	"github.com/gosight/gosight/internal/config"
	"github.com/gosight/gosight/internal/detect"
)

// Config is how batches are made into rows.
type Config struct {
	// The detector's rules; the agents' should be the same, or the centre keeps correcting the edge.
	Detect detect.Config `embed:"" prefix:"detect-"`
	// A batch of records may hold very many tiny events: bounds memory and the size of one insert.
	MaxRows int `help:"Rows of one insert." default:"100000"`
}

// Default is the configuration that tags give.
func Default() Config { return config.Default[Config]() }

// Validate says what is wrong with the configuration.
func (c Config) Validate() error {
	var errs []error
	if err := c.Detect.Validate(); err != nil {
		errs = append(errs, fmt.Errorf("process detect: %w", err))
	}
	if c.MaxRows < 1 {
		errs = append(errs, errors.New("process max-rows: at least 1"))
	}
	return errors.Join(errs...)
}
