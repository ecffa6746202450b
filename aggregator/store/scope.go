package store

import (
	"context"
	"fmt"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// findScoped lists the tables that have projects, those of later migrations too.
func (s *Store) findScoped(ctx context.Context) error {
	var tables []string
	err := s.each(ctx, `SELECT table FROM system.columns WHERE database = @database AND name = 'project' ORDER BY table`,
		[]any{named("database", s.cfg.Database)}, func(row driver.Rows) error {
			var table string
			err := row.Scan(&table)
			tables = append(tables, table)
			return err
		})
	if err != nil {
		return fmt.Errorf("list the tables that have projects: %w", err)
	}
	s.scoped.Store(&tables)
	return nil
}

var quoted = strings.NewReplacer(`\`, `\\`, `'`, `\'`)

// scopeOf is the setting that makes the engine filter every table that has projects: a map of table and condition.
// Before the tables are known it is one that the engine refuses, so that nothing is read unfiltered.
func (s *Store) scopeOf(project string) string {
	tables := s.scoped.Load()
	if tables == nil {
		return "tables are not known yet"
	}
	condition := quoted.Replace("project = '" + quoted.Replace(project) + "'")
	entries := make([]string, len(*tables))
	for i, table := range *tables {
		entries[i] = fmt.Sprintf("'%s.%s':'%s'", s.cfg.Database, table, condition)
	}
	return "{" + strings.Join(entries, ",") + "}"
}
