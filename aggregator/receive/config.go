package receive

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/gosight/gosight/internal/config"
)

// Config is what can be set about a Server. Each limit says what it protects.
type Config struct {
	// Where agents relay to, TCP and UDP: host:port. Set by what composes it (--relay-addr).
	Addr     string `kong:"-"`
	CertFile string `help:"TLS certificate (PEM); replaced files are picked up." type:"path"`
	KeyFile  string `help:"Key of the certificate (PEM)." type:"path"`

	// Who may relay, beside the agents of the registry.
	ClientCAFile string            `name:"client-ca-file" help:"Agents must have a certificate of this CA." type:"path"`
	Tokens       map[string]string `help:"Tokens of agents, as agent=token;agent=token."`
	// A replaced file is picked up.
	TokensFile             string `help:"File of lines 'agent token'." type:"path"`
	AllowAnonymousLoopback bool   `help:"Take frames without a token from this machine."`

	// A frame holds about 1 MiB of batches, and a single batch is below 1 MiB.
	MaxFrameBytes int `help:"Largest frame as sent." default:"4194304"`
	MaxRawBytes   int `help:"Largest frame when decompressed." default:"4194304"`
	MaxRecords    int `help:"Most batches in a frame." default:"65536"`
	// Memory: a request may cost its frame twice (as sent, as decoded message) and MaxRawBytes.
	MaxInFlightBytes int64 `help:"Memory for requests in flight." default:"134217728"`
	MaxConnections   int   `help:"Most connections from agents, for TCP and for QUIC." default:"4096"`
	MaxStreams       int   `help:"Most requests at a time on one connection." default:"64"`

	// Slow or half-open clients.
	HeaderTimeout  time.Duration `help:"Time for a request's header." default:"5s"`
	BodyTimeout    time.Duration `help:"Time for a request's body." default:"20s"`
	IdleTimeout    time.Duration `help:"Time after which an idle connection is closed." default:"60s"`
	ProduceTimeout time.Duration `help:"Time for Kafka to acknowledge a frame." default:"30s"`

	RetryAfter time.Duration `help:"Delay that a refused agent is asked for." default:"1s"`
	// So that agents leave without an error.
	DrainGrace     time.Duration `help:"How long frames are still taken while draining." default:"3s"`
	ReloadInterval time.Duration `help:"How often certificate and token files are looked at." default:"10s"`
}

// Default returns the defaults of the tags above.
func Default() Config { return config.Default[Config]() }

// Validate says all that is wrong with c, each with its remedy.
func (c Config) Validate() error {
	var errs []error
	host, _, err := net.SplitHostPort(c.Addr)
	if err != nil {
		errs = append(errs, fmt.Errorf("receive: addr %q: %w", c.Addr, err))
	}
	if c.CertFile == "" || c.KeyFile == "" {
		errs = append(errs, errors.New("receive: cert-file and key-file must be set: the relay is always TLS "+
			"(`gosight certs` makes a development certificate)"))
	}
	ip := net.ParseIP(host)
	loopback := host == "localhost" || ip != nil && ip.IsLoopback()
	if c.AllowAnonymousLoopback && !loopback {
		errs = append(errs, errors.New("receive: allow-anonymous-loopback is for an address on loopback: elsewhere, "+
			"agents have a token or a certificate"))
	}
	for agent, token := range c.Tokens {
		if token == "" {
			errs = append(errs, fmt.Errorf("receive: agent %q has an empty token", agent))
		}
	}
	if c.MaxFrameBytes <= 0 || c.MaxRawBytes <= 0 || c.MaxRecords <= 0 || c.MaxConnections <= 0 || c.MaxStreams <= 0 {
		errs = append(errs, errors.New("receive: limits must be above zero"))
	}
	if c.MaxInFlightBytes < c.requestCost(int64(c.MaxFrameBytes)) {
		errs = append(errs, fmt.Errorf("receive: max-in-flight-bytes %d does not hold one request of %d",
			c.MaxInFlightBytes, c.requestCost(int64(c.MaxFrameBytes))))
	}
	if c.ReloadInterval <= 0 || c.ProduceTimeout <= 0 || c.HeaderTimeout <= 0 || c.BodyTimeout <= 0 {
		errs = append(errs, errors.New("receive: timeouts and reload-interval must be above zero"))
	}
	return errors.Join(errs...)
}

// requestCost is the memory that a request with a body of this size may take.
func (c Config) requestCost(body int64) int64 { return 2*body + int64(c.MaxRawBytes) }

// readTokens reads lines of an agent's name and its token; an agent may have several, so that they can be rotated.
func readTokens(path string) ([][2]string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read tokens: %w", err)
	}
	var tokens [][2]string
	lines := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.Fields(line)
		if len(fields) != 2 {
			return nil, fmt.Errorf("read tokens: %s line %d: want an agent's name and its token", path, n)
		}
		tokens = append(tokens, [2]string(fields))
	}
	return tokens, lines.Err()
}
