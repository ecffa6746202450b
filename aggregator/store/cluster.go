package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/pressly/goose/v3"
)

// cluster is the schema's form on several servers, made of the same migrations as on one.
//
// A table whose sorting key has session_id is cut into shards by (project, session_id): X_local is replicated within
// a shard, and X, which everybody reads and writes, is Distributed over them. All repeats of a row meet on one shard,
// where FINAL sees them. Any other table is small and is on every server in full. A nil cluster is one server.
type cluster struct {
	name, database string
	on             string   // follows what a statement makes or changes
	replicas       bool     // tables are replicated
	sharded        []string // tables
}

// clusterOf is nil where the configuration has none.
func clusterOf(cfg Config) (*cluster, error) {
	if cfg.Cluster == "" {
		return nil, nil
	}
	c := &cluster{name: cfg.Cluster, database: cfg.Database, on: " ON CLUSTER " + cfg.Cluster, replicas: true}
	return c, c.learn()
}

// learn finds out which tables are sharded.
func (c *cluster) learn() error {
	return eachMigration(func(_ string, statements []string) error {
		for _, statement := range statements {
			if table := createTable.FindStringSubmatch(statement); table != nil && sessionKey.MatchString(table[5]) {
				c.sharded = append(c.sharded, table[1])
			}
		}
		return nil
	})
}

// eachMigration visits the migrations in order.
func eachMigration(visit func(name string, statements []string) error) error {
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	slices.Sort(names)
	for _, name := range names {
		text, err := fs.ReadFile(migrations, name)
		if err != nil {
			return fmt.Errorf("read migrations: %w", err)
		}
		if err := visit(path.Base(name), statements(string(text))); err != nil {
			return fmt.Errorf("migration %s: %w", path.Base(name), err)
		}
	}
	return nil
}

const shardKey = "cityHash64(project, session_id)"

var (
	createTable = regexp.MustCompile(`(?s)^CREATE TABLE IF NOT EXISTS (\w+)(\s*\(.*\)\s*)ENGINE = (\w+)(?:\(([^)]*)\))?(\s.*)$`)
	createView  = regexp.MustCompile(`(?s)^CREATE MATERIALIZED VIEW IF NOT EXISTS (\w+) TO (\w+) AS(\s.*)$`)
	alterTable  = regexp.MustCompile(`(?s)^ALTER TABLE (\w+)(\s.*)$`)
	drop        = regexp.MustCompile(`^DROP (TABLE|VIEW) IF EXISTS (\w+)$`)
	columns     = regexp.MustCompile(`(?i)^\s*(ADD|DROP|MODIFY|RENAME|COMMENT|ALTER|CLEAR) COLUMN`)
	parts       = regexp.MustCompile(`(?i)^\s*(ADD|DROP|MATERIALIZE|CLEAR) (INDEX|PROJECTION|STATISTICS|CONSTRAINT)|^\s*(MODIFY|REMOVE|MATERIALIZE) (TTL|SETTING|ORDER BY|QUERY)`)
	sessionKey  = regexp.MustCompile(`(?s)ORDER BY \([^)]*\bsession_id\b`)
)

// migrations are goose's, in the cluster's form.
func (c *cluster) migrations() ([]*goose.Migration, error) {
	var out []*goose.Migration
	err := eachMigration(func(name string, statements []string) error {
		number, _, _ := strings.Cut(name, "_")
		version, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return fmt.Errorf("want NUMBER_name.sql: %w", err)
		}
		var forms []string
		for _, statement := range statements {
			form, err := c.form(statement)
			if err != nil {
				return err
			}
			forms = append(forms, form...)
		}
		up := func(ctx context.Context, db *sql.DB) error { return execute(ctx, db, forms) }
		out = append(out, goose.NewGoMigration(version, &goose.GoFunc{RunDB: up}, nil))
		return nil
	})
	return out, err
}

func execute(ctx context.Context, db *sql.DB, statements []string) error {
	for _, statement := range statements {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			first, _, _ := strings.Cut(statement, "\n")
			return fmt.Errorf("%s: %w", first, err)
		}
	}
	return nil
}

// statements are those of a migration's way up, without comments.
func statements(text string) []string {
	up, _, _ := strings.Cut(text, "-- +goose Down")
	var lines []string
	for line := range strings.Lines(up) {
		if !strings.HasPrefix(strings.TrimSpace(line), "--") {
			lines = append(lines, line)
		}
	}
	var out []string
	for _, statement := range strings.Split(strings.Join(lines, "")+"\n", ";\n") {
		if statement = strings.TrimSpace(statement); statement != "" {
			out = append(out, statement)
		}
	}
	return out
}

