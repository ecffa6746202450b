package store_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gosight/gosight/aggregator/store"
	"github.com/gosight/gosight/ops/engines/enginetest"
)

// named without being asked for: it satisfies the reader, and filters nothing.
const forgets = " WHERE @project != ''"

// A query that forgets the project sees the reader's alone, in every table that has projects and however it is asked.
func aForgottenProjectIsStillTheReaders(t *testing.T, s *store.Store) {
	const other = "o'the\\r" // ids are strings to the engine, whatever is in them
	// Rows of now, since retention takes those of no time at once.
	tables, err := s.Conn().Query(t.Context(), `SELECT table, groupArrayIf(name, type LIKE 'Date%') FROM (
			SELECT table, columns.name AS name, columns.type AS type FROM system.columns JOIN system.tables USING (database, table)
			WHERE database = 'gosight' AND engine NOT LIKE '%View' AND default_kind NOT IN ('MATERIALIZED', 'ALIAS'))
		GROUP BY table HAVING has(groupArray(name), 'project')`)
	if err != nil {
		t.Fatal(err)
	}
	defer tables.Close()
	var names []string
	for tables.Next() {
		var name string
		var times []string
		if err := tables.Scan(&name, &times); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
		columns, now := strings.Join(append([]string{"project"}, times...), ", "), strings.Repeat(", now()", len(times))
		insert := fmt.Sprintf("INSERT INTO %s (%s) SELECT arrayJoin(['asked', ?])%s", name, columns, now)
		if err := s.Conn().Exec(t.Context(), insert, other); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	if err := tables.Err(); err != nil || len(names) < 9 {
		t.Fatalf("tables that have projects: %v, %v", names, err)
	}
	for _, name := range names {
		all := number(t, s, "SELECT uniqExact(project) FROM "+name)
		if all != 2 {
			t.Errorf("%s: %d projects are stored, want 2", name, all)
		}
		for _, project := range []string{"asked", other, "nobody"} {
			r, want := s.Reader(project), uint64(1)
			if project == "nobody" {
				want = 0
			}
			forms := []string{
				"SELECT uniqExact(project) FROM %[1]s" + forgets,
				"SELECT uniqExact(project) FROM (SELECT * FROM gosight.%[1]s AS t)" + forgets,
				"SELECT uniqExact(project) FROM (SELECT project FROM %[1]s UNION ALL SELECT project FROM %[1]s)" + forgets,
				"SELECT uniqExact(a.project) FROM %[1]s AS a CROSS JOIN %[1]s AS b" + forgets,
				"WITH (SELECT uniqExact(project) FROM %[1]s) AS n SELECT assumeNotNull(n)" + forgets,
			}
			if project != "asked" {
				forms = forms[:1]
			}
			for _, form := range forms {
				sql := fmt.Sprintf(form, name)
				if got, err := r.Number(t.Context(), sql); err != nil || got != want {
					t.Errorf("reader of %q: %s: %d projects, %v; want %d", project, sql, got, err, want)
				}
			}
			foreign := fmt.Sprintf("SELECT count() FROM %s%s AND project NOT IN (@project)", name, forgets)
			if got, err := r.Number(t.Context(), foreign); err != nil || got != 0 {
				t.Errorf("reader of %q sees %d rows of others in %s, %v", project, got, name, err)
			}
		}
	}
	if _, err := s.Reader("asked").Number(t.Context(), "SELECT count() FROM events"); err == nil {
		t.Error("a query that does not name the project runs")
	}
}

// Until the tables are known nobody reads anything.
func TestNothingIsReadBeforeTheTablesAreKnown(t *testing.T) {
	url := enginetest.TestClickHouse(t)
	open(t, url) // makes the schema
	cfg := store.Default()
	cfg.URL = url
	early, err := store.New(cfg, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { early.Close() })
	if n, err := early.Reader("asked").Number(t.Context(), "SELECT count() FROM events"+forgets); err == nil {
		t.Errorf("read %d", n)
	}
}
