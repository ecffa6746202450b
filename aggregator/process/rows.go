package process

import (
	"context"
	"slices"
	"strings"

	"github.com/gosight/gosight/aggregator/store"
	"github.com/gosight/gosight/internal/detect"
	"github.com/gosight/gosight/proto/gen/gosight"
	"golang.org/x/sync/errgroup"
)

// rows is what is to be inserted next. Strings point into the records' memory until reset.
type rows struct {
	events  *store.EventRows
	replay  *store.ReplayRows
	signals *store.SignalRows
	pairs   []store.Pair // scratch
	own     []store.Pair // scratch
}

func newRows() *rows {
	return &rows{events: store.NewEventRows(), replay: store.NewReplayRows(), signals: store.NewSignalRows()}
}

func (r *rows) len() int { return r.events.Len() + r.replay.Len() + r.signals.Len() }

func (r *rows) reset() {
	r.events.Reset()
	r.replay.Reset()
	r.signals.Reset()
}

// insert returns nil once all of it is stored. It may be called again with the same rows.
func (r *rows) insert(ctx context.Context, st *store.Store) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return st.InsertEvents(ctx, r.events) })
	group.Go(func() error { return st.InsertReplay(ctx, r.replay) })
	group.Go(func() error { return st.InsertSignals(ctx, r.signals) })
	return group.Wait()
}

// addBatch adds the rows of a batch's events.
func (r *rows) addBatch(batch *gosight.Batch) {
	r.pairs = r.pairs[:0]
	for key, value := range batch.Metadata {
		r.pairs = append(r.pairs, store.Pair{Key: key, Value: value})
	}
	slices.SortFunc(r.pairs, byKey) // equal batches give equal bytes, which compress better

	shared := store.EventRow{
		Project: batch.Project, SessionID: batch.SessionId, UserID: batch.UserId, ReceivedAt: batch.ReceivedAt,
		AgentID: batch.AgentId, Region: batch.Region, Metadata: r.pairs,
	}
	for _, pair := range r.pairs {
		promote(&shared, pair.Key, pair.Value)
	}
	for _, ev := range batch.Events {
		row := shared
		row.EventID, row.EventType, row.TS, row.Payload = ev.EventId, ev.EventType, ev.Timestamp, ev.Payload
		if ev.UserId != "" {
			row.UserID = ev.UserId
		}
		if len(ev.Metadata) > 0 {
			row.Metadata = r.merge(ev.Metadata)
			for key, value := range ev.Metadata {
				promote(&row, key, value)
			}
		}
		if batch.Lane == gosight.Lane_LANE_REPLAY {
			r.addReplay(batch, &row)
			continue
		}
		readPayload(&row)
		r.events.Append(&row)
	}
}

// addReplay puts the payload into the replay, and an empty one into the ledger: once for an event, with its
// first part.
func (r *rows) addReplay(batch *gosight.Batch, row *store.EventRow) {
	r.replay.Append(&store.ReplayRow{
		Project: row.Project, SessionID: row.SessionID, EventID: row.EventID, PageID: row.PageID,
		Kind: row.EventType, Part: uint16(batch.Part), Parts: uint16(max(1, batch.Parts)),
		TS: row.TS, ReceivedAt: row.ReceivedAt, Data: row.Payload,
	})
	if batch.Part == 0 {
		row.Payload = ""
		r.events.Append(row)
	}
}

// merge gives the batch's pairs with an event's own over them. The result is valid until the next merge.
func (r *rows) merge(own map[string]string) []store.Pair {
	r.own = append(r.own[:0], r.pairs...)
	for key, value := range own {
		i, found := slices.BinarySearchFunc(r.own, store.Pair{Key: key}, byKey)
		if found {
			r.own[i].Value = value
		} else {
			r.own = slices.Insert(r.own, i, store.Pair{Key: key, Value: value})
		}
	}
	return r.own
}

func byKey(a, b store.Pair) int { return strings.Compare(a.Key, b.Key) }

// promote gives the metadata that people filter by a column of its own.
func promote(row *store.EventRow, key, value string) {
	switch key {
	case "url":
		row.URL = value
	case "page_id":
		row.PageID = value
	case "country":
		row.Country = value
	case "city":
		row.City = value
	case "browser":
		row.Browser = value
	case "os":
		row.OS = value
	case "device":
		row.Device = value
	}
}

// origin is what a signal's row has beside the signal.
type origin struct {
	userID, agentID, region string
	receivedAt              int64
}

func originOf(batch *gosight.Batch) origin {
	return origin{batch.UserId, batch.AgentId, batch.Region, batch.ReceivedAt}
}

func (r *rows) addSignal(signal detect.Signal, from origin, detectedBy string) {
	r.signals.Append(&store.SignalRow{
		Project: signal.Project, SessionID: signal.SessionID, SignalID: signal.SignalId, Kind: signal.Kind,
		UserID: from.userID, AgentID: from.agentID, Region: from.region, ReceivedAt: from.receivedAt,
		TS: signal.Timestamp, URL: signal.Url, PageID: signal.PageId, Selector: signal.Selector, Text: signal.Text,
		X: signal.X, Y: signal.Y, Count: signal.Count, DurationMS: signal.DurationMs,
		DetectedBy: detectedBy, Final: signal.Final, Retracted: signal.Retracted,
		FirstEventID: signal.FirstEventId, Revision: signal.Revision,
	})
}
