package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"
)

func TestFrameRoundTrip(t *testing.T) {
	for name, records := range map[string][][]byte{
		"none":           nil,
		"empty record":   {{}},
		"repetitive":     {bytes.Repeat([]byte("click "), 1000), []byte("b")},
		"incompressible": {{0x01, 0xfe, 0x37}},
	} {
		t.Run(name, func(t *testing.T) {
			frame, err := AppendFrame([]byte("prefix"), records)
			if err != nil {
				t.Fatal(err)
			}
			got, err := DecodeFrame(frame[len("prefix"):], DefaultLimits())
			if err != nil {
				t.Fatal(err)
			}
			if len(got) != len(records) {
				t.Fatalf("got %d records, want %d", len(got), len(records))
			}
			for i := range records {
				if !bytes.Equal(got[i], records[i]) {
					t.Errorf("record %d is %q, want %q", i, got[i], records[i])
				}
			}
		})
	}
}

func TestDecodeFrameRefuses(t *testing.T) {
	good, err := AppendFrame(nil, [][]byte{bytes.Repeat([]byte("abc"), 100), []byte("def")})
	if err != nil {
		t.Fatal(err)
	}
	change := func(at int, to byte) []byte {
		b := bytes.Clone(good)
		b[at] = to
		return b
	}
	bomb := bytes.Clone(good)
	binary.LittleEndian.PutUint32(bomb[4:], 3<<20)

	for name, tc := range map[string]struct {
		frame  []byte
		limits Limits
		want   error
	}{
		"empty":           {nil, DefaultLimits(), ErrNotAFrame},
		"wrong magic":     {change(0, 'X'), DefaultLimits(), ErrNotAFrame},
		"unknown method":  {change(3, 9), DefaultLimits(), ErrNotAFrame},
		"truncated":       {good[:len(good)-1], DefaultLimits(), ErrCorrupt},
		"flipped sum":     {change(8, good[8]^1), DefaultLimits(), ErrCorrupt},
		"claims too much": {bomb, DefaultLimits(), ErrCorrupt},
		"over the size":   {good, Limits{MaxRaw: 100, MaxRecords: 10}, ErrTooLarge},
		"over the count":  {good, Limits{MaxRaw: 1000, MaxRecords: 1}, ErrTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := DecodeFrame(tc.frame, tc.limits); !errors.Is(err, tc.want) {
				t.Fatalf("got %v, want %v", err, tc.want)
			}
		})
	}
}

// Whatever the bytes, decoding neither panics nor takes more memory than the limit.
func FuzzDecodeFrame(f *testing.F) {
	frame, err := AppendFrame(nil, [][]byte{[]byte("one"), bytes.Repeat([]byte("two"), 50)})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(frame)
	f.Add(frame[:7])
	f.Add([]byte("GSF\x01\xff\xff\xff\xff0000"))
	limits := Limits{MaxRaw: 1 << 16, MaxRecords: 100}
	f.Fuzz(func(t *testing.T, data []byte) {
		var records [][]byte
		var err error
		if taken := allocated(func() { records, err = DecodeFrame(data, limits) }); taken > limits.MaxRaw+1<<20 {
			t.Errorf("%d bytes took %d", len(data), taken)
		}
		if err != nil {
			return
		}
		total := 0
		for _, record := range records {
			total += len(record)
		}
		if total > limits.MaxRaw || len(records) > limits.MaxRecords {
			t.Fatalf("%d records of %d bytes are over the limits", len(records), total)
		}
	})
}

func BenchmarkFrame(b *testing.B) {
	record := bytes.Repeat([]byte(`{"selector":"#buy","x":120,"y":48,"tag":"button"}`), 400)
	records := [][]byte{record, record, record}
	b.SetBytes(int64(3 * len(record)))
	b.ReportAllocs()
	var frame []byte
	for b.Loop() {
		frame, _ = AppendFrame(frame[:0], records)
		if _, err := DecodeFrame(frame, DefaultLimits()); err != nil {
			b.Fatal(err)
		}
	}
}
