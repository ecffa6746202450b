package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// found is where each text was found: tables, topics or files.
type found map[string][]string

// add takes note of the texts that are in data.
func (f found) add(place string, data []byte, texts []string) {
	for _, text := range texts {
		if bytes.Contains(data, []byte(text)) && !slices.Contains(f[text], place) {
			f[text] = append(f[text], place)
		}
	}
}

// inTables looks for texts in every column of every table that the engine keeps, its own logs included, also in rows
// that FINAL would not show.
func inTables(t *testing.T, clickhouse string, texts ...string) found {
	t.Helper()
	ask := func(sql string) string {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, clickhouse, strings.NewReader(sql))
		if err != nil {
			t.Fatal(err)
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		if err != nil || answer.StatusCode != http.StatusOK {
			t.Fatalf("%s\n%s %v", sql, body, err)
		}
		return strings.TrimSpace(string(body))
	}
	tables := strings.Fields(ask("SELECT database || '.' || name FROM system.tables WHERE engine LIKE '%MergeTree' ORDER BY ALL"))
	if len(tables) < 9 {
		t.Fatalf("only %v are there to be searched", tables)
	}
	places := found{}
	for _, table := range tables {
		counts := make([]string, len(texts))
		for i, text := range texts {
			counts[i] = fmt.Sprintf("countIf(position(row, '%s') > 0)", text)
		}
		answer := ask("SELECT " + strings.Join(counts, ", ") + " FROM (SELECT toString(tuple(*)) AS row FROM " + table + ")")
		for i, count := range strings.Fields(answer) {
			if count != "0" {
				places[texts[i]] = append(places[texts[i]], strings.TrimPrefix(table, "gosight."))
			}
		}
	}
	return places
}

// inTopics looks for texts in every record of every topic, from where it begins to where it ends now: keys, headers, and
// values as they are when Kafka's compression is undone.
func inTopics(t *testing.T, kafka string, texts ...string) found {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	client, err := kgo.NewClient(kgo.SeedBrokers(kafka))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	topics, err := admin.ListTopicsWithInternal(ctx)
	if err != nil {
		t.Fatal(err)
	}
	starts, err := admin.ListStartOffsets(ctx, topics.Names()...)
	if err != nil {
		t.Fatal(err)
	}
	ends, err := admin.ListEndOffsets(ctx, topics.Names()...)
	if err != nil {
		t.Fatal(err)
	}
	left := map[string]map[int32]kgo.Offset{}
	ends.Each(func(end kadm.ListedOffset) {
		start, ok := starts.Lookup(end.Topic, end.Partition)
		if !ok || start.Err != nil || end.Err != nil {
			t.Fatalf("%s %d: %v, %v", end.Topic, end.Partition, start.Err, end.Err)
		}
		if start.Offset < end.Offset {
			if left[end.Topic] == nil {
				left[end.Topic] = map[int32]kgo.Offset{}
			}
			left[end.Topic][end.Partition] = kgo.NewOffset().At(start.Offset)
		}
	})
	places := found{}
	reader, err := kgo.NewClient(kgo.SeedBrokers(kafka), kgo.ConsumePartitions(left))
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	for len(left) > 0 {
		fetches := reader.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		fetches.EachRecord(func(record *kgo.Record) {
			data := append(bytes.Clone(record.Key), record.Value...)
			for _, header := range record.Headers {
				data = append(data, header.Value...)
			}
			places.add(record.Topic, data, texts)
			if end, _ := ends.Lookup(record.Topic, record.Partition); record.Offset >= end.Offset-1 {
				if delete(left[record.Topic], record.Partition); len(left[record.Topic]) == 0 {
					delete(left, record.Topic)
				}
			}
		})
	}
	return places
}

// inFiles looks for texts in the bytes of every file below dir, as they are on the disk.
func inFiles(t *testing.T, dir string, texts ...string) found {
	t.Helper()
	places := found{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return ignoreGone(err)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return ignoreGone(err)
		}
		place, err := filepath.Rel(dir, path)
		places.add(place, append([]byte(place), data...), texts)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return places
}

// diskUse is how many bytes the files below dir take.
func diskUse(t *testing.T, dir string) (size int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return ignoreGone(err)
		}
		info, err := entry.Info()
		if err == nil {
			size += info.Size()
		}
		return ignoreGone(err)
	})
	if err != nil {
		t.Fatal(err)
	}
	return size
}

// ignoreGone: the engine deletes files while they are looked at.
func ignoreGone(err error) error {
	if os.IsNotExist(err) {
		return nil
	}
	return err
}
