package store

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/pressly/goose/v3"
)

// Migrations only ever add: several aggregators of different versions may be at work on one database. Statements
// say IF NOT EXISTS, so that two that start at once both succeed.
//
//go:embed migrations/*.sql
var migrations embed.FS

// schemaVersion is the table of the migrations that are done.
const schemaVersion = "schema_version"

// Some migrations read the whole ledger.
const migrationTimeout = 30 * time.Minute

func (s *Store) migrate(ctx context.Context) error {
	db := clickhouse.OpenDB(options(s.cfg, s.cfg.Database))
	defer db.Close()
	ctx, cancel := context.WithTimeout(ctx, migrationTimeout)
	defer cancel()
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	how := []goose.ProviderOption{goose.WithTableName(schemaVersion), goose.WithDisableGlobalRegistry(true)}
	if s.cluster != nil {
		forms, err := s.cluster.migrations()
		if err != nil {
			return err
		}
		if err := execute(ctx, db, []string{s.cluster.versions(schemaVersion)}); err != nil {
			return fmt.Errorf("migrate clickhouse: %w", err)
		}
		files, how = nil, append(how, goose.WithGoMigrations(forms...))
	}
	provider, err := goose.NewProvider(goose.DialectClickHouse, db, files, how...)
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	results, err := provider.Up(ctx)
	if err != nil {
		return fmt.Errorf("migrate clickhouse: %w", err)
	}
	for _, result := range results {
		s.log.Info("migrated clickhouse", "migration", result.Source.Version, "took", result.Duration)
	}
	return nil
}
