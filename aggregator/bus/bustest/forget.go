package bustest

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/gosight/gosight/aggregator/bus"
)

// What is forgotten is in no topic any more, once it is stored and not before; the others' dead letters wait as they did.
func forgotten(t *testing.T, cfg bus.Config) {
	p := Producer(t, cfg)
	large := append(bytes.Repeat([]byte("<large>"), 100_000), '3') // a letter of two pieces
	out := append(Batches(events, 0, 100), Batches(replay, 0, 100)...)
	out[73].Value = large
	Produce(t, p, out)
	marks, err := p.Ends(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if done, _ := p.Forget(t.Context(), marks); done { // brokers without a group yet may refuse to say anything
		t.Fatal("forgotten before anybody has read it")
	}

	l := NewLedger()
	l.Poison = func(r bus.Record) bool { return bytes.HasSuffix(r.Value, []byte("3")) }
	stop := Consume(t, cfg, events, l)
	Consume(t, cfg, replay, NewLedger())
	begun := time.Now()
	for done := false; !done; { // what was handled is committed after it
		if done, err = p.Forget(t.Context(), marks); !done && time.Since(begun) > patience {
			t.Fatalf("not forgotten: %v", err)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	// Another aggregator carries the same erasure out.
	if done, err := p.Forget(t.Context(), marks); !done || err != nil {
		t.Errorf("once more: %v, %v", done, err)
	}
	starts, err := Admin(t, cfg.Brokers).ListStartOffsets(t.Context(), cfg.Topic(events), cfg.Topic(replay))
	if err != nil {
		t.Fatal(err)
	}
	for topic, partitions := range marks {
		for partition, mark := range partitions {
			if start, _ := starts.Lookup(topic, partition); start.Offset != mark {
				t.Errorf("%s %d begins at %d, want %d", topic, partition, start.Offset, mark)
			}
		}
	}
	stop()

	letters := Letters(t, cfg)
	if len(letters) != 10 {
		t.Fatalf("%d dead letters, want 10", len(letters))
	}
	theirs := func(key, value []byte) bool {
		return string(key) == "default/s3" && (string(value) == "3" || string(value) == "13" || string(value) == "23")
	}
	if n, err := p.ForgetLetters(t.Context(), theirs); n != 3 || err != nil {
		t.Fatalf("%d letters removed, %v; want 3", n, err)
	}
	kept := slices.DeleteFunc(letters, func(l bus.DeadLetter) bool { return theirs(l.Key, l.Value) })
	told := func(letters []bus.DeadLetter) (out []string) {
		for _, l := range letters {
			out = append(out, fmt.Sprint(l.Time, l.Reason, l.Error, l.Topic, l.Partition, l.Offset, string(l.Key), string(l.Value)))
		}
		return out
	}
	if left := Letters(t, cfg); !slices.Equal(told(left), told(kept)) {
		t.Errorf("%d letters are left, and not as they were", len(left))
	}
	if n, err := p.ForgetLetters(t.Context(), theirs); n != 0 || err != nil {
		t.Errorf("once more: %d letters removed, %v", n, err)
	}

	// Who reads on misses nothing, and whoever looks at the letters can still replay them.
	d, err := bus.OpenDeadLetters(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if n, refused, err := d.Replay(t.Context()); err != nil || n != 7 || refused != 0 {
		t.Fatalf("replayed %d, refused %d, %v", n, refused, err)
	}
	if n, err := p.ForgetLetters(t.Context(), func(_, value []byte) bool { return string(value) == "33" }); n != 1 || err != nil {
		t.Errorf("%d letters removed that were replayed already, %v; want 1", n, err)
	}
	if left := Letters(t, cfg); len(left) != 0 {
		t.Errorf("%d letters wait again that were replayed", len(left))
	}
	Produce(t, p, Batches(events, 200, 210))
	second := NewLedger()
	Consume(t, cfg, events, second)
	second.Until(t, "what came after", func() bool { return len(second.Fresh) == 17 && second.Fresh[string(large)] == 1 })
	if len(second.Reread) != 0 {
		t.Errorf("%d forgotten records were read again", len(second.Reread))
	}
}
