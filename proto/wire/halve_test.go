package wire

import (
	"fmt"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/gosight/gosight/proto/gen/gosight"
)

// Halved until nothing can be halved any more, a batch still says the same: every event and signal once, in order,
// signals after the events, and everything else with each of them.
func TestHalvesSayTheSame(t *testing.T) {
	for _, size := range [][2]int{{0, 0}, {1, 0}, {0, 1}, {1, 1}, {2, 0}, {0, 2}, {1, 5}, {5, 1}, {64, 9}} {
		whole := &gosight.Batch{}
		fill(whole.ProtoReflect())
		whole.Events, whole.Signals = nil, nil
		head := proto.CloneOf(whole)
		for i := range size[0] {
			whole.Events = append(whole.Events, &gosight.Event{EventId: fmt.Sprint(i)})
		}
		for i := range size[1] {
			whole.Signals = append(whole.Signals, &gosight.Signal{SignalId: fmt.Sprint(i)})
		}
		var events, signals []string
		var visit func(batch *gosight.Batch)
		visit = func(batch *gosight.Batch) {
			if first, second, ok := Halve(batch); ok {
				visit(first)
				visit(second)
				return
			}
			if n := len(batch.Events) + len(batch.Signals); n > 1 || n == 0 && size != [2]int{} {
				t.Errorf("%v: a piece holds %d", size, n)
			}
			for _, ev := range batch.Events {
				if len(signals) > 0 {
					t.Errorf("%v: event %s comes after a signal", size, ev.EventId)
				}
				events = append(events, ev.EventId)
			}
			for _, signal := range batch.Signals {
				signals = append(signals, signal.SignalId)
			}
			rest := proto.CloneOf(batch)
			rest.Events, rest.Signals = nil, nil
			if !proto.Equal(rest, head) {
				t.Errorf("%v: a piece says %v", size, rest)
			}
		}
		visit(whole)
		for kind, got := range map[string][]string{"events": events, "signals": signals} {
			want := map[string]int{"events": size[0], "signals": size[1]}[kind]
			if len(got) != want {
				t.Errorf("%v: %d %s", size, len(got), kind)
			}
			for i, id := range got {
				if id != fmt.Sprint(i) {
					t.Errorf("%v: %s %d is %s", size, kind, i, id)
				}
			}
		}
	}
}

// fill sets every field, also those that are added later, so that none is forgotten in a half.
func fill(m protoreflect.Message) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		field := fields.Get(i)
		switch {
		case field.IsMap():
			m.Mutable(field).Map().Set(protoreflect.ValueOfString("k").MapKey(), protoreflect.ValueOfString("v"))
		case field.IsList():
			m.Mutable(field).List().AppendMutable()
		case field.Kind() == protoreflect.StringKind:
			m.Set(field, protoreflect.ValueOfString(string(field.Name())))
		case field.Kind() == protoreflect.EnumKind:
			m.Set(field, protoreflect.ValueOfEnum(2))
		case field.Kind() == protoreflect.Int64Kind:
			m.Set(field, protoreflect.ValueOfInt64(int64(i+1)))
		case field.Kind() == protoreflect.Uint32Kind:
			m.Set(field, protoreflect.ValueOfUint32(uint32(i+1)))
		}
	}
}
