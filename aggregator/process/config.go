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
	// Far beyond any person's pace: a detector's work grows with what happens within a few seconds of one session,
	// and a client gone mad must not hold up everybody else's. Rows are stored all the same.
	MaxSessionEvents int `help:"Events of one session that the second pass looks at in a minute." default:"2000"`
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
	if c.MaxSessionEvents < 1 {
		errs = append(errs, errors.New("process max-session-events: at least 1"))
	}
	if c.MaxRows < 1 {
		errs = append(errs, errors.New("process max-rows: at least 1"))
	}
	return errors.Join(errs...)
}
