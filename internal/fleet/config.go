package fleet

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/hashicorp/memberlist"

	"github.com/gosight/gosight/internal/config"
)

// port is what a seed without one is asked on.
const port = "7946"

// Config is what can be set about a Fleet.
type Config struct {
	Addr      string   `help:"Where this node gossips, TCP and UDP, as host:port; empty: no gossip." placeholder:"HOST:7946"`
	Advertise string   `help:"Address that others reach it at, as host:port, where that is another." placeholder:"HOST:PORT"`
	Join      []string `help:"Members to find the others through: host or host:port; all addresses of a name are asked."`

	// Anyone with a key can be a member, so everyone without one must be kept out.
	Keys    []string `help:"Gossip keys, 32 bytes in base64: the first encrypts, all are accepted."`
	KeyFile string   `help:"File with a gossip key a line; a replaced file is picked up." type:"path"`
	Label   string   `help:"Name of this fleet; gossip of others is refused." default:"gosight"`
	// A second fence, for a key that got into wrong hands.
	Networks []string `help:"Networks (CIDR) that members may have addresses in; default is every one."`

	// wan takes ten times as long to call a node dead, and forgives a way of seconds.
	Preset string `help:"lan, or wan where regions are far apart." default:"lan" enum:"lan,wan"`
	// Two halves that called each other dead do not find together by themselves.
	Rejoin time.Duration `help:"How often members that are missing are asked again, and names resolved again." default:"15s"`
}

// Default is no gossip.
func Default() Config { return config.Default[Config]() }

// Validate says all that is wrong with c, each with its remedy.
func (c Config) Validate() error {
	if c.Addr == "" {
		if len(c.Join) > 0 {
			return errors.New("fleet: members to join, but no gossip: set --fleet-addr HOST:7946")
		}
		return nil
	}
	var errs []error
	for _, address := range []string{c.Addr, c.Advertise} {
		if _, _, err := splitAddr(address); address != "" && err != nil {
			errs = append(errs, fmt.Errorf("fleet: address: %w", err))
		}
	}
	if c.Advertise != "" {
		if host, _, _ := net.SplitHostPort(c.Advertise); net.ParseIP(host) == nil {
			errs = append(errs, fmt.Errorf("fleet: advertise %q: want an IP address and a port", c.Advertise))
		}
	}
	if len(c.Keys) > 0 && c.KeyFile != "" {
		errs = append(errs, errors.New("fleet: set keys or key-file, not both"))
	}
	if _, err := decodeKeys(c.Keys); err != nil {
		errs = append(errs, err)
	}
	host, _, _ := net.SplitHostPort(c.Addr)
	if len(c.Keys) == 0 && c.KeyFile == "" && !net.ParseIP(host).IsLoopback() {
		errs = append(errs, errors.New("fleet: anyone could be a member: set --fleet-key-file or --fleet-keys "+
			"(`openssl rand -base64 32` makes a key)"))
	}
	if c.Label == "" || len(c.Label) > memberlist.LabelMaxSize {
		errs = append(errs, fmt.Errorf("fleet: label must have 1 to %d bytes", memberlist.LabelMaxSize))
	}
	if _, err := memberlist.ParseCIDRs(c.Networks); err != nil {
		errs = append(errs, fmt.Errorf("fleet: networks: %w", err))
	}
	if c.Rejoin <= 0 {
		errs = append(errs, errors.New("fleet: rejoin must be above zero"))
	}
	return errors.Join(errs...)
}

func splitAddr(address string) (host string, number int, err error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, err
	}
	if number, err = strconv.Atoi(text); err != nil || number < 0 || number > 65535 {
		return "", 0, fmt.Errorf("%q has no port number", address)
	}
	return host, number, nil
}

// gossip is the library's configuration: its preset, and what we know better.
func (c Config) gossip() (*memberlist.Config, error) {
	conf := memberlist.DefaultLANConfig()
	if c.Preset == "wan" {
		conf = memberlist.DefaultWANConfig()
	}
	host, number, err := splitAddr(c.Addr)
	if err != nil {
		return nil, err
	}
	if host == "" {
		host = "0.0.0.0"
	}
	conf.BindAddr, conf.BindPort, conf.AdvertisePort = host, number, number
	if c.Advertise != "" {
		if conf.AdvertiseAddr, conf.AdvertisePort, err = splitAddr(c.Advertise); err != nil {
			return nil, err
		}
	}
	conf.Label = c.Label
	// A node that was killed comes back under its name with another address, as pods do.
	conf.DeadNodeReclaimTime = 5 * time.Second
	if len(c.Networks) > 0 {
		if conf.CIDRsAllowed, err = memberlist.ParseCIDRs(c.Networks); err != nil {
			return nil, err
		}
	}
	return conf, nil
}
