package aggregator

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/gosight/gosight/aggregator/access"
	"github.com/gosight/gosight/aggregator/alert"
	"github.com/gosight/gosight/aggregator/api"
	"github.com/gosight/gosight/aggregator/bus"
	"github.com/gosight/gosight/aggregator/erase"
	"github.com/gosight/gosight/aggregator/process"
	"github.com/gosight/gosight/aggregator/receive"
	"github.com/gosight/gosight/aggregator/store"
	"github.com/gosight/gosight/internal/config"
	"github.com/gosight/gosight/internal/fleet"
	"github.com/gosight/gosight/internal/rules"
)

// The roles of an aggregator.
const (
	Receive = "receive" // agents' batches into Kafka
	Process = "process" // Kafka's batches into ClickHouse
	API     = "api"     // answers from ClickHouse
)

// Config is all that can be set about an aggregator; the tags are the --help text and the defaults.
type Config struct {
	ID     string `help:"Name of this aggregator in the fleet; default is the host's name."`
	Region string `help:"Region this aggregator is in." default:"local"`

	// Together on one machine, or apart so that each can be scaled by itself.
	Roles     []string `help:"What this aggregator does: receive, process, api." default:"receive,process,api"`
	RelayAddr string   `help:"Where agents relay to, TCP and UDP." default:"127.0.0.1:7720"`
	// What the fleet's agents are told.
	PublicRelay string `help:"Where agents reach the relay, as host:port; default is the gossip address with the relay's port." placeholder:"HOST:PORT"`
	APIAddr     string `name:"api-addr" help:"Where the API and the UI are." default:"127.0.0.1:7721"`
	AdminAddr   string `help:"Metrics, health and profiles; keep it private." default:"127.0.0.1:7722"`
	DataDir     string `help:"Where a self-signed certificate is kept, when none is given." default:"./data/aggregator"`

	// The relay has TLS always.
	InsecurePublic bool `help:"Listen without TLS where other machines reach it: a proxy has the certificate, or the network is private."`

	Kafka      bus.Config     `embed:"" prefix:"kafka-"`
	ClickHouse store.Config   `embed:"" prefix:"clickhouse-"`
	Registry   access.Config  `embed:"" prefix:"registry-"`
	Receive    receive.Config `embed:"" prefix:"receive-"`
	Process    process.Config `embed:"" prefix:"process-"`
	Erase      erase.Config   `embed:"" prefix:"erase-"`
	Rules      rules.Config   `embed:"" prefix:"rules-"` // of the role process
	API        api.Config     `embed:"" prefix:"api-"`
	// Alerts belong to the role api: they read what is stored.
	Alert alert.Config `embed:"" prefix:"alert-"`
	Fleet fleet.Config `embed:"" prefix:"fleet-"`

	LogFormat string `help:"json or text." default:"json" enum:"json,text"`
	LogLevel  string `help:"debug, info, warn or error." default:"info" enum:"debug,info,warn,error"`
}

// Default is an aggregator with all roles on loopback, with engines on this machine.
func Default() Config { return config.Default[Config]() }

func (c Config) has(role string) bool { return slices.Contains(c.Roles, role) }

// Validate fills what depends on the host and says all that is wrong with what the roles need, each with its remedy.
func (c *Config) Validate() error {
	var errs []error
	if c.ID == "" {
		host, err := os.Hostname()
		if err != nil {
			errs = append(errs, fmt.Errorf("no host name to call the aggregator by: set --id: %w", err))
		}
		c.ID = host
	}
	if len(c.Roles) == 0 {
		errs = append(errs, errors.New("no role: set --roles to some of receive,process,api"))
	}
	for _, role := range c.Roles {
		if role != Receive && role != Process && role != API {
			errs = append(errs, fmt.Errorf("role %q: one of receive, process, api", role))
		}
	}
	if c.has(Receive) && c.Receive.CertFile == "" && c.DataDir == "" {
		errs = append(errs, errors.New("no certificate for the relay: set --receive-cert-file and --receive-key-file, "+
			"or --data-dir for a self-signed one"))
	}
	if c.has(Receive) || c.has(Process) {
		errs = append(errs, c.Kafka.Validate())
	}
	errs = append(errs, c.ClickHouse.Validate(), c.Registry.Validate(), c.Erase.Validate())
	if c.has(Process) {
		errs = append(errs, c.Process.Validate())
	}
	if c.has(API) {
		errs = append(errs, c.API.Validate(), c.Alert.Validate())
	}
	errs = append(errs, c.refusePlain())
	return errors.Join(errs...)
}

// refusePlain keeps ports without TLS on loopback, unless the operator says otherwise.
func (c *Config) refusePlain() error {
	if c.InsecurePublic {
		return nil
	}
	ports := []config.Port{{Flag: "admin-addr", Addr: c.AdminAddr, Remedy: "it never has any, keep it on loopback"}}
	if c.has(API) {
		ports = append(ports, config.Port{Flag: "api-addr", Addr: c.APIAddr,
			Remedy: "listen on loopback behind a proxy that has a certificate"})
	}
	return config.RefusePlain(ports...)
}
