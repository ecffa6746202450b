package store

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/pressly/goose/v3"
)

// Migrations only ever add: several aggregators of different versions may be at work on one database. Statements
// say IF NOT EXISTS, so that two that start at once both succeed.
//
//go:embed migrations/*.sql
var migrations embed.FS

// Some migrations read the whole ledger.
const migrationTimeout = 30 * time.Minute

func migrate(ctx context.Context, cfg Config, log *slog.Logger) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	db := clickhouse.OpenDB(options(cfg, cfg.Database))
	defer db.Close()
	provider, err := goose.NewProvider(goose.DialectClickHouse, db, files,
		goose.WithTableName("schema_version"), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, migrationTimeout)
	defer cancel()
	results, err := provider.Up(ctx)
	if err != nil {
		return fmt.Errorf("migrate clickhouse: %w", err)
	}
	for _, result := range results {
		log.Info("migrated clickhouse", "migration", result.Source.Path, "took", result.Duration)
	}
	return nil
}
