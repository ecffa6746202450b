package chserver

import (
	"bytes"
	"testing"
	"time"

	chproto "github.com/ClickHouse/ch-go/proto"
	"github.com/ClickHouse/clickhouse-go/v2/lib/column"
	"github.com/ClickHouse/clickhouse-go/v2/lib/proto"
)

func plainBlock(t testing.TB, rows int) []byte {
	t.Helper()
	block := proto.Block{ServerContext: &column.ServerContext{Timezone: time.UTC}}
	for name, kind := range map[string]column.Type{"a": "UInt64"} {
		if err := block.AddColumn(name, kind); err != nil {
			t.Fatal(err)
		}
	}
	for i := range rows {
		if err := block.Append(uint64(i)); err != nil {
			t.Fatal(err)
		}
	}
	var buffer chproto.Buffer
	if err := block.Encode(&buffer, 0); err != nil {
		t.Fatal(err)
	}
	return buffer.Buf
}

func TestNativeWriterRaisesTheRevision(t *testing.T) {
	for _, rows := range []int{0, 1, 1000} {
		var out bytes.Buffer
		w := newNativeWriter(&out, proto.DBMS_TCP_PROTOCOL_VERSION, time.UTC)
		if _, err := w.Write(append(plainBlock(t, rows), plainBlock(t, rows)...)); err != nil {
			t.Fatal(err)
		}
		reader := chproto.NewReader(&out)
		for range 2 {
			block := proto.Block{ServerContext: &column.ServerContext{Timezone: time.UTC}}
			if err := block.Decode(reader, proto.DBMS_TCP_PROTOCOL_VERSION); err != nil || block.Rows() != rows {
				t.Fatalf("decoded %d rows of %d: %v", block.Rows(), rows, err)
			}
		}
		if out.Len() != 0 {
			t.Errorf("%d bytes follow the blocks", out.Len())
		}
	}
}
