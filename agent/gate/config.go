package gate

import (
	"errors"
	"time"

	"github.com/gosight/gosight/internal/config"
)

// Config bounds how fast one sender may send; a project's own limit is in the registry. Each rate is what may go
// on for ever, each burst what may come at once after a pause. 0 sets no limit.
type Config struct {
	// An office or a mobile network may stand behind one address. Loopback tells nothing of who sends, and gRPC is
	// for servers that send for many: neither is counted.
	Address      int `help:"Events a second from one address over HTTP." default:"2000"`
	AddressBurst int `help:"Events at once from one address." default:"20000"`
	// Some fifty times what a person's visit gives, replay of a busy page included; an hour offline comes at once.
	Session      int `help:"Events a second of one session." default:"2000"`
	SessionBurst int `help:"Events at once of one session." default:"200000"`
	// Some 200 bytes each; the least recently seen are forgotten, and begin anew.
	Tracked int `help:"Addresses and sessions that are kept count of." default:"65536"`

	Poll time.Duration `help:"How often the registry is asked for." default:"3s"`
}

// Default holds browsers back long after people would have stopped clicking.
func Default() Config { return config.Default[Config]() }

// Validate says what is wrong with the limits.
func (c Config) Validate() error {
	var errs []error
	if c.Address < 0 || c.AddressBurst < 0 || c.Session < 0 || c.SessionBurst < 0 {
		errs = append(errs, errors.New("rate: limits are 0 or more"))
	}
	if c.Address > 0 && c.AddressBurst < c.Address || c.Session > 0 && c.SessionBurst < c.Session {
		errs = append(errs, errors.New("rate: a burst must be at least its rate"))
	}
	if c.Tracked < 1 {
		errs = append(errs, errors.New("rate: tracked must be above zero"))
	}
	if c.Poll <= 0 || c.Poll > 5*time.Second {
		errs = append(errs, errors.New("rate: poll must be above zero and at most 5s, or revoked keys are taken for too long"))
	}
	return errors.Join(errs...)
}
