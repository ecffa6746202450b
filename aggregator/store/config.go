package store

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"time"

	"github.com/gosight/gosight/internal/config"
)

// Config says where ClickHouse is and how long rows are kept.
type Config struct {
	URL      string `help:"ClickHouse's HTTP interface, http:// or https://." default:"http://127.0.0.1:18123"`
	Database string `help:"Database, created where it is missing." default:"gosight"`
	// See DESIGN.md for what becomes of the tables, and why a shard more is not added afterwards.
	Cluster  string `help:"ClickHouse cluster to make the tables on, as system.clusters names it; its servers have the macros shard and replica. Empty means one server."`
	User     string `help:"ClickHouse user; empty means the server's default."`
	Password string `help:"ClickHouse password."`
	// Each connection runs one query at a time, so this bounds the load on the engine.
	MaxConnections int           `help:"Connections to ClickHouse." default:"16"`
	DialTimeout    time.Duration `help:"How long to wait for a connection." default:"5s"`
	// Well below Kafka's poll interval: a stuck insert must fail before the group throws the consumer out.
	InsertTimeout time.Duration `help:"How long one insert may take." default:"20s"`
	QueryTimeout  time.Duration `help:"How long one query may take." default:"15s"`
	EventDays     int           `help:"Days that events and sessions are kept; 0 keeps them for ever." default:"90"`
	SignalDays    int           `help:"Days that signals are kept; 0 keeps them for ever." default:"90"`
	ReplayDays    int           `help:"Days that replays are kept; 0 keeps them for ever." default:"30"`
	// The same for projects that differ.
	ProjectEventDays  map[string]int `help:"Days that events, sessions and signals of single projects are kept, as shop=30;blog=400."`
	ProjectReplayDays map[string]int `help:"Days that replays of single projects are kept, as shop=7;blog=90."`
}

// Default is the configuration of a store on this machine.
func Default() Config { return config.Default[Config]() }

var identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// projectName is what the API takes for one.
var projectName = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)

// Validate says what is wrong with the configuration.
func (c Config) Validate() error {
	var errs []error
	if u, err := url.Parse(c.URL); err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		errs = append(errs, fmt.Errorf("clickhouse url %q: want http://host:port or https://host:port", c.URL))
	}
	if !identifier.MatchString(c.Database) {
		errs = append(errs, fmt.Errorf("clickhouse database %q: letters, digits and _ only", c.Database))
	}
	if c.Cluster != "" && !identifier.MatchString(c.Cluster) {
		errs = append(errs, fmt.Errorf("clickhouse cluster %q: letters, digits and _ only", c.Cluster))
	}
	if c.MaxConnections < 2 {
		errs = append(errs, errors.New("clickhouse max-connections: at least 2"))
	}
	if c.DialTimeout <= 0 || c.InsertTimeout <= 0 || c.QueryTimeout <= 0 {
		errs = append(errs, errors.New("clickhouse timeouts: above 0"))
	}
	if c.EventDays < 0 || c.SignalDays < 0 || c.ReplayDays < 0 {
		errs = append(errs, errors.New("clickhouse retention days: 0 or more"))
	}
	for _, projects := range []map[string]int{c.ProjectEventDays, c.ProjectReplayDays} {
		for project, days := range projects {
			if !projectName.MatchString(project) || days < 0 {
				errs = append(errs, fmt.Errorf("clickhouse retention of project %q, %d days: want a project's name and 0 or more days", project, days))
			}
		}
	}
	return errors.Join(errs...)
}
