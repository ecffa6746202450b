// Package api is what analysts and their tools talk to: the HTTP API (its OpenAPI document is generated from
// this code), live streams as server-sent events, and the UI.
package api

import (
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/gosight/gosight/internal/config"
)

// Config holds the settings of the API.
type Config struct {
	AdminToken    string `help:"Token that opens the API and the UI. Empty lets nobody in but loopback, where that is allowed."`
	AllowLoopback bool   `help:"Let clients on this machine look at everything without signing in."`
	// A sign-in with a token also ends when the token is revoked.
	SessionLifetime time.Duration `default:"168h" help:"How long signing in to the UI lasts."`
	OIDC            OIDCConfig    `embed:"" prefix:"oidc-"`
	QueryTimeout    time.Duration `default:"10s" help:"Longest time one query may take."`
	// A file of 100,000 rows is no page that somebody waits for.
	ExportTimeout time.Duration `default:"60s" help:"Longest time one export may take."`
	// Without them a replay shows what was recorded, and asks nobody for more.
	ReplaySources []string      `help:"Where replays may load images, styles and fonts from, as https://cdn.example.com; by default they reach nothing." placeholder:"ORIGIN"`
	LivePoll      time.Duration `default:"150ms" help:"How often live streams look for news; what analysts see lags this much behind the store."`
	Fleet         []string      `help:"Admin ports of agents and aggregators (host:port) whose metrics the fleet page shows."`
	MaxStreams    int           `default:"256" help:"Live streams open at once; more are refused, since each keeps a connection."`
	MaxInFlight   int           `default:"64" help:"Requests answered at once; more are refused with 503."`
}

// Default returns the settings that a fresh installation runs with.
func Default() Config { return config.Default[Config]() }

// origin is one as a content security policy names it; nothing in it can end the directive it stands in.
var origin = regexp.MustCompile(`^https?://(\*\.)?[A-Za-z0-9.-]+(:[0-9]+)?$`)

// Validate says what is wrong with the settings.
func (c Config) Validate() error {
	var errs []error
	if c.AdminToken != "" && len(c.AdminToken) < 16 {
		errs = append(errs, errors.New("api: admin-token must have at least 16 characters"))
	}
	if c.QueryTimeout <= 0 || c.ExportTimeout <= 0 || c.LivePoll <= 0 {
		errs = append(errs, errors.New("api: query-timeout, export-timeout and live-poll must be above zero"))
	}
	if c.MaxStreams <= 0 || c.MaxInFlight <= 0 {
		errs = append(errs, errors.New("api: max-streams and max-in-flight must be above zero"))
	}
	for _, source := range c.ReplaySources {
		if !origin.MatchString(source) {
			errs = append(errs, fmt.Errorf("api: replay-sources %q: want an origin, such as https://cdn.example.com or https://*.example.com", source))
		}
	}
	errs = append(errs, c.OIDC.Validate())
	if c.SessionLifetime <= 0 {
		errs = append(errs, errors.New("api: session-lifetime must be above zero"))
	}
	return errors.Join(errs...)
}
