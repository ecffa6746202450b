package store_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/gosight/gosight/aggregator/store"
)

// A project's days are changed while rows of it are there already: those past them go by themselves, others' stay, and
// the disk has the room back.
func retentionIsEachProjects(t *testing.T, s *store.Store) {
	exec := func(query string) {
		t.Helper()
		if err := s.Conn().Exec(t.Context(), query); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
	}
	// A day is long for a test: it begins with the merge before.
	for _, table := range []string{"events", "replay"} {
		var local string
		if err := s.Conn().QueryRow(t.Context(), "SELECT name FROM system.tables WHERE database = 'gosight' AND name IN ('"+table+"', '"+table+"_local') AND engine LIKE '%MergeTree'").Scan(&local); err != nil {
			t.Fatal(err)
		}
		exec("ALTER TABLE " + local + " MODIFY SETTING merge_with_ttl_timeout = 0, old_parts_lifetime = 1")
	}
	// Of both tables that differ in their days: 60 days, a row of each project a day, a few kilobytes each.
	for table, columns := range map[string][2]string{
		"events": {"payload", "randomString(4000 + number % 7)"}, "replay": {"data", "randomString(4000 + number % 7)"},
	} {
		exec(fmt.Sprintf(`INSERT INTO %s (project, session_id, event_id, received_at, inserted_at, %s)
			SELECT ['short', 'own', 'other'][number %% 3 + 1], 's', toString(number), now64(3) - toIntervalDay(intDiv(number, 3)),
				now64(3) - toIntervalDay(intDiv(number, 3)) - 3600, %s FROM numbers(180)
			SETTINGS max_partitions_per_insert_block = 0, optimize_on_insert = 0`, table, columns[0], columns[1]))
	}
	// On one server also of parts that are done with, until they are off the disk, which takes the engine half a minute.
	bytes := func(table string) uint64 {
		return number(t, s, "SELECT sum(bytes_on_disk) FROM system.parts WHERE database = 'gosight' AND (table = '"+table+"' OR table = '"+table+"_local' AND active)")
	}
	rows := func(table, project string) uint64 {
		return number(t, s, "SELECT count() FROM "+table+" WHERE project = '"+project+"'")
	}
	before := map[string]uint64{"events": bytes("events"), "replay": bytes("replay")}

	if err := s.ApplyRetention(t.Context(), store.ProjectDays{
		Events: map[string]int{"short": 7, "own": 400}, Replay: map[string]int{"short": 2, "o'": 1},
	}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct {
		table, project string
		rows           uint64
	}{
		{"events", "short", 7}, {"events", "own", 60}, {"events", "other", 60},
		{"replay", "short", 2}, {"replay", "own", 30}, {"replay", "other", 30},
	} {
		eventually(t, fmt.Sprintf("%s has %d rows of %s", want.table, want.rows, want.project), func() string {
			if got := rows(want.table, want.project); got != want.rows {
				return fmt.Sprint(got)
			}
			return ""
		})
	}
	for table, was := range before {
		// 53 of 180 rows of events are gone, and 118 of replay.
		limit := was * 8 / 10
		eventually(t, fmt.Sprintf("%s takes at most %d of its %d bytes", table, limit, was), func() string {
			if got := bytes(table); got > limit {
				return fmt.Sprint(got)
			}
			return ""
		})
		t.Logf("%s: %d bytes on disk before, %d after", table, was, bytes(table))
	}

	// Without days of its own a project has the installation's again; those that are gone stay gone.
	if err := s.ApplyRetention(t.Context(), store.ProjectDays{}); err != nil {
		t.Fatal(err)
	}
	if n := number(t, s, "SELECT count() FROM system.tables WHERE database = 'gosight' AND engine_full LIKE '%transform(%'"); n != 0 {
		t.Errorf("%d tables still have days of single projects", n)
	}
}

// eventually waits until lacks says "".
func eventually(t *testing.T, what string, lacks func() string) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		lack := lacks()
		if lack == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not within 2 minutes: %s (%s)", what, lack)
		}
	}
}
