package store

import (
	"context"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// AgentFlow is what arrived from one agent lately.
type AgentFlow struct {
	AgentID    string  `json:"agent_id"`
	Region     string  `json:"region"`
	Events     float64 `json:"events_per_second"`
	LastAt     int64   `json:"last_at" doc:"When the agent accepted its newest event, Unix milliseconds."`
	LagP50MS   float64 `json:"lag_p50_ms" doc:"From the agent's acceptance to queryable."`
	LagP99MS   float64 `json:"lag_p99_ms"`
	LastSeenAt int64   `json:"last_seen_at" doc:"When the newest of its events became queryable, Unix milliseconds."`
}

// flowWindow is how far back flows look.
const flowWindow = time.Minute

// Flows returns the agents whose events arrived within ten minutes, and how many did within the last. It is of all
// projects: a fleet serves them together.
func (s *Store) Flows(ctx context.Context) ([]AgentFlow, error) {
	flows := []AgentFlow{}
	err := s.each(ctx, `SELECT toString(agent_id), toString(region), countIf(inserted_at > now64(3) - toIntervalSecond(@window)) / @window,
			toUnixTimestamp64Milli(max(received_at)),
			quantileTDigestIf(0.5)(lag, inserted_at > now64(3) - toIntervalSecond(@window)),
			quantileTDigestIf(0.99)(lag, inserted_at > now64(3) - toIntervalSecond(@window)), toUnixTimestamp64Milli(max(inserted_at))
		FROM (SELECT agent_id, region, received_at, inserted_at, toFloat32(dateDiff('millisecond', received_at, inserted_at)) AS lag
			FROM events WHERE agent_id != '' AND inserted_at > now64(3) - toIntervalMinute(10))
		GROUP BY agent_id, region ORDER BY region, agent_id LIMIT 10000`,
		[]any{named("window", int(flowWindow.Seconds()))}, func(row driver.Rows) error {
			var f AgentFlow
			var p50, p99 float32
			if err := row.Scan(&f.AgentID, &f.Region, &f.Events, &f.LastAt, &p50, &p99, &f.LastSeenAt); err != nil {
				return err
			}
			// No event within the window has no lag, which the engine calls NaN.
			f.LagP50MS, f.LagP99MS = float64(finite(p50)), float64(finite(p99))
			flows = append(flows, f)
			return nil
		})
	return flows, err
}

// TableSize is what one table takes.
type TableSize struct {
	Table string  `json:"table"`
	Rows  uint64  `json:"rows" doc:"Rows on disk, repeats that are not merged yet included."`
	Bytes uint64  `json:"bytes" doc:"Bytes on disk."`
	Parts uint64  `json:"parts" doc:"Parts that are not merged into one yet: where they grow, inserts are too many or too small."`
	Ratio float64 `json:"ratio" doc:"Bytes uncompressed for each on disk."`
}

// Tables returns what GoSight's tables take, the largest first.
func (s *Store) Tables(ctx context.Context) ([]TableSize, error) {
	tables := []TableSize{}
	err := s.each(ctx, `SELECT table, sum(rows), sum(bytes_on_disk) AS size, count(),
			sum(data_uncompressed_bytes) / greatest(1, sum(data_compressed_bytes))
		FROM system.parts WHERE active AND database = @database GROUP BY table ORDER BY size DESC`,
		[]any{named("database", s.cfg.Database)}, func(row driver.Rows) error {
			var t TableSize
			if err := row.Scan(&t.Table, &t.Rows, &t.Bytes, &t.Parts, &t.Ratio); err != nil {
				return err
			}
			tables = append(tables, t)
			return nil
		})
	return tables, err
}
