package agent

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/gosight/gosight/agent/enrich"
	"github.com/gosight/gosight/agent/forward"
	"github.com/gosight/gosight/agent/gate"
	"github.com/gosight/gosight/agent/ingest"
	"github.com/gosight/gosight/agent/queue"
	"github.com/gosight/gosight/agent/redact"
	"github.com/gosight/gosight/internal/config"
	"github.com/gosight/gosight/internal/detect"
	"github.com/gosight/gosight/internal/fleet"
	"github.com/gosight/gosight/internal/rules"
)

// Config is all that can be set about an agent; the tags are the --help text and the defaults.
type Config struct {
	ID        string `help:"Name of this agent in metrics and rows; default is the host's name."`
	Region    string `help:"Region this agent serves." default:"local"`
	GRPCAddr  string `name:"grpc-addr" help:"Where SDKs stream to." default:"127.0.0.1:7710"`
	HTTPAddr  string `name:"http-addr" help:"Where browsers send to and fetch the SDK from." default:"127.0.0.1:7711"`
	AdminAddr string `name:"admin-addr" help:"Metrics, health and profiles; keep it private." default:"127.0.0.1:7712"`
	DataDir   string `help:"Where the queue is kept." default:"./data/agent"`

	InsecurePublic bool `help:"Listen without TLS where other machines reach it: a proxy has the certificate, or the network is private."`

	// What the fleet, and through it the SDKs, are told of where this agent is reached.
	PublicURL  string `name:"public-url" help:"Where browsers reach this agent, as https://HOST[:PORT]; empty: only who knows it finds it."`
	PublicGRPC string `name:"public-grpc" help:"Where servers reach this agent's gRPC port, as HOST:PORT."`
	// Load balancers and SDKs go elsewhere meanwhile.
	DrainGrace time.Duration `help:"How long events are still taken once the agent is told to stop." default:"0s"`

	Keys                   map[string]string `help:"Project write keys beside those of the centre, as key=project;key=project."`
	AllowAnonymousLoopback bool              `help:"Take events without a key from this machine, as project default."`
	SDKDir                 string            `name:"sdk-dir" help:"Serve the web SDK from this folder instead of the one built in." type:"path"`

	Limits ingest.Limits `embed:"" prefix:"limit-"`
	Rate   gate.Config   `embed:"" prefix:"rate-"`
	Server ingest.Server `embed:"" prefix:"server-"`
	Enrich enrich.Config `embed:"" prefix:"enrich-"`
	Redact redact.Config `embed:"" prefix:"redact-"`
	// No rule by default looks back further than the 30 s of a U-turn, and what the first pass forgets the second finds.
	// A resting session takes 1 to 4 kB: at 200,000 events/s of 400 new sessions a second, 60 s were 213 MB.
	Detect  detect.Config  `embed:"" prefix:"detect-" set:"idle=30000"`
	Rules   rules.Config   `embed:"" prefix:"rules-"`
	Queue   queue.Config   `embed:"" prefix:"queue-"`
	Forward forward.Config `embed:"" prefix:"forward-"`
	Fleet   fleet.Config   `embed:"" prefix:"fleet-"`

	LogFormat string `help:"json or text." default:"json" enum:"json,text"`
	LogLevel  string `help:"debug, info, warn or error." default:"info" enum:"debug,info,warn,error"`
}

// Default is an agent on loopback that forwards to an aggregator on this machine.
func Default() Config { return config.Default[Config]() }

// Validate fills what depends on the host and says all that is wrong, each with its remedy.
func (c *Config) Validate() error {
	var errs []error
	if c.ID == "" {
		host, err := os.Hostname()
		if err != nil {
			errs = append(errs, fmt.Errorf("no host name to call the agent by: set --id: %w", err))
		}
		c.ID = host
	}
	if c.DataDir == "" {
		errs = append(errs, errors.New("no data directory: set --data-dir"))
	}
	if c.PublicURL != "" {
		if at, err := url.Parse(c.PublicURL); err != nil || at.Host == "" || at.Scheme != "https" && at.Scheme != "http" {
			errs = append(errs, fmt.Errorf("public-url %q: want https://HOST, as browsers reach this agent", c.PublicURL))
		}
	}
	if c.PublicGRPC != "" {
		if _, _, err := net.SplitHostPort(c.PublicGRPC); err != nil {
			errs = append(errs, fmt.Errorf("public-grpc: %w", err))
		}
	}
	if len(c.Forward.Aggregators) == 0 && c.Fleet.Addr == "" {
		c.Forward.Aggregators = []string{"127.0.0.1:7720"}
	}
	errs = append(errs, c.refusePlain())
	if c.Queue.Dir == "" {
		c.Queue.Dir = filepath.Join(c.DataDir, "queue")
	}
	return errors.Join(errs...)
}

// refusePlain keeps ports without TLS on loopback, unless the operator says otherwise.
func (c *Config) refusePlain() error {
	if c.InsecurePublic {
		return nil
	}
	ports := []config.Port{{Flag: "admin-addr", Addr: c.AdminAddr, Remedy: "it never has any, keep it on loopback"}}
	if c.Server.CertFile == "" {
		const remedy = "set --server-cert-file and --server-key-file, or listen on loopback behind a proxy that has a certificate"
		ports = append(ports, config.Port{Flag: "grpc-addr", Addr: c.GRPCAddr, Remedy: remedy},
			config.Port{Flag: "http-addr", Addr: c.HTTPAddr, Remedy: remedy})
	}
	return config.RefusePlain(ports...)
}