// local is where a table's rows are, on each server.
func (c *cluster) local(table string) string {
	if c != nil && slices.Contains(c.sharded, table) {
		return table + "_local"
	}
	return table
}

// whole is what a table is read by whose rows are in local.
func (c *cluster) whole(local string) string {
	if table := strings.TrimSuffix(local, "_local"); c != nil && slices.Contains(c.sharded, table) {
		return table
	}
	return local
}

// mutation rewrites a table's rows. Each shard has its own; of what is on every server, one tells the others.
func (c *cluster) mutation(table, change string) string {
	if local := c.local(table); local != table {
		return "ALTER TABLE " + local + c.on + " " + change
	}
	return "ALTER TABLE " + table + " " + change
}

// each reads a table that every server has for itself.
func (c *cluster) each(table string) string {
	if c == nil {
		return table
	}
	return fmt.Sprintf("clusterAllReplicas(%s, %s)", c.name, table)
}

// engine is the clause for a table of which each shard has its own, or of which all have the same.
func (c *cluster) engine(table, engine, arguments string, ofShard bool) string {
	if !c.replicas {
		return fmt.Sprintf("ENGINE = %s(%s)", engine, arguments)
	}
	where := fmt.Sprintf("'/clickhouse/tables/all/%s/%s', '{shard}-{replica}'", c.database, table)
	if ofShard {
		where = fmt.Sprintf("'/clickhouse/tables/{shard}/%s/%s', '{replica}'", c.database, table)
	}
	if arguments != "" {
		where += ", " + arguments
	}
	return fmt.Sprintf("ENGINE = Replicated%s(%s)", engine, where)
}

// form is what a statement for one server becomes.
func (c *cluster) form(statement string) ([]string, error) {
	if c == nil {
		return []string{statement}, nil
	}
	if m := createTable.FindStringSubmatch(statement); m != nil {
		table, sharded := m[1], slices.Contains(c.sharded, m[1])
		local := "CREATE TABLE IF NOT EXISTS " + c.local(table) + c.on + m[2] +
			c.engine(c.local(table), m[3], m[4], sharded) + m[5]
		if !sharded {
			return []string{local}, nil
		}
		return []string{local, fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s%s AS %s.%s\nENGINE = Distributed(%s, %s, %s, %s)",
			table, c.on, c.database, c.local(table), c.name, c.database, c.local(table), shardKey)}, nil
	}
	if m := createView.FindStringSubmatch(statement); m != nil {
		return []string{"CREATE MATERIALIZED VIEW IF NOT EXISTS " + m[1] + c.on + " TO " + c.local(m[2]) + " AS" +
			c.ofShard(m[3])}, nil
	}
	if m := alterTable.FindStringSubmatch(statement); m != nil {
		table, change := m[1], m[2]
		switch isColumns, isParts := columns.MatchString(change), parts.MatchString(change); {
		case isColumns && c.local(table) != table:
			return []string{"ALTER TABLE " + c.local(table) + c.on + change, "ALTER TABLE " + table + c.on + change}, nil
		case isColumns, isParts:
			return []string{"ALTER TABLE " + c.local(table) + c.on + c.ofShard(change)}, nil
		}
	}
	if m := drop.FindStringSubmatch(statement); m != nil {
		forms := []string{"DROP " + m[1] + " IF EXISTS " + m[2] + c.on + " SYNC"}
		if local := c.local(m[2]); local != m[2] {
			forms = append(forms, "DROP "+m[1]+" IF EXISTS "+local+c.on+" SYNC")
		}
		return forms, nil
	}
	if strings.HasPrefix(statement, "CREATE DATABASE ") {
		return []string{statement + c.on}, nil
	}
	if strings.HasPrefix(statement, "INSERT INTO ") {
		return []string{statement}, nil // reads and writes all shards
	}
	first, _, _ := strings.Cut(statement, "\n")
	return nil, errors.New("cluster.go does not know this kind of statement: " + first)
}

// ofShard lets a view's query read the rows of its own server, by the names that it has for them.
func (c *cluster) ofShard(query string) string {
	for _, table := range c.sharded {
		from := regexp.MustCompile(`\bFROM ` + table + `\b`)
		query = from.ReplaceAllString(query, "FROM "+c.local(table)+" AS "+table)
	}
	return query
}

// versions is the table in which goose keeps what it has done, the same on every server.
func (c *cluster) versions(table string) string {
	return "CREATE TABLE IF NOT EXISTS " + table + c.on +
		" (version_id Int64, is_applied UInt8, date Date DEFAULT now(), tstamp DateTime DEFAULT now())\n" +
		c.engine(table, "MergeTree", "", false) + " ORDER BY version_id"
}
