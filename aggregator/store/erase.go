package store

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// personalTables are all tables that have sessions' rows, those of later migrations too. On a cluster they are called by
// the names that reach every shard.
func (s *Store) personalTables(ctx context.Context) ([]string, error) {
	var tables []string
	err := s.each(ctx, `SELECT table FROM system.columns
		WHERE database = @database AND name IN ('project', 'session_id') AND default_kind != 'ALIAS'
			AND table IN (SELECT name FROM system.tables WHERE database = @database AND engine LIKE '%MergeTree')
		GROUP BY table HAVING count() = 2 ORDER BY table`,
		[]any{named("database", s.cfg.Database)}, func(row driver.Rows) error {
			var table string
			err := row.Scan(&table)
			tables = append(tables, s.cluster.whole(table))
			return err
		})
	if err != nil {
		return nil, fmt.Errorf("list the tables with people's rows: %w", err)
	}
	return tables, nil
}

// SessionsOf returns the sessions in which a user was seen. Every table that names users is asked: they are not kept for
// equally long.
func (s *Store) SessionsOf(ctx context.Context, project, user string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.QueryTimeout)
	defer cancel()
	var sessions []string
	err := s.each(ctx, `SELECT DISTINCT session_id FROM (
			SELECT session_id FROM events WHERE project = @project AND user_id = @user
			UNION ALL SELECT session_id FROM signals WHERE project = @project AND user_id = @user
			UNION ALL SELECT session_id FROM sessions WHERE project = @project AND last_user.user_id = @user
			UNION ALL SELECT session_id FROM session_days WHERE project = @project AND last_user.user_id = @user
		) ORDER BY session_id`,
		[]any{named("project", project), named("user", user)}, func(row driver.Rows) error {
			var session string
			err := row.Scan(&session)
			sessions = append(sessions, session)
			return err
		})
	if err != nil {
		return nil, fmt.Errorf("find the user's sessions: %w", err)
	}
	return sessions, nil
}

// What bounds the size of one statement.
const sessionsAtOnce, hashesAtOnce = 500, 5000

// personal are the rows of sessions. A mutation's text stays with the table, so users are not named in it.
const personal = "project = @project AND session_id IN @sessions"

// Erase removes all rows of sessions from every table, and what only they did from the lists of known values. The audit
// log goes on to say that their replays were read, under their tombstones. It returns how many rows each table lost, once
// the engine has rewritten the parts that held them. The files of the parts before are deleted by the engine itself,
// after its old_parts_lifetime: eight minutes, where nobody has set another.
func (s *Store) Erase(ctx context.Context, project string, sessions []string) (map[string]uint64, error) {
	tables, err := s.personalTables(ctx)
	if err != nil {
		return nil, err
	}
	removed := map[string]uint64{}
	for chunk := range slices.Chunk(sessions, sessionsAtOnce) {
		args := []any{named("project", project), named("sessions", set(chunk))}
		if err := s.eraseKnown(ctx, args, removed); err != nil { // while it is known what they did
			return nil, err
		}
		if _, err := s.mutate(ctx, "audit", "UPDATE subject = "+tombstone("subject"), "project = @project AND subject IN @sessions", args); err != nil {
			return nil, err
		}
		for _, table := range tables {
			rows, err := s.mutate(ctx, table, "DELETE", personal, args)
			if err != nil {
				return nil, err
			}
			if rows > 0 {
				removed[table] += rows
			}
		}
	}
	return removed, s.waitForMutations(ctx)
}

// tombstone is registry.SessionTombstone of the session that an expression names.
func tombstone(session string) string {
	return `lower(hex(substring(SHA256(concat('session\0', project, '\0', ` + session + `)), 1, 16)))`
}

