// Package alert posts to webhooks where signals gather: rules say which signals, how many within what time.
//
// An alert is posted at least once: the row in alerts_sent that keeps its rule quiet until its cooldown is over is
// written after the receiver has answered, so a crash between the two posts again, and so may two aggregators that
// both have the role api and find the same at once. All such posts have the same id, by which receivers can tell.
package alert

import (
	"errors"
	"time"

	"github.com/gosight/gosight/internal/config"
)

// Config says where the rules are and how alerts are posted. Without rules nothing is evaluated.
type Config struct {
	Rules     string        `help:"YAML file with alert rules; empty for none." placeholder:"FILE"`
	Every     time.Duration `help:"How often each rule is evaluated." default:"5s"`
	Timeout   time.Duration `help:"How long one post to a webhook may take." default:"10s"`
	Tries     uint          `help:"How often an alert is posted before it is left to the next evaluation." default:"5"`
	PublicURL string        `help:"Where people reach the UI, for links in alerts; empty for no links." placeholder:"URL"`
}

// Default is no rules.
func Default() Config { return config.Default[Config]() }

// Validate says all that is wrong with the settings and with the rules' file.
func (c Config) Validate() error {
	var errs []error
	if c.Every <= 0 || c.Timeout <= 0 {
		errs = append(errs, errors.New("alert: every and timeout must be above zero"))
	}
	if c.Tries == 0 {
		errs = append(errs, errors.New("alert: tries must be above zero"))
	}
	if c.PublicURL != "" {
		if err := webAddress(c.PublicURL); err != nil {
			errs = append(errs, errors.New("alert: public-url: "+err.Error()))
		}
	}
	if c.Rules != "" {
		_, err := Load(c.Rules)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
