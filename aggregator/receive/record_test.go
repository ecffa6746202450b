package receive

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/gosight/gosight/internal/alloctest"
	"github.com/gosight/gosight/proto/gen/gosight"
)

func marshal(t testing.TB, batch *gosight.Batch) []byte {
	t.Helper()
	value, err := batch.MarshalVT()
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func testBatch(session string) *gosight.Batch {
	return &gosight.Batch{
		Project: "shop", SessionId: session, Lane: gosight.Lane_LANE_EVENTS,
		Metadata: map[string]string{"browser": "Firefox"},
		Events:   []*gosight.Event{{EventId: "1", EventType: "click", Timestamp: 1}},
	}
}

func TestRecordIsKeyedByVisit(t *testing.T) {
	value := marshal(t, testBatch("s-1"))
	record, err := newRecord(value)
	if err != nil {
		t.Fatal(err)
	}
	if string(record.Key) != "shop/s-1" || record.Lane != gosight.Lane_LANE_EVENTS || !bytes.Equal(record.Value, value) {
		t.Fatalf("%s, %v", record.Key, record.Lane)
	}
}

func TestNotABatch(t *testing.T) {
	good := marshal(t, testBatch("s-1"))
	without := func(change func(*gosight.Batch)) []byte {
		batch := testBatch("s-1")
		change(batch)
		return marshal(t, batch)
	}
	for name, value := range map[string][]byte{
		"empty":        {},
		"text":         []byte("no batch at all"),
		"cut":          good[:len(good)-1],
		"no project":   without(func(b *gosight.Batch) { b.Project = "" }),
		"no session":   without(func(b *gosight.Batch) { b.SessionId = "" }),
		"no lane":      without(func(b *gosight.Batch) { b.Lane = 0 }),
		"unknown lane": without(func(b *gosight.Batch) { b.Lane = 9 }),
		"not UTF-8":    without(func(b *gosight.Batch) { b.SessionId = "\xff" }),
	} {
		if _, err := newRecord(value); !errors.Is(err, errNotABatch) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzNewRecord holds the partial decoder against the full one.
func FuzzNewRecord(f *testing.F) {
	f.Add(marshal(f, testBatch("s-1")))
	f.Add([]byte{0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Add([]byte{0x0b, 0x0c})
	f.Fuzz(func(t *testing.T, value []byte) {
		var record Record
		var err error
		if taken := alloctest.Bytes(func() { record, err = newRecord(value) }); taken > len(value)+1<<20 {
			t.Errorf("%d bytes took %d", len(value), taken)
		}
		var batch gosight.Batch
		if fullErr := batch.UnmarshalVT(value); fullErr != nil {
			return // the consumer sends such a record to the dead letters
		}
		if err != nil {
			if batch.Project != "" && batch.SessionId != "" && batch.Lane >= 1 && batch.Lane <= 2 &&
				!strings.Contains(err.Error(), "UTF-8") {
				t.Fatalf("refused a batch that decodes: %v", err)
			}
			return
		}
		if string(record.Key) != batch.Project+"/"+batch.SessionId || record.Lane != batch.Lane {
			t.Fatalf("%q in lane %v, decoded %q %q in lane %v", record.Key, record.Lane, batch.Project,
				batch.SessionId, batch.Lane)
		}
	})
}

func BenchmarkNewRecord(b *testing.B) {
	batch := testBatch("s-1")
	for range 499 {
		batch.Events = append(batch.Events, &gosight.Event{EventId: "0123456789", EventType: "click", Timestamp: 1795000000000,
			Payload: strings.Repeat("x", 180)})
	}
	value := marshal(b, batch)
	b.SetBytes(int64(len(value)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := newRecord(value); err != nil {
			b.Fatal(err)
		}
	}
}
