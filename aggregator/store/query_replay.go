package store

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// chunkBytes is about how large a replay chunk may get: a second of a slow connection. One event may be larger.
const chunkBytes = 4 << 20

// ReplayEvent is one rrweb event with its identity.
type ReplayEvent struct {
	EventID string
	TS      int64
	Payload json.RawMessage
}

// Replay returns a run of a visit's rrweb events in playing order. It starts after cursor, else at the last
// full snapshot at or before from, so that whatever moment is asked for can be built from the first chunk on.
func (r *Reader) Replay(ctx context.Context, session string, from int64, cursor string, limit int) (ReplayChunk, error) {
	var chunk ReplayChunk
	after, resume, err := parseCursor("r", cursor)
	if err != nil {
		return chunk, err
	}
	if !resume {
		if after.TS, err = r.checkpoint(ctx, session, from); err != nil {
			return chunk, err
		}
	}
	found, err := r.replayPositions(ctx, session, after, limit+1)
	if err != nil || len(found) == 0 {
		return chunk, err
	}
	more := len(found) > limit
	found = found[:min(limit, len(found))]
	events, missing, err := r.replayEvents(ctx, session, found)
	if err != nil {
		return chunk, err
	}
	chunk.Incomplete = missing
	size := 0
	for i, ev := range events {
		if size > 0 && size+len(ev.Payload) > chunkBytes {
			more = true
			events = events[:i]
			found = found[:slices.IndexFunc(found, func(p position) bool { return p.ID == ev.EventID })]
			break
		}
		size += len(ev.Payload)
	}
	if more && len(found) > 0 {
		chunk.NextCursor = found[len(found)-1].cursor("r")
	}
	chunk.Events = playingOrder(events)
	return chunk, nil
}

// ReplaySince returns a visit's complete rrweb events with a time of at least since, in playing order.
func (r *Reader) ReplaySince(ctx context.Context, session string, since int64) ([]ReplayEvent, error) {
	found, err := r.replayPositions(ctx, session, position{TS: since}, 5000)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	events, _, err := r.replayEvents(ctx, session, found)
	return playingOrder(events), err
}

// checkpoint is the time of the last meta event (rrweb type 4, what a full snapshot begins with) at or before from.
func (r *Reader) checkpoint(ctx context.Context, session string, from int64) (int64, error) {
	var at int64
	if from <= 0 {
		return 0, nil
	}
	// An event of one part starts a snapshot where its type says so; a meta event is always small. Only the last few
	// are opened: a visit may have hundreds of snapshots, and each is most of a megabyte to read.
	err := r.query(ctx, `SELECT max(toUnixTimestamp64Milli(ts)) FROM replay
		WHERE project = @project AND session_id = @session AND parts <= 1 AND JSONExtractUInt(data, 'type') = 4
			AND event_id IN (SELECT event_id FROM replay WHERE project = @project AND session_id = @session
				AND kind = 'full_snapshot' AND parts <= 1 AND ts <= `+ms("from_ms")+`
				GROUP BY event_id ORDER BY max(ts) DESC LIMIT 4)`,
		[]any{named("session", session), named("from_ms", from)},
		func(row driver.Rows) error { return row.Scan(&at) })
	return at, err
}

// replayPositions lists events without their payload, which is most of the table.
func (r *Reader) replayPositions(ctx context.Context, session string, after position, limit int) ([]position, error) {
	var found []position
	err := r.query(ctx, `SELECT toUnixTimestamp64Milli(max(ts)) AS at, event_id FROM replay
		WHERE project = @project AND session_id = @session AND ts >= `+ms("after_ts")+`
		GROUP BY event_id HAVING `+afterPosition+
		fmt.Sprintf(` ORDER BY `+inOrder+` LIMIT %d`, limit),
		[]any{named("session", session), named("after_ts", after.TS), named("after_id", after.ID)},
		func(row driver.Rows) error {
			var p position
			if err := row.Scan(&p.TS, &p.ID); err != nil {
				return err
			}
			found = append(found, p)
			return nil
		})
	return found, err
}

// replayEvents loads and joins the parts of these events, in their order; those that lack a part or are no JSON
// are left out and counted.
func (r *Reader) replayEvents(ctx context.Context, session string, found []position) ([]ReplayEvent, int, error) {
	ids := make([]string, len(found))
	for i, p := range found {
		ids[i] = p.ID
	}
	type parts struct {
		data []byte
		have int
		want int
	}
	byID := make(map[string]*parts, len(found))
	err := r.query(ctx, `SELECT event_id, part, parts, data FROM replay FINAL
		WHERE project = @project AND session_id = @session AND event_id IN @ids ORDER BY event_id, part`,
		[]any{named("session", session), named("ids", set(ids))},
		func(row driver.Rows) error {
			var id, data string
			var part, count uint16
			if err := row.Scan(&id, &part, &count, &data); err != nil {
				return err
			}
			p := byID[id]
			if p == nil {
				p = &parts{want: max(1, int(count))}
				byID[id] = p
			}
			if int(part) == p.have {
				p.data = append(p.data, data...)
				p.have++
			}
			return nil
		})
	if err != nil {
		return nil, 0, err
	}
	events := make([]ReplayEvent, 0, len(found))
	for _, at := range found {
		if p := byID[at.ID]; p != nil && p.have == p.want && json.Valid(p.data) {
			events = append(events, ReplayEvent{EventID: at.ID, TS: at.TS, Payload: p.data})
		}
	}
	return events, len(found) - len(events), nil
}

// playingOrder puts, within one millisecond, a meta event before its snapshot and both before what changed
// after: the player needs them so, and ids do not tell.
func playingOrder(events []ReplayEvent) []ReplayEvent {
	rank := make(map[string]int, 4)
	for i, ev := range events {
		shared := i > 0 && events[i-1].TS == ev.TS || i+1 < len(events) && events[i+1].TS == ev.TS
		if shared {
			rank[ev.EventID] = rankOf(ev.Payload)
		}
	}
	slices.SortStableFunc(events, func(a, b ReplayEvent) int {
		return cmp.Or(cmp.Compare(a.TS, b.TS), cmp.Compare(rank[a.EventID], rank[b.EventID]))
	})
	return events
}

func rankOf(payload json.RawMessage) int {
	var head struct {
		Type int `json:"type"`
	}
	if json.Unmarshal(payload, &head) != nil {
		return 2
	}
	switch head.Type {
	case 4:
		return 0
	case 2:
		return 1
	}
	return 2
}
