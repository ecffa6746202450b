package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// forever is a retention of 0 beside others that end, in days: with more, a DateTime, which ends in 2106, would overflow.
const forever = 18_250

// ProjectDays are how many days single projects keep their rows, where that is not the installation's number; 0 is for
// ever. Events' days are those of sessions and signals too.
type ProjectDays struct {
	Events, Replay map[string]int
}

// retention is how long a table's rows are kept: days, and other days for some projects. 0 keeps them for ever.
type retention struct {
	days     int
	projects map[string]int
}

// ttl is the expression of ClickHouse's TTL, as ClickHouse writes it; "" keeps everything. It counts from when a row
// arrived here: no client's or agent's clock may decide what is deleted. However many projects there are, a row costs
// one look into a table of them.
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
	var names, numbers []string
	for _, project := range slices.Sorted(maps.Keys(r.projects)) {
		if projectName.MatchString(project) { // nothing else can be a project, or stand between quotes
			names, numbers = append(names, "'"+project+"'"), append(numbers, fmt.Sprint(kept(r.projects[project])))
		}
	}
	if len(names) > 0 {
		days = fmt.Sprintf("transform(project, [%s], [%s], %s)", strings.Join(names, ", "), strings.Join(numbers, ", "), days)
	}
	return "toDateTime(inserted_at) + toIntervalDay(" + days + ")"
}

// retentions are each table's, with what projects say over what the configuration says of them.
func (c Config) retentions(own ProjectDays) map[string]retention {
	over := func(configured, own map[string]int) map[string]int {
		all := map[string]int{}
		maps.Copy(all, configured)
		maps.Copy(all, own)
		return all
	}
	ofEvents, ofReplay := over(c.ProjectEventDays, own.Events), over(c.ProjectReplayDays, own.Replay)
	events := retention{c.EventDays, ofEvents}
	return map[string]retention{
		"events": events, "sessions": events, "session_days": events, "known_values": events, "page_views": events,
		"signals": {c.SignalDays, ofEvents}, "replay": {c.ReplayDays, ofReplay},
	}
}

// How often the tables are looked at: what an older version or a tool set otherwise is put right, too.
const retentionEvery = 10 * time.Second

// KeepRetention keeps every table's retention as the configuration and the projects say, until ctx ends. own is asked
// again and again; it says false while it does not know.
func (s *Store) KeepRetention(ctx context.Context, own func() (ProjectDays, bool)) error {
	failing := false
	for {
		if days, ok := own(); ok {
			err := s.ApplyRetention(ctx, days)
			if err != nil && ctx.Err() == nil && !failing {
				s.log.Warn("retention is not as it should be: trying again", "error", err)
			}
			failing = err != nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(retentionEvery):
		}
	}
}

// ApplyRetention sets each table's TTL where it is not what the configuration and the projects say.
func (s *Store) ApplyRetention(ctx context.Context, own ProjectDays) error {
	ctx, cancel := context.WithTimeout(ctx, migrationTimeout)
	defer cancel()
	for table, kept := range s.cfg.retentions(own) {
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
		case ttl != "" && !strings.Contains(definition, " TTL "+ttl+" "):
			// Parts that are there only note when their rows end (00080_retention.sql); merges drop the rows.
			change = "MODIFY TTL " + ttl + " SETTINGS materialize_ttl_after_modify = 1"
		default:
			continue
		}
		forms, err := s.cluster.form(fmt.Sprintf("ALTER TABLE %s %s", table, change))
		for _, form := range forms {
			err = errors.Join(err, s.conn.Exec(ctx, form))
		}
		if err != nil {
			return fmt.Errorf("set retention of %s (%s): %w", table, ttl, err)
		}
		s.log.Info("retention changed", "table", table, "ttl", ttl)
	}
	return nil
}
