package ingest

import (
	"errors"

	"github.com/gosight/gosight/agent/queue"
	"github.com/gosight/gosight/proto/gen/gosight"
	"github.com/gosight/gosight/proto/wire"
)

// unfolder turns columns of batches into events. Columns are a seventh of the JSON that they stand for, and may claim
// to be a millionth: what a batch unfolds to is bounded by limit, and all batches together, with whatever else is in
// work, by budget.
type unfolder struct {
	limit  int64
	budget *Budget
}

// unfold appends the events that stand in the batch's columns to its others. refused is why they were left out, or
// "". held is what to release once the batch has been dealt with. It fails with a *queue.FullError where other
// batches have the room.
func (u unfolder) unfold(batch *gosight.EventBatch) (held int64, refused string, err error) {
	if len(batch.Columns) == 0 {
		return 0, "", nil
	}
	full := false
	events, err := wire.ReadColumns(batch.Columns, batch.Metadata["page_id"], func(bytes int) bool {
		if held+int64(bytes) > u.limit {
			return false
		}
		if !u.budget.TryAcquire(int64(bytes)) {
			full = true
			return false
		}
		held += int64(bytes)
		return true
	})
	batch.Columns = nil
	switch {
	case err == nil:
		batch.Events = append(batch.Events, events...)
		return held, "", nil
	case full:
		return held, "", &queue.FullError{Lane: gosight.Lane_LANE_REPLAY, Reason: queue.ReasonBusy, RetryAfter: busyDelay}
	case errors.Is(err, wire.ErrColumnsRoom):
		return held, reasonPayloadSize, nil
	}
	return held, reasonColumns, nil
}

func (u unfolder) release(held int64) { u.budget.Release(held) }
