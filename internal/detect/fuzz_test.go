package detect

import (
	"testing"
	"unicode/utf8"
)

// FuzzObserve feeds payloads as they come: whatever they hold, the engine stays up, and what it says is valid.
func FuzzObserve(f *testing.F) {
	for _, typ := range []string{"click", "click_outcome", "pointer", "scroll", "navigate", "page_load", "network", "error"} {
		for _, payload := range []string{
			`{}`, `{"x":1,"y":2,"text":"+"}`, `{"points":[[0,1,2],[50,-3,4.5],[1e9,1,1]]}`, `{"points":[[0,1],[[`, `{"y":1e400,"page_height":-1}`,
			`{"click_id":"a","kind":"none","after_ms":-5}`, `{"from":"a","to":"b","kind":"pop"}`, `{"url":"\ud800"}`, `nonsense`, "",
		} {
			f.Add(typ, payload, "a", int64(1_800_000_000_000))
		}
	}
	f.Fuzz(func(t *testing.T, typ, payload, id string, ts int64) {
		e := New(fuzzRules)
		said := []Signal{}
		now := int64(1_800_000_000_000)
		for i := range int64(8) {
			own := Event{ID: id + string(rune('a'+i)), Type: typ, TS: ts + i*100, Payload: payload, URL: id}
			said = append(said, e.Observe("p", "s", []Event{own}, now+i*100)...)
		}
		said = append(said, e.Advance(now+200_000)...)
		for _, s := range said {
			if s.Count == 0 && !s.Retracted {
				t.Errorf("a signal of nothing: %v", s)
			}
			if utf8.ValidString(id) && utf8.ValidString(payload) {
				if _, err := s.MarshalVT(); err != nil {
					t.Errorf("marshal: %v", err)
				}
			}
		}
	})
}

var fuzzRules = MustLive(Default())

// FuzzPoints: what is packed is what was read, but for points that add nothing.
func FuzzPoints(f *testing.F) {
	f.Add(`{"points":[[0,10,10],[50,40,12],[100,10,14],[150,40,900]]}`)
	f.Fuzz(func(t *testing.T, payload string) {
		var e evidence
		packed := string(e.readPointer(payload, nil))
		var last point
		n := 0
		for p, rest, ok := unpackPoint(packed, point{}); ok; p, rest, ok = unpackPoint(rest, p) {
			if p.t < last.t || p.t > 60_000 {
				t.Fatalf("point at %d after %d", p.t, last.t)
			}
			last = p
			n++
		}
		if n > maxPoints {
			t.Fatalf("%d points", n)
		}
	})
}
