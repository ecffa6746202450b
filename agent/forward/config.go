package forward

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/gosight/gosight/internal/config"
)

// Config is what can be set about a Forwarder.
type Config struct {
	// Those that the fleet finds come on top.
	Aggregators []string `help:"Aggregators to relay to, as host:port; default is 127.0.0.1:7720 where there is no fleet."`
	Token       string   `help:"Token that the aggregators know this agent by."`
	TokenFile   string   `help:"File that holds the token; a replaced file is picked up." type:"path"`
	CAFile      string   `name:"ca-file" help:"CA of the aggregators (PEM); default is the system's." type:"path"`
	CertFile    string   `help:"Certificate to show to aggregators that ask for one (PEM)." type:"path"`
	KeyFile     string   `help:"Key of that certificate (PEM)." type:"path"`
	ServerName  string   `help:"Name in the aggregators' certificates, where it is not their host name."`

	// Larger frames compress better and cost less; a frame that fails is sent again as a whole.
	FrameBytes int `help:"Bytes of batches in a frame, before compression." default:"1048576"`
	// Memory: each of them may hold a frame, raw and compressed.
	InFlight int `help:"Frames in flight." default:"4"`
	// An agent with little traffic would otherwise send a frame for each batch, and each frame is a write that Kafka
	// syncs: at 10,000 events/s in batches of 100, 10 ms cost the agent a third more CPU and the others twice as much.
	Linger time.Duration `help:"Shortest time between frames that are not full." default:"40ms"`
	// Nobody waits for replay as for a signal, and each of its frames is a write that Kafka syncs too.
	ReplayLinger time.Duration `help:"Shortest time between frames of replay that are not full, while events go on." default:"500ms"`

	Timeout time.Duration `help:"Time for an aggregator to acknowledge a frame." default:"30s"`
	// Some hundred times what Kafka takes: a frame sent twice costs twice.
	HedgeAfter   time.Duration `help:"Wait for an aggregator before a frame is sent to another one as well; 0: never." default:"2s"`
	BackoffMin   time.Duration `help:"First pause after an aggregator failed." default:"100ms"`
	BackoffMax   time.Duration `help:"Longest pause after an aggregator failed." default:"5s"`
	DrainPause   time.Duration `help:"How long an aggregator that is shutting down is avoided." default:"10s"`
	FlushTimeout time.Duration `help:"Time to send what is queued when the agent stops." default:"5s"`

	// Where UDP does not get through, nobody says so: there is just no answer.
	QUIC      bool          `help:"Use HTTP/3 where UDP gets through." default:"true" negatable:""`
	TCPAfter  time.Duration `name:"tcp-after" help:"Wait for HTTP/3 before HTTP/2 is used." default:"250ms"`
	QUICRetry time.Duration `name:"quic-retry" help:"Pause before HTTP/3 is tried again." default:"45s"`
	// Three lost keep-alives. Shorter notices a dead path sooner, and takes a stalled peer for one.
	QUICIdle time.Duration `name:"quic-idle" help:"Silence after which a path is dead." default:"750ms"`

	RejectedDir string `help:"For batches refused for good; default is rejected, beside the queue." type:"path"`
}

// Default returns the defaults of the tags above.
func Default() Config { return config.Default[Config]() }

// Validate says all that is wrong with c.
func (c Config) Validate() error {
	var errs []error
	for _, address := range c.Aggregators {
		if _, _, err := net.SplitHostPort(address); err != nil {
			errs = append(errs, fmt.Errorf("forward: aggregator %q: %w", address, err))
		}
	}
	if c.Token != "" && c.TokenFile != "" {
		errs = append(errs, errors.New("forward: set token or token-file, not both"))
	}
	if c.FrameBytes <= 0 || c.InFlight <= 0 {
		errs = append(errs, errors.New("forward: frame-bytes and in-flight must be above zero"))
	}
	if c.Timeout <= 0 || c.BackoffMin <= 0 || c.BackoffMax < c.BackoffMin || c.QUICIdle <= 0 {
		errs = append(errs, errors.New("forward: timeout, backoff-min, backoff-max and quic-idle must be above zero, "+
			"backoff-max not below backoff-min"))
	}
	return errors.Join(errs...)
}

func (c Config) tlsConfig() (*tls.Config, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS13, ServerName: c.ServerName}
	if c.CAFile != "" {
		text, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("load CA: %w", err)
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("load CA: no certificate in %s", c.CAFile)
		}
	}
	if c.CertFile != "" {
		if _, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile); err != nil {
			return nil, fmt.Errorf("load certificate: %w", err)
		}
		// Read for each connection: the files may have been renewed.
		conf.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
			return &pair, err
		}
	}
	return conf, nil
}

func (c Config) readToken() (string, error) {
	if c.TokenFile == "" {
		return c.Token, nil
	}
	text, err := os.ReadFile(c.TokenFile)
	if err != nil {
		return "", fmt.Errorf("read token: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}
