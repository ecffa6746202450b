package wire

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/gosight/gosight/proto/gen/gosight"
)

func golden(t testing.TB) *gosight.EventBatch {
	t.Helper()
	data, err := os.ReadFile("../testdata/web_columns.binpb")
	if err != nil {
		t.Fatal(err)
	}
	batch := new(gosight.EventBatch)
	if err := batch.UnmarshalVT(data); err != nil {
		t.Fatal(err)
	}
	return batch
}

func anyRoom(int) bool { return true }

func TestReadColumnsOfTheWebSDK(t *testing.T) {
	batch := golden(t)
	events, err := ReadColumns(batch.Columns, batch.Metadata["page_id"], anyRoom)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("../testdata/web_columns.json")
	if err != nil {
		t.Fatal(err)
	}
	var wanted []struct {
		Type      string `json:"event_type"`
		ID        string `json:"event_id"`
		Timestamp int64  `json:"timestamp"`
		URL       string `json:"url"`
		Payload   string `json:"payload"`
	}
	if err := json.Unmarshal(text, &wanted); err != nil {
		t.Fatal(err)
	}
	if len(events) != len(wanted) {
		t.Fatalf("%d events, want %d", len(events), len(wanted))
	}
	for i, want := range wanted {
		got := events[i]
		if got.EventType != want.Type || got.EventId != want.ID || got.Timestamp != want.Timestamp ||
			got.Metadata["url"] != want.URL || got.Payload != want.Payload {
			t.Errorf("event %d: %v\nwant %+v", i, got, want)
		}
	}
}

func TestReadColumnsAsksForRoom(t *testing.T) {
	batch := golden(t)
	asked, wanted := 0, 0
	events, err := ReadColumns(batch.Columns, "p", func(n int) bool { asked += n; return true })
	if err != nil {
		t.Fatal(err)
	}
	for _, event := range events {
		wanted += len(event.Payload) + eventBytes
	}
	if asked != wanted {
		t.Errorf("asked for %d bytes, used %d", asked, wanted)
	}
	left := wanted - 1
	_, err = ReadColumns(batch.Columns, "p", func(n int) bool { left -= n; return left >= 0 })
	if !errors.Is(err, ErrColumnsRoom) {
		t.Errorf("with one byte less: %v", err)
	}
}

// bytesOf builds columns by hand: values are the varints of columns 0, 1, ...
func bytesOf(text string, columns ...[]uint64) []byte {
	data := binary.AppendUvarint(nil, uint64(len(columns)))
	var bodies []byte
	for _, values := range columns {
		before := len(bodies)
		for _, value := range values {
			bodies = binary.AppendUvarint(bodies, value)
		}
		data = binary.AppendUvarint(data, uint64(len(bodies)-before))
	}
	return append(append(data, bodies...), text...)
}

func TestReadColumnsRefuses(t *testing.T) {
	payload := func(value ...uint64) []byte { // one event, whose payload is value
		return bytesOf("payload\x00", []uint64{2 << 3}, []uint64{columnObject}, value)
	}
	deep := make([]uint64, maxColumnDepth+2)
	for i := range deep {
		deep[i] = 1<<3 | columnArray
	}
	for name, data := range map[string][]byte{
		"nothing":                    {},
		"no columns":                 bytesOf(""),
		"one column":                 bytesOf("", nil),
		"more columns than bytes":    binary.AppendUvarint(nil, maxColumns),
		"a column cut short":         {2, 0, 5, 1},
		"text that is not UTF-8":     bytesOf("\xff", nil, nil),
		"an event that is no object": bytesOf("", nil, []uint64{columnInt}),
		"a shape that is not given":  bytesOf("", nil, []uint64{columnObject}),
		"a shape too far ahead":      bytesOf("", []uint64{0}, []uint64{9<<3 | columnObject}),
		"keys that are not given":    bytesOf("", []uint64{2 << 3}, []uint64{columnObject}, nil),
		"columns that are not given": bytesOf("payload\x00", []uint64{2 << 3}, []uint64{columnObject}),
		"a value that is not given":  payload(),
		"a text that is not given":   payload(otherText<<3 | columnOther),
		"a text not seen":            payload(7<<3 | columnSeen),
		"an unknown kind":            payload(7),
		"an unknown constant":        payload(9<<3 | columnOther),
		"an endless array":           payload(1<<60<<3 | columnArray),
		"a type that is no text":     bytesOf("type\x00", []uint64{2 << 3}, []uint64{columnObject}, []uint64{columnInt}),
		"a time that is no integer":  bytesOf("timestamp\x00", []uint64{2 << 3}, []uint64{columnObject}, []uint64{columnOther}),
		"a negative serial":          bytesOf("serial\x00", []uint64{2 << 3}, []uint64{columnObject}, []uint64{1 << 3}),
		"a literal that is not JSON": bytesOf("payload\x00{\x00", []uint64{2 << 3}, []uint64{columnObject}, []uint64{otherLiteral<<3 | columnOther}),
		"arrays without end in each other": bytesOf("payload\x00", []uint64{2 << 3}, []uint64{columnObject},
			[]uint64{1<<3 | columnArray}, deep),
	} {
		if events, err := ReadColumns(data, "p", anyRoom); !errors.Is(err, ErrColumns) {
			t.Errorf("%s: %v, %v", name, events, err)
		}
	}
}

// A text of a kilobyte that one byte repeats: a reader that trusts it makes gigabytes of a megabyte.
func TestReadColumnsStopsBombs(t *testing.T) {
	items := make([]uint64, 1<<20)
	for i := range items {
		items[i] = columnSeen
	}
	items[0] = otherText<<3 | columnOther
	// The items of an array stand in a column of their own, the fourth.
	data := bytesOf("payload\x00"+strings.Repeat("x", 1024)+"\x00", []uint64{2 << 3}, []uint64{columnObject},
		[]uint64{1<<20<<3 | columnArray}, items)
	left := 8 << 20
	_, err := ReadColumns(data, "p", func(n int) bool { left -= n; return left >= 0 })
	if !errors.Is(err, ErrColumnsRoom) {
		t.Fatalf("no end: %v", err)
	}
	if left < -2*roomStep {
		t.Errorf("it had used %d bytes more than there were", -left)
	}
}

func FuzzReadColumns(f *testing.F) {
	f.Add(golden(f).Columns)
	f.Add(bytesOf("payload\x00text\x00", []uint64{2 << 3}, []uint64{columnObject, columnObject},
		[]uint64{otherText<<3 | columnOther, columnSeen}))
	f.Fuzz(func(t *testing.T, data []byte) {
		left := 1 << 20
		events, err := ReadColumns(data, "page", func(n int) bool { left -= n; return left >= 0 })
		if err != nil {
			if !errors.Is(err, ErrColumns) && !errors.Is(err, ErrColumnsRoom) {
				t.Errorf("unnamed error: %v", err)
			}
			return
		}
		for _, event := range events {
			if event.Payload != "" && !json.Valid([]byte(event.Payload)) {
				t.Errorf("payload is not JSON: %q", event.Payload)
			}
		}
	})
}

func BenchmarkReadColumns(b *testing.B) {
	batch := golden(b)
	b.SetBytes(int64(len(batch.Columns)))
	for b.Loop() {
		if _, err := ReadColumns(batch.Columns, "page", anyRoom); err != nil {
			b.Fatal(err)
		}
	}
}
