package store

import (
	"bytes"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"testing"

	"github.com/ClickHouse/ch-go/proto"
)

// decodeInto reads with ch-go what a column of ours has written.
func decodeInto(t *testing.T, from proto.ColInput, into proto.ColResult) {
	t.Helper()
	var b proto.Buffer
	if state, ok := from.(proto.StateEncoder); ok {
		state.EncodeState(&b)
	}
	from.EncodeColumn(&b)
	r := proto.NewReader(bytes.NewReader(b.Buf))
	if state, ok := into.(proto.StateDecoder); ok {
		if err := state.DecodeState(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := into.DecodeColumn(r, from.Rows()); err != nil {
		t.Fatal(err)
	}
	if rest, _ := r.ReadByte(); rest != 0 {
		t.Errorf("bytes are left after %d rows", from.Rows())
	}
}

func TestText(t *testing.T) {
	var column text
	column.Append("from before")
	column.Reset()
	rows := []string{"", "a", strings.Repeat("long", 100), "ü\x00"}
	for _, row := range rows {
		column.Append(row)
	}
	var got proto.ColStr
	decodeInto(t, &column, &got)
	for i, row := range rows {
		if got.Row(i) != row {
			t.Errorf("row %d is %q, want %q", i, got.Row(i), row)
		}
	}
}

// A dictionary's places are one, two or four bytes wide.
func TestWords(t *testing.T) {
	var column words // the same for all, as it is between inserts
	for _, kinds := range []int{0, 1, 256, 257, 65_536, 65_537} {
		t.Run(strconv.Itoa(kinds), func(t *testing.T) {
			column.Reset()
			var rows []string
			for i := range kinds {
				word := fmt.Sprint("word ", i)
				rows = append(rows, word, word, fmt.Sprint("word ", i/2))
			}
			for _, row := range rows {
				column.Append(row)
			}
			got := proto.NewLowCardinality(new(proto.ColStr))
			if kinds > 0 {
				decodeInto(t, &column, got)
			}
			for i, row := range rows {
				if got.Row(i) != row {
					t.Fatalf("row %d is %q, want %q", i, got.Row(i), row)
				}
			}
		})
	}
}

func TestPairs(t *testing.T) {
	var column pairs
	page := []Pair{{Key: "url", Value: "/a"}, {Key: "os", Value: "Linux"}}
	rows := [][]Pair{nil, nil, page, page, {{Key: "url", Value: "/b"}, {Key: "os", Value: "Linux"}}, {}, page, {{Key: "url", Value: ""}}}
	for range 2 {
		column.Reset()
		for _, row := range rows {
			column.Append(row)
		}
		got := proto.NewMap(proto.NewLowCardinality(new(proto.ColStr)), new(proto.ColStr))
		decodeInto(t, &column, got)
		for i, row := range rows {
			want := map[string]string{}
			for _, pair := range row {
				want[pair.Key] = pair.Value
			}
			if !maps.Equal(got.Row(i), want) {
				t.Errorf("row %d is %v, want %v", i, got.Row(i), want)
			}
		}
	}
}
