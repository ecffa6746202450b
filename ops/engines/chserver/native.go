package chserver

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	chproto "github.com/ClickHouse/ch-go/proto"
	"github.com/ClickHouse/clickhouse-go/v2/lib/column"
	"github.com/ClickHouse/clickhouse-go/v2/lib/proto"
)

// nativeWriter turns Native blocks as the engine writes them (revision 0) into blocks at the revision that the
// client asked for by client_protocol_version: from some revision on a block begins with an info record, and each
// column says that it has no custom serialization.
type nativeWriter struct {
	out      io.Writer
	revision uint64
	context  column.ServerContext
	buffer   chproto.Buffer
}

func newNativeWriter(out io.Writer, revision uint64, zone *time.Location) *nativeWriter {
	return &nativeWriter{out: out, revision: revision, context: column.ServerContext{
		Revision: 0, VersionMajor: 26, VersionMinor: 7, Timezone: zone,
	}}
}

// Write takes whole blocks: the engine ends a chunk where a block ends.
func (w *nativeWriter) Write(chunk []byte) (int, error) {
	reader := chproto.NewReader(bytes.NewReader(chunk))
	for {
		block := proto.Block{ServerContext: &w.context}
		if err := block.Decode(reader, 0); errors.Is(err, io.EOF) {
			return len(chunk), nil
		} else if err != nil {
			return 0, fmt.Errorf("decode the engine's block: %w", err)
		}
		w.buffer.Reset()
		if err := w.encode(&block); err != nil {
			return 0, fmt.Errorf("encode a block: %w", err)
		}
		if _, err := w.out.Write(w.buffer.Buf); err != nil {
			return 0, err
		}
	}
}

func (w *nativeWriter) encode(block *proto.Block) error {
	if block.Rows() > 0 {
		return block.Encode(&w.buffer, w.revision)
	}
	// An empty block is its header alone; Block.Encode would add what a column writes before its rows.
	if err := block.EncodeHeader(&w.buffer, w.revision); err != nil {
		return err
	}
	for _, c := range block.Columns {
		w.buffer.PutString(c.Name())
		w.buffer.PutString(string(c.Type()))
		if w.revision >= proto.DBMS_MIN_REVISION_WITH_CUSTOM_SERIALIZATION {
			w.buffer.PutBool(false)
		}
	}
	return nil
}
