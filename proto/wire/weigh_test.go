package wire

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/gosight/gosight/proto/gen/gosight"
)

const testLimit = 4 << 20

// allocated is what fn takes from the heap, also what it does not keep.
func allocated(fn func()) int {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	fn()
	runtime.ReadMemStats(&after)
	return int(after.TotalAlloc - before.TotalAlloc)
}

// decode has every way of decoding data, and fails where one takes more than the limit and a mebibyte.
func decode(t *testing.T, data []byte) (refused int) {
	t.Helper()
	for _, into := range []proto.Message{&gosight.EventBatch{}, &gosight.Event{}, &gosight.Batch{}} {
		for _, codec := range []interface{ Unmarshal([]byte, any) error }{
			Codec{MaxDecoded: testLimit, Alias: true}, JSON{MaxDecoded: testLimit},
		} {
			message := into.ProtoReflect().New().Interface()
			var err error
			if n := allocated(func() { err = codec.Unmarshal(data, message) }); n > testLimit+1<<20 {
				t.Errorf("%T %+v into %T: %d bytes take %d", codec, codec, into, len(data), n)
			}
			if errors.Is(err, ErrHeavy) {
				refused++
			}
		}
	}
	return refused
}

func TestDecodingIsBounded(t *testing.T) {
	entry := "\x1a\x04\x0a\x00\x12\x00"
	var entries bytes.Buffer
	for i := range 200_000 {
		fmt.Fprintf(&entries, "\x1a\x06\x0a\x04%c%c%c%c", 1+i%127, 1+i/127%127, 1+i/16129, 'x')
	}
	for name, bomb := range map[string]string{
		"empty events of a batch from a client":      strings.Repeat("\x22\x00", 500_000),
		"empty events of a batch from an agent":      strings.Repeat("\x32\x00", 500_000),
		"empty signals":                              strings.Repeat("\x3a\x00", 500_000),
		"entries":                                    strings.Repeat(entry, 200_000),
		"entries of many keys":                       entries.String(),
		"entries of an event":                        strings.Repeat("\x22\x06\x32\x04\x0a\x00\x12\x00", 200_000),
		"events behind a group that ends as another": "\x43\x24" + strings.Repeat("\x22\x00\x32\x00", 250_000),
		"entries behind such a group in an event":    "\x43\x24" + strings.Repeat("\x32\x00", 100_000),
		"the smallest entries of an event":           strings.Repeat("\x22\x02\x32\x00", 8000) + strings.Repeat("\x32\x02\x32\x00", 8000),
		"unknown fields":                             strings.Repeat("\xf8\x01\x00", 2_000_000),
		"JSON objects":                               `{"events":[` + strings.Repeat("{},", 300_000) + "{}]}",
		"JSON entries":                               `{"metadata":{` + strings.Repeat(`"":"",`, 300_000) + `"":""}}`,
	} {
		t.Run(name, func(t *testing.T) {
			if decode(t, []byte(bomb)) == 0 {
				t.Error("nobody refuses it")
			}
		})
	}
}

// A field that is added to the contract is not weighed as one that nobody knows.
func TestFieldsAreKnown(t *testing.T) {
	for last, message := range map[int]proto.Message{
		lastOfEvent: &gosight.Event{}, lastOfEventBatch: &gosight.EventBatch{}, lastOfBatch: &gosight.Batch{},
	} {
		fields := message.ProtoReflect().Descriptor().Fields()
		for i := range fields.Len() {
			if number := int(fields.Get(i).Number()); number > last {
				t.Errorf("%T has a field %d", message, number)
			}
		}
	}
}

// What people send fits, and is worth more than half of the limit.
func TestHonestBatchesFit(t *testing.T) {
	batch := &gosight.EventBatch{SessionId: "0192f3a4-5b6c-7d8e-9f01-23456789abcd", Metadata: map[string]string{"url": "https://shop.example/"}}
	for proto.Size(batch) < testLimit/2 {
		for range 100 {
			batch.Events = append(batch.Events, &gosight.Event{EventId: "0192f3a4-5b6c-7d8e-9f01-23456789abcd", EventType: "click",
				Timestamp: 1_780_000_000_000, Payload: `{"x":1,"selector":"` + strings.Repeat("div>", 60) + `"}`})
		}
	}
	data, err := batch.MarshalVT()
	if err != nil {
		t.Fatal(err)
	}
	if err := (Codec{MaxDecoded: testLimit, Alias: true}).Unmarshal(data, &gosight.EventBatch{}); err != nil {
		t.Error(err)
	}
}

// No bytes from outside take more memory than the limit allows, whatever they are taken for.
func FuzzDecode(f *testing.F) {
	batch, err := (&gosight.EventBatch{SessionId: "s", Metadata: map[string]string{"url": "/"}, Events: []*gosight.Event{
		{EventType: "click", Payload: `{"x":1}`, Metadata: map[string]string{"a": "b"}}, {},
	}}).MarshalVT()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(batch, uint16(1))
	f.Add([]byte("\x22\x00"), uint16(60_000))
	f.Add([]byte("\x22\x06\x32\x04\x0a\x00\x12\x00"), uint16(60_000))
	f.Add([]byte("\xf8\x01\x00"), uint16(60_000))
	f.Add([]byte("C$\"\x00"), uint16(60_000))
	f.Add([]byte("\x22\x02\x32\x00"), uint16(8_000))
	f.Add([]byte(`{"events":[{"sessionId":"s","metadata":{"a":"b"}}]}`), uint16(1))
	f.Fuzz(func(t *testing.T, data []byte, times uint16) {
		// What a fuzzer finds is short: many of it is what may be large.
		decode(t, bytes.Repeat(data, min(1+int(times), 1+(2<<20)/(len(data)+1))))
	})
}

func BenchmarkWeigh(b *testing.B) {
	batch := &gosight.EventBatch{SessionId: "s"}
	for range 1000 {
		batch.Events = append(batch.Events, &gosight.Event{EventId: "0192f3a4-5b6c-7d8e-9f01-23456789abcd", EventType: "click",
			Timestamp: 1_780_000_000_000, Payload: `{"x":1,"selector":"` + strings.Repeat("div>", 60) + `"}`})
	}
	data, err := batch.MarshalVT()
	if err != nil {
		b.Fatal(err)
	}
	b.Run("weigh", func(b *testing.B) {
		for b.Loop() {
			if weigh(data, batch, 20<<20) < len(data) {
				b.Fatal("lighter than its bytes")
			}
		}
	})
	b.Run("decode", func(b *testing.B) {
		for b.Loop() {
			if err := (Codec{}).Unmarshal(data, &gosight.EventBatch{}); err != nil {
				b.Fatal(err)
			}
		}
	})
}
