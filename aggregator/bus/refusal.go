package bus

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// ErrMisconfigured is in errors that trying again will not mend: the brokers do not let us in, or are not who they
// should be.
var ErrMisconfigured = errors.New("kafka is configured wrongly")

// explain adds the remedy to errors of the connection whose own words do not have it. Others it returns as they are.
func (c Config) explain(err error) error {
	wrong := func(remedy string, args ...any) error {
		return fmt.Errorf("%w: %s: %w", ErrMisconfigured, fmt.Sprintf(remedy, args...), err)
	}
	// What may also be a broker that is just stopping is worth another try.
	perhaps := func(remedy string) error { return fmt.Errorf("%w (%s)", err, remedy) }

	var remote *net.OpError
	var closed *kgo.ErrFirstReadEOF
	var name x509.HostnameError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, kerr.SaslAuthenticationFailed):
		return wrong("the brokers do not let user %q in with %s: check --kafka-user, --kafka-password and --kafka-sasl",
			c.User, c.SASL)
	case errors.Is(err, kerr.UnsupportedSaslMechanism), errors.Is(err, kerr.IllegalSaslState):
		return wrong("the brokers do not know %s: set --kafka-sasl to a mechanism that they offer", c.SASL)
	case errors.Is(err, kerr.TopicAuthorizationFailed), errors.Is(err, kerr.GroupAuthorizationFailed),
		errors.Is(err, kerr.ClusterAuthorizationFailed):
		return perhaps(fmt.Sprintf("let user %q describe, read and write the topics %s.*, read the groups %s.* and, "+
			"where the topics are not there, create them", c.User, c.TopicPrefix, c.Group))
	case errors.As(err, &name):
		return wrong("the brokers' certificate is for another host: give --kafka-brokers, and the brokers advertise, " +
			"the names that are in it")
	case errors.As(err, new(*tls.CertificateVerificationError)):
		return wrong("the brokers' certificate is not trusted: set --kafka-ca-file to the authority that signed it")
	case errors.As(err, &remote) && remote.Op == "remote error": // a TLS alert
		return wrong("the brokers refuse our certificate: set --kafka-cert-file and --kafka-key-file to one that they trust")
	case errors.As(err, &closed) && c.TLS && c.SASL == "none":
		return perhaps("is --kafka-tls set for a port without TLS, or --kafka-sasl missing?")
	case errors.As(err, &closed) && c.TLS:
		return perhaps("is --kafka-tls set for a port without TLS?")
	case errors.As(err, &closed):
		return perhaps("is --kafka-tls or --kafka-sasl missing?")
	case !c.TLS && strings.Contains(err.Error(), "tls alert record"): // franz-go has no type for it
		return wrong("the brokers talk TLS on this port: set --kafka-tls")
	}
	return err
}
