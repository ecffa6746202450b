package store

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Segment is a filter of the sessions list under a name.
type Segment struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	Filter    string `json:"filter" doc:"Query string of the sessions list."`
	ChangedAt int64  `json:"changed_at"`
}

// Annotation is a moment worth a line on charts.
type Annotation struct {
	ID    string `json:"id"`
	At    int64  `json:"at" doc:"Unix milliseconds."`
	Title string `json:"title"`
	Text  string `json:"text"`
	Kind  string `json:"kind" enum:"note,release" doc:"release: the first visit with this release in its metadata; it cannot be changed."`
}

// Segments returns the project's saved segments by name.
func (r *Reader) Segments(ctx context.Context) ([]Segment, error) {
	segments := []Segment{}
	err := r.query(ctx, `SELECT id, name, filter, toUnixTimestamp64Milli(changed_at) FROM segments FINAL
		WHERE project = @project ORDER BY lower(name), id LIMIT 1000`, nil, func(row driver.Rows) error {
		var s Segment
		if err := row.Scan(&s.ID, &s.Name, &s.Filter, &s.ChangedAt); err != nil {
			return err
		}
		segments = append(segments, s)
		return nil
	})
	return segments, err
}

// SaveSegment stores a segment under its id, over what was there.
func (s *Store) SaveSegment(ctx context.Context, project string, segment Segment) error {
	return s.save(ctx, "segment", `INSERT INTO segments (project, id, name, filter, changed_at, is_deleted)
		SELECT @project, @id, @name, @filter, now64(3), 0`,
		named("project", project), named("id", segment.ID), named("name", segment.Name), named("filter", segment.Filter))
}

// DeleteSegment takes a segment away; one that is not there is no error.
func (s *Store) DeleteSegment(ctx context.Context, project, id string) error {
	return s.save(ctx, "segment", `INSERT INTO segments (project, id, changed_at, is_deleted) SELECT @project, @id, now64(3), 1`,
		named("project", project), named("id", id))
}

// Annotations returns what is noted in the period, and the releases that were first seen in it, in time order.
func (r *Reader) Annotations(ctx context.Context, from, to int64) ([]Annotation, error) {
	annotations := []Annotation{}
	err := r.query(ctx, `SELECT * FROM (
			SELECT id, toUnixTimestamp64Milli(at) AS moment, title, text, 'note' AS kind FROM annotations FINAL WHERE project = @project
			UNION ALL
			SELECT concat('release:', value), toUnixTimestamp64Milli(min(started_at)), value, '', 'release' FROM session_days
				ARRAY JOIN touched AS hash
				INNER JOIN (SELECT hash, any(value) AS value, min(first_day) AS first FROM known_values
					WHERE project = @project AND kind = 'release' GROUP BY hash
					HAVING first BETWEEN @first_day AND @last_day) AS known USING (hash)
			WHERE project = @project AND day BETWEEN @first_day AND @last_day GROUP BY value)
		WHERE moment >= @from_ms AND moment < @to_ms ORDER BY moment, id LIMIT 1000`,
		[]any{named("from_ms", from), named("to_ms", to), named("first_day", date(from)), named("last_day", date(to))},
		func(row driver.Rows) error {
			var a Annotation
			if err := row.Scan(&a.ID, &a.At, &a.Title, &a.Text, &a.Kind); err != nil {
				return err
			}
			annotations = append(annotations, a)
			return nil
		})
	return annotations, err
}

// SaveAnnotation stores an annotation under its id, over what was there.
func (s *Store) SaveAnnotation(ctx context.Context, project string, a Annotation) error {
	return s.save(ctx, "annotation", `INSERT INTO annotations (project, id, at, title, text, changed_at, is_deleted)
		SELECT @project, @id, `+ms("at_ms")+`, @title, @text, now64(3), 0`,
		named("project", project), named("id", a.ID), named("at_ms", a.At), named("title", a.Title), named("text", a.Text))
}

// DeleteAnnotation takes an annotation away; one that is not there is no error.
func (s *Store) DeleteAnnotation(ctx context.Context, project, id string) error {
	return s.save(ctx, "annotation", `INSERT INTO annotations (project, id, changed_at, is_deleted) SELECT @project, @id, now64(3), 1`,
		named("project", project), named("id", id))
}

// save runs an insert of one row. Two changes of one id within a millisecond are told apart by nothing: people type
// more slowly.
func (s *Store) save(ctx context.Context, what, sql string, args ...any) error {
	ctx, cancel := context.WithTimeout(ctx, min(s.cfg.InsertTimeout, 5*time.Second))
	defer cancel()
	if err := s.conn.Exec(ctx, sql, args...); err != nil {
		return fmt.Errorf("save %s: %w", what, err)
	}
	return nil
}
