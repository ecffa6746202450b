package kafka

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/gosight/gosight/aggregator"
	"github.com/gosight/gosight/aggregator/bus"
	"github.com/gosight/gosight/aggregator/bus/bustest"
	"github.com/gosight/gosight/ops/engines/apachekafka"
)

// Every way in that brokers offer, and every way of getting it wrong.
func security(t *testing.T, cluster *apachekafka.Cluster) {
	// A user by SCRAM is made with the protocol's own request; PLAIN's stands in the brokers' settings.
	const user, password = "aggregator", "battery staple"
	for _, mechanism := range []kadm.ScramMechanism{kadm.ScramSha256, kadm.ScramSha512} {
		answer, err := bustest.Admin(t, cluster.Plain()).AlterUserSCRAMs(t.Context(), nil,
			[]kadm.UpsertSCRAM{{User: user, Mechanism: mechanism, Iterations: 4096, Password: password}})
		if err == nil {
			err = answer.Error()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	sasl := func(mechanism, user, password string) func(*bus.Config) {
		return func(cfg *bus.Config) {
			cfg.Brokers, cfg.TLS, cfg.CAFile = cluster.SASL(), true, cluster.CAFile
			cfg.SASL, cfg.User, cfg.Password = mechanism, user, password
		}
	}
	certificate := func(cfg *bus.Config) {
		cfg.Brokers, cfg.TLS, cfg.CAFile = cluster.TLS(), true, cluster.CAFile
		cfg.CertFile, cfg.KeyFile = cluster.CertFile, cluster.KeyFile
	}
	for name, set := range map[string]func(*bus.Config){
		"plain":         sasl("plain", apachekafka.User, apachekafka.Password),
		"scram-sha-256": sasl("scram-sha-256", user, password),
		"scram-sha-512": sasl("scram-sha-512", user, password),
		"certificate":   certificate,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := bustest.Config(t, nil)
			set(&cfg)
			p := bustest.Producer(t, cfg)
			l := bustest.NewLedger()
			bustest.Consume(t, cfg, events, l)
			bustest.Produce(t, p, bustest.Batches(events, 0, 100))
			l.Until(t, "100 batches", func() bool { return len(l.Fresh) == 100 })
		})
	}
	for name, wrong := range map[string]struct {
		set  func(*bus.Config)
		says string
	}{
		"wrong password by scram": {sasl("scram-sha-512", user, "guessed"), "--kafka-password"},
		"wrong password by plain": {sasl("plain", apachekafka.User, "guessed"), "--kafka-password"},
		"unknown user":            {sasl("scram-sha-512", "nobody", password), "--kafka-user"},
		"no user where one is wanted": {func(cfg *bus.Config) {
			cfg.Brokers, cfg.TLS, cfg.CAFile = cluster.SASL(), true, cluster.CAFile
		}, "--kafka-sasl"},
		"no TLS where it is wanted": {func(cfg *bus.Config) { cfg.Brokers = cluster.TLS() }, "--kafka-tls"},
		"TLS where none is":         {func(cfg *bus.Config) { cfg.Brokers, cfg.TLS = cluster.Plain(), true }, "--kafka-tls"},
		"an authority that is not known": {func(cfg *bus.Config) {
			certificate(cfg)
			cfg.CAFile = ""
		}, "--kafka-ca-file"},
		"no certificate where one is wanted": {func(cfg *bus.Config) {
			certificate(cfg)
			cfg.CertFile, cfg.KeyFile = "", ""
		}, "--kafka-cert-file"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := bustest.Config(t, nil)
			wrong.set(&cfg)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			began := time.Now()
			err := create(ctx, cfg)
			t.Logf("after %s: %v", time.Since(began).Round(time.Millisecond), err)
			if err == nil || !strings.Contains(err.Error(), wrong.says) {
				t.Errorf("the error does not name %s", wrong.says)
			}
			if ctx.Err() != nil {
				t.Error("it was tried for a minute in silence")
			}
		})
	}

	// A password that Kafka refuses is a mistake to be told at once, and not an outage to be waited for.
	t.Run("an aggregator ends", func(t *testing.T) {
		t.Parallel()
		cfg := aggregator.Default()
		cfg.Roles = []string{aggregator.Receive}
		cfg.RelayAddr, cfg.AdminAddr, cfg.DataDir = "127.0.0.1:0", "127.0.0.1:0", t.TempDir()
		cfg.Receive.AllowAnonymousLoopback = true
		sasl("scram-sha-512", user, "guessed")(&cfg.Kafka)
		a, err := aggregator.New(cfg, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err = a.Run(ctx)
		if !errors.Is(err, bus.ErrMisconfigured) || !strings.Contains(err.Error(), "--kafka-password") {
			t.Errorf("it ended with %v, want an error that names --kafka-password", err)
		}
	})
}

// create asks the brokers for something: to make the topics.
func create(ctx context.Context, cfg bus.Config) error {
	p, err := bus.NewProducer(cfg, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer p.Close()
	return p.CreateTopics(ctx)
}
