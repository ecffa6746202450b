package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// forever is a retention of 0 beside others that end, in days: with more, a DateTime, which ends in 2106, would overflow.
const forever = 18_250

// retention is how long a table's rows are kept: days, and other days for some projects. 0 keeps them for ever.
type retention struct {
	days     int
	projects map[string]int
}

// ttl is the expression of ClickHouse's TTL, as ClickHouse writes it; "" keeps everything. It counts from when a row
// arrived here: no client's or agent's clock may decide what is deleted.
func (r retention) ttl() string {
	if r.days == 0 && len(r.projects) == 0 {
		return ""
	}
	kept := func(days int) int {
		if days == 0 {
			return forever
		}
		return days
	}
	days := fmt.Sprint(kept(r.days))
	if len(r.projects) > 0 {
		var cases strings.Builder
		for _, project := range slices.Sorted(maps.Keys(r.projects)) {
			fmt.Fprintf(&cases, "project = '%s', %d, ", project, kept(r.projects[project])) // Validate has seen the names
		}
		days = "multiIf(" + cases.String() + days + ")"
	}
	return "toDateTime(inserted_at) + toIntervalDay(" + days + ")"
}

func (c Config) retentions() map[string]retention {
	events, replay := retention{c.EventDays, c.ProjectEventDays}, retention{c.ReplayDays, c.ProjectReplayDays}
	return map[string]retention{
		"events": events, "sessions": events, "session_days": events, "known_values": events, "page_views": events,
		"signals": {c.SignalDays, c.ProjectEventDays}, "replay": replay,
	}
}

// applyRetention sets each table's TTL where it is not what the configuration says.
func (s *Store) applyRetention(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, migrationTimeout)
	defer cancel()
	for table, kept := range s.cfg.retentions() {
		var definition string
		err := s.conn.QueryRow(ctx, "SELECT engine_full FROM system.tables WHERE database = ? AND name = ?",
			s.cfg.Database, s.cluster.local(table)).Scan(&definition)
		if err != nil {
			return fmt.Errorf("read retention of %s: %w", table, err)
		}
		ttl, change := kept.ttl(), ""
		switch {
		case ttl == "" && strings.Contains(definition, " TTL "):
			change = "REMOVE TTL"
		case ttl != "" && !strings.Contains(definition, " TTL "+ttl):
			change = "MODIFY TTL " + ttl
		default:
			continue
		}
		// Rows that are there already are dropped as parts merge, instead of rewriting everything at once.
		query := fmt.Sprintf("ALTER TABLE %s %s SETTINGS materialize_ttl_after_modify = 0", table, change)
		forms, err := s.cluster.form(query)
		for _, form := range forms {
			err = errors.Join(err, s.conn.Exec(ctx, form))
		}
		if err != nil {
			return fmt.Errorf("set retention of %s (%s): %w", table, ttl, err)
		}
	}
	return nil
}
