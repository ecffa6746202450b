package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/ClickHouse/clickhouse-go/v2"
	"golang.org/x/sync/errgroup"
)

// block is one insert's rows, column by column, as ClickHouse's Native format wants them. The columns are
// ch-go's, which clickhouse-go is built on: the latter's own batches take a map's entries and repeated words one
// by one through reflection. A block is reused after Reset, and is not safe for
// concurrent use.
type block struct {
	table   string
	columns proto.Input
	query   string
	size    int // roughly what encode needs, in bytes
	buffer  proto.Buffer
}

func newBlock(table string, columns proto.Input) block {
	names := ""
	for _, column := range columns {
		names += ", " + column.Name
	}
	return block{table: table, columns: columns, query: fmt.Sprintf("INSERT INTO %s (%s)", table, names[2:])}
}

// Len is the number of rows.
func (b *block) Len() int { return b.columns[0].Data.Rows() }

// Reset drops the rows and keeps the memory.
func (b *block) Reset() {
	b.columns.Reset()
	b.buffer.Reset()
	b.size = 0
}

func (b *block) encode() ([]byte, error) {
	// In one piece: growing by and by copied a block of 50,000 rows several times over.
	b.buffer.Buf = slices.Grow(b.buffer.Buf[:0], b.size+b.size/4)
	shape := proto.Block{Columns: len(b.columns), Rows: b.Len()}
	// Revision 0: what ClickHouse reads from an HTTP body in format Native.
	if err := shape.EncodeRawBlock(&b.buffer, 0, b.columns); err != nil {
		return nil, fmt.Errorf("encode rows of %s: %w", b.table, err)
	}
	return b.buffer.Buf, nil
}

// An insert is acknowledged only when its rows are in (no async inserts). Whatever clocks agents have, a block is
// not refused for touching many months. Repeats within a block are left to merges and FINAL: looking for them at
// each insert cost a fifth of its CPU.
var insertSettings = clickhouse.Settings{
	"async_insert": 0, "max_partitions_per_insert_block": 0, "optimize_on_insert": 0,
}

// insert sends the block as one INSERT. An error may leave rows behind, so the caller inserts the same again.
func (s *Store) insert(ctx context.Context, b *block) error {
	rows := b.Len()
	if rows == 0 {
		return nil
	}
	data, err := b.encode()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.InsertTimeout)
	defer cancel()
	start := time.Now()
	err = s.conn.InsertFormat(clickhouse.Context(ctx, clickhouse.WithSettings(insertSettings)), "Native", b.query,
		bytes.NewReader(data))
	if err != nil {
		s.metrics.failed.WithLabelValues(b.table, reasonOf(ctx, err)).Inc()
		return fmt.Errorf("insert %d rows into %s: %w", rows, b.table, err)
	}
	s.metrics.seconds.WithLabelValues(b.table).Observe(time.Since(start).Seconds())
	s.metrics.rows.WithLabelValues(b.table).Add(float64(rows))
	s.metrics.bytes.WithLabelValues(b.table).Add(float64(len(data)))
	return nil
}

func reasonOf(ctx context.Context, err error) string {
	if ctx.Err() != nil {
		return "timeout"
	}
	if exception := (*clickhouse.Exception)(nil); errors.As(err, &exception) {
		return "refused"
	}
	return "unreachable"
}

// InsertEvents writes rows into the ledger, from which ClickHouse keeps the sessions, and what they say of their
// visits. It returns nil once all of it is in.
func (s *Store) InsertEvents(ctx context.Context, rows *EventRows) error {
	rows.visits.seal()
	group, ctx := errgroup.WithContext(ctx)
	for _, b := range append(rows.visits.blocks(), &rows.block) {
		group.Go(func() error { return s.insert(ctx, b) })
	}
	return group.Wait()
}

// InsertReplay writes what the replay plays.
func (s *Store) InsertReplay(ctx context.Context, rows *ReplayRows) error {
	return s.insert(ctx, &rows.block)
}

// InsertSignals writes what the detectors found.
func (s *Store) InsertSignals(ctx context.Context, rows *SignalRows) error {
	return s.insert(ctx, &rows.block)
}
