package store

import (
	"context"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// OnShardsOnly lets a cluster's schema be made where no Keeper is: sharded, and not replicated.
func (s *Store) OnShardsOnly() {
	s.cluster.on, s.cluster.replicas = "", false
}

// ClusterDDL is all that is run on an empty cluster.
func ClusterDDL(cfg Config) (string, error) {
	c, err := clusterOf(cfg)
	if err != nil {
		return "", err
	}
	all := []string{c.versions(schemaVersion)}
	err = eachMigration(func(_ string, statements []string) error {
		for _, statement := range statements {
			forms, err := c.form(statement)
			if err != nil {
				return err
			}
			all = append(all, forms...)
		}
		return nil
	})
	return strings.Join(all, ";\n\n") + ";\n", err
}

// ClusterForm is what a statement becomes.
func ClusterForm(cfg Config, statement string) ([]string, error) {
	c, err := clusterOf(cfg)
	if err != nil {
		return nil, err
	}
	return c.form(statement)
}

// Number runs a query that gives one UInt64, as every query of a reader is run.
func (r *Reader) Number(ctx context.Context, sql string) (n uint64, err error) {
	err = r.query(ctx, sql, nil, func(row driver.Rows) error { return row.Scan(&n) })
	return n, err
}

// ClusterMutation is what changes a table's rows on a cluster.
func ClusterMutation(cfg Config, table, change string) (string, error) {
	c, err := clusterOf(cfg)
	if err != nil {
		return "", err
	}
	return c.mutation(table, change), nil
}
