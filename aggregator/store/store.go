// Package store is GoSight's memory: the ClickHouse schema, its migrations, inserts by column and queries.
//
// Every table may be given the same rows any number of times, in any order: identities are ids alone, versions
// and aggregates are idempotent, and `SELECT … FROM table FINAL` is exact. Whoever inserts may therefore always
// insert again. Only this package imports clickhouse-go.
package store

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/prometheus/client_golang/prometheus"
)

// Store is a connection pool to GoSight's database. Safe for concurrent use.
type Store struct {
	cfg     Config
	cluster *cluster
	conn    driver.Conn
	metrics *metrics
	log     *slog.Logger
	scoped  atomic.Pointer[[]string] // tables that have projects
}

// New makes a store. Nothing is connected yet: ClickHouse may still be starting.
func New(cfg Config, reg prometheus.Registerer, log *slog.Logger) (*Store, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cluster, err := clusterOf(cfg)
	if err != nil {
		return nil, err
	}
	conn, err := clickhouse.Open(options(cfg, cfg.Database))
	if err != nil {
		return nil, fmt.Errorf("open clickhouse: %w", err)
	}
	return &Store{cfg: cfg, cluster: cluster, conn: conn, metrics: newMetrics(reg), log: log}, nil
}

// Open is New and Migrate, with the retention that the configuration says.
func Open(ctx context.Context, cfg Config, reg prometheus.Registerer, log *slog.Logger) (*Store, error) {
	s, err := New(cfg, reg, log)
	if err != nil {
		return nil, err
	}
	err = s.Migrate(ctx)
	if err == nil {
		err = s.ApplyRetention(ctx, ProjectDays{})
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Migrate creates the database and brings its schema up to date. It fails where ClickHouse does not answer; call it
// again. Retention is KeepRetention's.
func (s *Store) Migrate(ctx context.Context) error {
	if err := s.createDatabase(ctx); err != nil {
		return err
	}
	if err := s.migrate(ctx); err != nil {
		return err
	}
	return s.findScoped(ctx)
}

// Conn is the pool, for the queries in this package's other files.
func (s *Store) Conn() driver.Conn { return s.conn }

// EventDays is how long events are kept, 0 for ever.
func (s *Store) EventDays() int { return s.cfg.EventDays }

// Ping says whether ClickHouse answers.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.conn.Ping(ctx); err != nil {
		return fmt.Errorf("ping clickhouse: %w", err)
	}
	return nil
}

// Close closes the pool; inserts and queries under way fail.
func (s *Store) Close() error { return s.conn.Close() }

func options(cfg Config, database string) *clickhouse.Options {
	u, _ := url.Parse(cfg.URL) // Validate has seen it
	opts := &clickhouse.Options{
		Protocol:        clickhouse.HTTP,
		Addr:            []string{u.Host},
		HttpUrlPath:     u.Path,
		Auth:            clickhouse.Auth{Database: database, Username: cfg.User, Password: cfg.Password},
		DialTimeout:     cfg.DialTimeout,
		MaxOpenConns:    cfg.MaxConnections,
		MaxIdleConns:    cfg.MaxConnections,
		ConnMaxLifetime: time.Hour,
		ClientInfo:      clickhouse.ClientInfo{Products: []struct{ Name, Version string }{{Name: "gosight"}}},
	}
	if cfg.Cluster != "" {
		opts.Settings = clickhouse.Settings{
			// An insert is acknowledged when the shards have its rows, and not when the server that took it has.
			"distributed_foreground_insert": 1,
			// What belongs to a session is on one shard, so subqueries and joins stay there.
			"distributed_product_mode": "local", "optimize_skip_unused_shards": 1,
		}
	}
	if u.Scheme == "https" {
		opts.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	return opts
}

func (s *Store) createDatabase(ctx context.Context) error {
	conn, err := clickhouse.Open(options(s.cfg, ""))
	if err != nil {
		return fmt.Errorf("open clickhouse: %w", err)
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(ctx, s.cfg.QueryTimeout)
	defer cancel()
	forms, err := s.cluster.form("CREATE DATABASE IF NOT EXISTS " + s.cfg.Database)
	for _, form := range forms {
		err = errors.Join(err, conn.Exec(ctx, form))
	}
	if err != nil {
		return fmt.Errorf("create database %s at %s: %w", s.cfg.Database, s.cfg.URL, err)
	}
	return nil
}
