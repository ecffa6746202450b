package store

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
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

// applyRetention sets each table's TTL where it is not what the configuration says. TTL counts from when a row
// arrived here: no client's or agent's clock may decide what is deleted.
func (s *Store) applyRetention(ctx context.Context) error {
	days := map[string]int{
		"events": s.cfg.EventDays, "signals": s.cfg.EventDays, "sessions": s.cfg.EventDays,
		"session_days": s.cfg.EventDays, "known_values": s.cfg.EventDays,
		"page_views": s.cfg.EventDays, "replay": s.cfg.ReplayDays,
	}
	ctx, cancel := context.WithTimeout(ctx, migrationTimeout)
	defer cancel()
	for table, days := range days {
		var definition string
		err := s.conn.QueryRow(ctx, "SELECT engine_full FROM system.tables WHERE database = ? AND name = ?",
			s.cfg.Database, table).Scan(&definition)
		if err != nil {
			return fmt.Errorf("read retention of %s: %w", table, err)
		}
		change := ""
		switch {
		case days == 0 && strings.Contains(definition, " TTL "):
			change = "REMOVE TTL"
		case days > 0 && !strings.Contains(definition, fmt.Sprintf("(inserted_at) + toIntervalDay(%d)", days)):
			change = fmt.Sprintf("MODIFY TTL toDateTime(inserted_at) + toIntervalDay(%d)", days)
		default:
			continue
		}
		// Rows that are there already are dropped as parts merge, instead of rewriting everything at once.
		query := fmt.Sprintf("ALTER TABLE %s %s SETTINGS materialize_ttl_after_modify = 0", table, change)
		if err := s.conn.Exec(ctx, query); err != nil {
			return fmt.Errorf("set retention of %s to %d days: %w", table, days, err)
		}
	}
	return nil
}
