package store

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Document is one entry of the registry: JSON, found by its kind and id.
type Document struct {
	Kind, ID, JSON string
}

// Registry returns all of the registry's documents.
func (s *Store) Registry(ctx context.Context) ([]Document, error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.QueryTimeout)
	defer cancel()
	var found []Document
	err := s.each(ctx, "SELECT kind, id, document FROM registry FINAL ORDER BY kind, id", nil, func(row driver.Rows) error {
		var d Document
		err := row.Scan(&d.Kind, &d.ID, &d.JSON)
		found = append(found, d)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the registry: %w", err)
	}
	return found, nil
}

// PutRegistry writes documents over those with the same kind and id.
func (s *Store) PutRegistry(ctx context.Context, now time.Time, documents ...Document) error {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.InsertTimeout)
	defer cancel()
	batch, err := s.conn.PrepareBatch(ctx, "INSERT INTO registry (kind, id, version, document)")
	for _, d := range documents {
		if err == nil {
			err = batch.Append(d.Kind, d.ID, uint64(now.UnixMicro()), d.JSON)
		}
	}
	if err == nil {
		err = batch.Send()
	}
	if err != nil {
		return fmt.Errorf("write the registry: %w", err)
	}
	return nil
}

// AuditEntry says who did what. At is Unix milliseconds.
type AuditEntry struct {
	At      int64  `json:"at"`
	Project string `json:"project"`
	Actor   string `json:"actor"`
	Action  string `json:"action"`
	Subject string `json:"subject"`
	Detail  string `json:"detail"`
}

// Audit writes entries.
func (s *Store) Audit(ctx context.Context, entries ...AuditEntry) error {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.InsertTimeout)
	defer cancel()
	batch, err := s.conn.PrepareBatch(ctx, "INSERT INTO audit (at, project, actor, action, subject, detail)")
	for _, e := range entries {
		if err == nil {
			err = batch.Append(time.UnixMilli(e.At), e.Project, e.Actor, e.Action, e.Subject, e.Detail)
		}
	}
	if err == nil {
		err = batch.Send()
	}
	if err != nil {
		return fmt.Errorf("write the audit log: %w", err)
	}
	return nil
}

// AuditLog returns the project's entries before a time, the latest first; with a subject, those about it alone,
// also where that is a session which has been erased since. The
// entries of the last one's time all come, beyond the limit, so that the next page begins before it.
func (r *Reader) AuditLog(ctx context.Context, before int64, subject string, limit int) ([]AuditEntry, error) {
	entries := []AuditEntry{}
	err := r.query(ctx, `SELECT toUnixTimestamp64Milli(at), project, actor, action, subject, detail FROM audit
		WHERE project = @project AND at < `+ms("before")+` AND (@subject = '' OR subject IN (@subject, `+tombstone("@subject")+`))
		ORDER BY at DESC LIMIT @limit WITH TIES`,
		[]any{named("before", before), named("subject", subject), named("limit", limit)}, func(row driver.Rows) error {
			var e AuditEntry
			err := row.Scan(&e.At, &e.Project, &e.Actor, &e.Action, &e.Subject, &e.Detail)
			entries = append(entries, e)
			return err
		})
	return entries, err
}

// each runs a query that is not one project's, and calls scan for each row.
func (s *Store) each(ctx context.Context, sql string, args []any, scan func(row driver.Rows) error) error {
	rows, err := s.conn.Query(ctx, sql, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
