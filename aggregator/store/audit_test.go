package store_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/gosight/gosight/aggregator/store"
)

// Pages of the audit log that begin before the last entry of the page before tell every entry once, those of one
// moment too.
func auditLogIsPagedWithoutGaps(t *testing.T, s *store.Store) {
	now := time.Now().UnixMilli()
	var entries []store.AuditEntry
	for i := range 9 {
		at := now + int64(i/4) // four of a moment
		entries = append(entries, store.AuditEntry{At: at, Project: "audited", Actor: "a", Action: "do", Subject: fmt.Sprint("s", i%2), Detail: fmt.Sprint(i)})
	}
	entries = append(entries, store.AuditEntry{At: now, Project: "other", Actor: "a", Action: "do", Subject: "s0"})
	if err := s.Audit(t.Context(), entries...); err != nil {
		t.Fatal(err)
	}
	for subject, want := range map[string]int{"": 9, "s0": 5, "s1": 4, "s2": 0} {
		seen := map[string]int{}
		for before := now + 1000; ; {
			page, err := s.Reader("audited").AuditLog(t.Context(), before, subject, 2)
			if err != nil {
				t.Fatal(err)
			}
			for _, entry := range page {
				seen[entry.Detail]++
				before = entry.At
			}
			if len(page) == 0 {
				break
			}
		}
		if len(seen) != want {
			t.Errorf("subject %q: %v, want %d entries", subject, seen, want)
		}
		for entry, times := range seen {
			if times != 1 {
				t.Errorf("subject %q: entry %s came %d times", subject, entry, times)
			}
		}
	}
}
