package queue

import (
	"bytes"
	"errors"
	"testing"

	"github.com/gosight/gosight/internal/alloctest"
)

func TestGroupRoundTrip(t *testing.T) {
	values := [][]byte{[]byte("one"), {}, bytes.Repeat([]byte("three"), 1000)}
	data := appendGroup(nil, 7, 123, values)
	if want := groupSize(3, 3+5000); len(data) != want {
		t.Fatalf("%d bytes, want %d", len(data), want)
	}
	head, got, bad, err := decodeGroup(append(data, "what follows"...))
	if err != nil || bad != 0 || head.seq != 7 || head.at != 123 || head.size != len(data) {
		t.Fatalf("%+v, %d bad, %v", head, bad, err)
	}
	for i := range values {
		if !bytes.Equal(got[i], values[i]) {
			t.Errorf("value %d: %q", i, got[i])
		}
	}
	data[len(data)-1] ^= 1
	if _, got, bad, err = decodeGroup(data); err != nil || bad != 1 || len(got) != 2 {
		t.Fatalf("after a flip: %d whole, %d bad, %v", len(got), bad, err)
	}
	data[9] ^= 1
	if _, _, _, err = decodeGroup(data); !errors.Is(err, errNotAGroup) {
		t.Fatalf("after a flip in the head: %v", err)
	}
}

func FuzzDecodeGroup(f *testing.F) {
	f.Add(appendGroup(nil, 1, 2, [][]byte{[]byte("value")}))
	f.Add(appendGroup(nil, 1<<40, -1, nil))
	f.Add([]byte(groupMagic + "\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var head groupHead
		var values [][]byte
		var bad int
		var err error
		if taken := alloctest.Bytes(func() { head, values, bad, err = decodeGroup(data) }); taken > 4*len(data)+1<<20 {
			t.Errorf("%d bytes took %d", len(data), taken)
		}
		if err != nil {
			return
		}
		if len(values)+bad != head.count {
			t.Fatalf("%d values and %d bad, not %d", len(values), bad, head.count)
		}
		if bad == 0 && !bytes.HasPrefix(data, appendGroup(nil, head.seq, head.at, values)) {
			t.Fatal("decodes to what encodes differently")
		}
	})
}

func FuzzFindGroups(f *testing.F) {
	one := appendGroup([]byte("leading bytes"), 5, 2, [][]byte{[]byte("value")})
	f.Add(one)
	f.Add(appendGroup(append(one, groupMagic...), 6, 2, [][]byte{[]byte("value")}))
	f.Fuzz(func(t *testing.T, data []byte) {
		last := uint64(0)
		for _, group := range findGroups(bytes.NewReader(data), int64(len(data)), 1) {
			if group.seq <= last {
				t.Fatalf("group %d after %d", group.seq, last)
			}
			last = group.seq
			if _, _, _, err := decodeGroup(data[group.offset:]); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func FuzzDecodeKey(f *testing.F) {
	f.Add(groupKey{1, 2, 3, 4, owners{{"shop", 3}}.encode()}.encode())
	f.Fuzz(func(t *testing.T, data []byte) {
		if key, err := decodeKey(data); err == nil && !bytes.Equal(key.encode(), data) {
			t.Fatalf("%x is %+v", data, key)
		}
	})
}

func FuzzDecodeWatermarks(f *testing.F) {
	good, err := encodeWatermarks(watermarks{Events: watermark{9, spans{{0, 3}, {5, 6}}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte("00000000\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		w, err := decodeWatermarks(data)
		if err != nil {
			return
		}
		if w.Events.Delivered.has(w.Events.Next) || w.Replay.Delivered.has(w.Replay.Next) {
			t.Fatalf("%+v says that what was not yet written is delivered", w)
		}
	})
}

func TestSpans(t *testing.T) {
	var s spans
	in := map[uint64]bool{}
	for _, add := range [][2]uint64{{5, 7}, {9, 10}, {7, 8}, {0, 2}, {3, 3}, {20, 30}, {8, 9}, {1, 6}, {25, 40}} {
		s.add(add[0], add[1])
		for n := add[0]; n < add[1]; n++ {
			in[n] = true
		}
		for n := range uint64(50) {
			if s.has(n) != in[n] {
				t.Fatalf("after adding %v, %d in %v: %v", add, n, s, s.has(n))
			}
		}
	}
	if len(s) != 2 {
		t.Errorf("not merged: %v", s)
	}
}