// eraseKnown removes the values that no other session knows: the address of a page may name who it is of. Where another
// session brings such a value in this very moment, it is known once it comes again.
func (s *Store) eraseKnown(ctx context.Context, args []any, removed map[string]uint64) error {
	var theirs []uint64
	err := s.conn.QueryRow(ctx, "SELECT groupUniqArrayArray(touched) FROM session_days WHERE "+personal, args...).Scan(&theirs)
	if err != nil {
		return fmt.Errorf("read what is to be erased from known_values: %w", err)
	}
	for chunk := range slices.Chunk(theirs, hashesAtOnce) {
		hashes := clickhouse.GroupSet{}
		for _, hash := range chunk {
			hashes.Value = append(hashes.Value, hash)
		}
		rows, err := s.mutate(ctx, "known_values", "DELETE", `project = @project
			AND cityHash64(concat(kind, ':', value)) IN @hashes AND cityHash64(concat(kind, ':', value)) NOT IN (
				SELECT arrayJoin(touched) FROM `+s.cfg.Database+`.session_days
				WHERE project = @project AND session_id NOT IN @sessions)`, append([]any{named("hashes", hashes)}, args...))
		if err != nil {
			return err
		}
		if rows > 0 {
			removed["known_values"] += rows
		}
	}
	return nil
}

// mutate changes rows on every server that has them, where there are any, and returns how many. It does not wait.
func (s *Store) mutate(ctx context.Context, table, change, where string, args []any) (rows uint64, err error) {
	if err := s.conn.QueryRow(ctx, "SELECT count() FROM "+table+" WHERE "+where, args...).Scan(&rows); err != nil {
		return 0, fmt.Errorf("count what is to be erased from %s: %w", table, err)
	}
	if rows == 0 {
		return 0, nil
	}
	// Replicas rewrite their parts each by themselves; the subquery of eraseKnown says the same on all of them.
	replicas := clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"allow_nondeterministic_mutations": 1}))
	if err := s.conn.Exec(replicas, s.cluster.mutation(table, change+" WHERE "+where), args...); err != nil {
		return 0, fmt.Errorf("erase from %s: %w", table, err)
	}
	return rows, nil
}

// ForgetVersions drops what registry entries said before: an erasure's name, once it is complete.
func (s *Store) ForgetVersions(ctx context.Context) error {
	if err := s.conn.Exec(ctx, "OPTIMIZE TABLE registry FINAL"); err != nil {
		return fmt.Errorf("merge the registry: %w", err)
	}
	return nil
}

// waitForMutations returns when no part is left to be rewritten, on any server.
func (s *Store) waitForMutations(ctx context.Context) error {
	poll := time.NewTicker(100 * time.Millisecond)
	defer poll.Stop()
	for {
		var left uint64
		var failed string
		err := s.conn.QueryRow(ctx, `SELECT count(), max(latest_fail_reason) FROM `+s.cluster.each("system.mutations")+`
			WHERE database = @database AND NOT is_done`, named("database", s.cfg.Database)).Scan(&left, &failed)
		switch {
		case err != nil:
			return fmt.Errorf("follow mutations: %w", err)
		case left == 0:
			return nil
		case failed != "":
			return fmt.Errorf("the engine cannot rewrite a part: %s", failed)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the engine to rewrite parts: %w", ctx.Err())
		case <-poll.C:
		}
	}
}

// ExportSessionsWhole writes every row of sessions, as lines of JSON that say their table.
func (s *Store) ExportSessionsWhole(ctx context.Context, project string, sessions []string, to io.Writer) error {
	tables, err := s.personalTables(ctx)
	if err != nil {
		return err
	}
	reader := s.Reader(project)
	for chunk := range slices.Chunk(sessions, sessionsAtOnce) {
		for _, table := range tables {
			err := reader.export(ctx, "ndjson", "SELECT '"+table+"' AS `table`, * EXCEPT(project) FROM "+table+" FINAL WHERE "+personal,
				[]any{named("sessions", set(chunk))}, to)
			if err != nil {
				return err
			}
		}
	}
	return nil
}
