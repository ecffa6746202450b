package process

import (
	"context"

	"github.com/gosight/gosight/aggregator/store"
	"github.com/gosight/gosight/internal/detect"
	"github.com/gosight/gosight/proto/gen/gosight"
)

// Loader stores batches of history by the rows that Kafka's records become, without Kafka and without looking for
// signals: both passes are taken to have said those that the batches bring. Not safe for concurrent use.
type Loader struct {
	store *store.Store
	rows  *rows
	most  int
}

// NewLoader inserts whenever it holds as many rows as one insert should have.
func NewLoader(cfg Config, st *store.Store) *Loader {
	return &Loader{store: st, rows: newRows(), most: cfg.MaxRows}
}

// Add takes a batch, whose strings must stay unchanged until Flush.
func (l *Loader) Add(ctx context.Context, batch *gosight.Batch) error {
	l.rows.addBatch(batch)
	for _, signal := range batch.Signals {
		found := detect.Signal{Project: batch.Project, SessionID: batch.SessionId, Signal: signal}
		for _, pass := range []string{store.Edge, store.Centre} {
			l.rows.addSignal(found, originOf(batch), pass)
		}
	}
	if l.rows.len() < l.most {
		return nil
	}
	return l.Flush(ctx)
}

// Flush returns nil once all that was added is stored. After an error it may be called again.
func (l *Loader) Flush(ctx context.Context) error {
	if err := l.rows.insert(ctx, l.store); err != nil {
		return err
	}
	l.rows.reset()
	return nil
}
