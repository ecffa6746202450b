package store

import (
	"context"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Cohort is the users whose first stored visit was in one week, and how many of them came in each week from then on.
type Cohort struct {
	Week  int64    `json:"week" doc:"Monday 00:00 UTC, Unix milliseconds."`
	Users uint64   `json:"users"`
	Weeks []uint64 `json:"weeks" doc:"Users who came in that week (index 0), the week after (1), and so on."`
}

// Retention returns the cohorts that began in the period. Only visits whose user is known say who comes back.
func (r *Reader) Retention(ctx context.Context, from, to int64) ([]Cohort, error) {
	cohorts := []Cohort{}
	err := r.query(ctx, `SELECT toUnixTimestamp(toDateTime(first, 'UTC')) AS week, later, count() FROM (
			SELECT tupleElement(last_user, 'user_id') AS user, min(toMonday(day)) AS first,
				arrayJoin(groupUniqArray(toMonday(day))) AS came, toUInt16(dateDiff('week', first, came)) AS later
			FROM session_days WHERE project = @project AND user != '' GROUP BY user)
		WHERE first >= toMonday(toDate(@first_day)) AND first <= @last_day
		GROUP BY week, later ORDER BY week, later`,
		[]any{named("first_day", date(from)), named("last_day", date(to))},
		func(row driver.Rows) error {
			var week uint32
			var later uint16
			var users uint64
			if err := row.Scan(&week, &later, &users); err != nil {
				return err
			}
			at := int64(week) * 1000
			if n := len(cohorts); n == 0 || cohorts[n-1].Week != at {
				cohorts = append(cohorts, Cohort{Week: at, Users: users, Weeks: []uint64{}})
			}
			c := &cohorts[len(cohorts)-1]
			for len(c.Weeks) < int(later) {
				c.Weeks = append(c.Weeks, 0)
			}
			c.Weeks = append(c.Weeks, users)
			return nil
		})
	// Weeks that have begun and in which nobody came are zeros, not missing.
	const week = 7 * 24 * time.Hour
	for i := range cohorts {
		for c := &cohorts[i]; len(c.Weeks) < 1+int(time.Since(time.UnixMilli(c.Week))/week); {
			c.Weeks = append(c.Weeks, 0)
		}
	}
	return cohorts, err
}
