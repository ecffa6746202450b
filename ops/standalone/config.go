// Package standalone runs all of GoSight in one place: the embedded engines, an aggregator in front of them and an
// agent in front of that, each configured as it would be in a process of its own. It is the composition behind
// `gosight up`; the product knows nothing of it.
package standalone

import (
	"fmt"
	"net"
	"path/filepath"
)

// Config is what `gosight up` can be told.
type Config struct {
	Demo       bool   `help:"Serve the demo shop, and fill an empty store with a few recorded visits."`
	Data       string `help:"Where everything is kept." default:"./data" placeholder:"DIR"`
	Listen     string `help:"Host of SDKs' ports, UI and demo shop, without TLS; all else stays on loopback." default:"127.0.0.1" placeholder:"HOST"`
	Ports      string `help:"default: the documented ports; auto: free ones." enum:"default,auto" default:"default"`
	ReadyFile  string `help:"Write addresses and keys here as JSON once everything answers." placeholder:"FILE"`
	ChdbLib    string `help:"ClickHouse's library; found in node_modules by itself." placeholder:"FILE"`
	GeoDB      string `name:"geo-db" help:"MMDB of countries or cities; found in node_modules." placeholder:"FILE"`
	RulesFile  string `help:"YAML file with numbers of the signal rules; followed without a restart." placeholder:"FILE"`
	AlertRules string `help:"YAML file with alert rules, each of which posts a webhook." placeholder:"FILE"`
	PublicURL  string `help:"Where people reach the UI, for links in alerts." placeholder:"URL"`
	LogFormat  string `help:"json or text." default:"text" enum:"json,text"`
	LogLevel   string `help:"debug, info, warn or error." default:"warn" enum:"debug,info,warn,error"`
}

// Default ports, as documented.
const (
	portAgentGRPC       = 7710
	portAgentHTTP       = 7711
	portAgentAdmin      = 7712
	portRelay           = 7720
	portUI              = 7721
	portAggregatorAdmin = 7722
	portDemo            = 7730
	portKafka           = 19092
	portClickHouse      = 18123
)

// public is the address of a port that other machines may be let in on.
func (c Config) public(port int) string { return net.JoinHostPort(c.Listen, c.port(port)) }

// private is the address of a port on loopback.
func (c Config) private(port int) string { return net.JoinHostPort("127.0.0.1", c.port(port)) }

func (c Config) port(port int) string {
	if c.Ports == "auto" {
		port = 0
	}
	return fmt.Sprint(port)
}

func (c Config) dir(name string) string { return filepath.Join(c.Data, name) }
