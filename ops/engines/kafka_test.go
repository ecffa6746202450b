package engines_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/gosight/gosight/ops/engines"
)

const kafkaVariable = "GOSIGHT_TEST_RUN_KAFKA"

// TestMain lets this binary run itself as a process that has a broker in it, to be killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv(kafkaVariable); dir != "" {
		kafka, err := engines.StartKafka(engines.KafkaConfig{DataDir: dir, Addr: "127.0.0.1:0"}, slog.Default())
		if err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
		fmt.Println(kafka.Addr())
		select {}
	}
	os.Exit(m.Run())
}

func startKafka(t *testing.T, config engines.KafkaConfig) *engines.Kafka {
	t.Helper()
	if config.Addr == "" {
		config.Addr = "127.0.0.1:0"
	}
	kafka, err := engines.StartKafka(config, slog.Default())
	if err != nil {
		t.Fatal(err)
	}
	return kafka
}

func kafkaClient(t *testing.T, addr string, options ...kgo.Opt) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(append(options, kgo.SeedBrokers(addr))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func createTopic(t *testing.T, client *kgo.Client, partitions int32, topic string) {
	t.Helper()
	if _, err := kadm.NewClient(client).CreateTopic(t.Context(), partitions, 1, nil, topic); err != nil {
		t.Fatal(err)
	}
}

// readAll consumes a topic from its start up to the end it has now.
func readAll(t *testing.T, addr, topic string) []string {
	t.Helper()
	client := kafkaClient(t, addr, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	ends, err := kadm.NewClient(client).ListEndOffsets(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	starts, err := kadm.NewClient(client).ListStartOffsets(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	var left int64
	ends.Each(func(o kadm.ListedOffset) { left += o.Offset })
	starts.Each(func(o kadm.ListedOffset) { left -= o.Offset })
	var values []string
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for int64(len(values)) < left {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("after %d of %d records: %v", len(values), left, err)
		}
		fetches.EachRecord(func(r *kgo.Record) { values = append(values, string(r.Value)) })
	}
	return values
}

// The process with the broker is killed in the middle of produce, three times; whatever was acked is there.
func TestKafkaKeepsAckedRecordsThroughKill(t *testing.T) {
	dir := t.TempDir()
	acked := map[string]bool{}
	for round := range 3 {
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(self)
		cmd.Env = append(os.Environ(), kafkaVariable+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		addr, err := bufio.NewReader(out).ReadString('\n')
		if err != nil || strings.HasPrefix(addr, "error") {
			t.Fatalf("round %d: the broker says %q: %v", round, addr, err)
		}
		client := kafkaClient(t, strings.TrimSpace(addr), kgo.DefaultProduceTopic("t"))
		if round == 0 {
			createTopic(t, client, 4, "t")
		}
		ctx, cancel := context.WithCancel(t.Context())
		results := make(chan string, 1000)
		go func() {
			for i := 0; ctx.Err() == nil; i++ {
				value := fmt.Sprintf("round %d record %d %s", round, i, strings.Repeat("x", 500))
				client.Produce(ctx, kgo.KeySliceRecord([]byte(fmt.Sprint(i)), []byte(value)),
					func(r *kgo.Record, err error) {
						if err == nil {
							results <- string(r.Value)
						}
					})
			}
		}()
		for range 2000 {
			acked[<-results] = true
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		cmd.Wait()
		cancel()
		// What was acked before the kill may still be on its way through the client's callbacks.
		flushed := make(chan struct{})
		go func() { client.Close(); close(flushed) }()
		for done := false; !done; {
			select {
			case value := <-results:
				acked[value] = true
			case <-flushed:
				done = true
			}
		}
	}
	kafka := startKafka(t, engines.KafkaConfig{DataDir: dir})
	defer kafka.Stop()
	stored := map[string]int{}
	for _, value := range readAll(t, kafka.Addr(), "t") {
		stored[value]++
	}
	for value := range acked {
		if stored[value] != 1 {
			t.Errorf("%.30s was acked and is there %d times", value, stored[value])
		}
	}
	t.Logf("%d records acked, %d stored", len(acked), len(stored))
}

func TestKafkaDeletesWhatAllGroupsConsumed(t *testing.T) {
	dir := t.TempDir()
	kafka := startKafka(t, engines.KafkaConfig{DataDir: dir, KeepConsumed: time.Millisecond,
		TrimEvery: 20 * time.Millisecond})
	defer kafka.Stop()
	client := kafkaClient(t, kafka.Addr())
	createTopic(t, client, 1, "consumed")
	createTopic(t, client, 1, "unread")
	const records = 3000
	for _, topic := range []string{"consumed", "unread"} {
		for i := range records {
			client.Produce(t.Context(), &kgo.Record{Topic: topic, Value: fmt.Appendf(nil, "%d %s", i,
				strings.Repeat("x", 4000))}, nil)
		}
	}
	if err := client.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	admin := kadm.NewClient(client)
	commit := func(group string, at int64) {
		t.Helper()
		offsets := kadm.Offsets{}
		offsets.Add(kadm.Offset{Topic: "consumed", Partition: 0, At: at, LeaderEpoch: -1})
		if err := admin.CommitAllOffsets(t.Context(), group, offsets); err != nil {
			t.Fatal(err)
		}
	}
	// The slower group decides; a topic without groups keeps everything.
	commit("slow", 1000)
	commit("quick", records)
	waitForStart := func(want int64) {
		t.Helper()
		for deadline := time.Now().Add(10 * time.Second); ; {
			starts, err := admin.ListStartOffsets(t.Context(), "consumed")
			if err != nil {
				t.Fatal(err)
			}
			start, _ := starts.Lookup("consumed", 0)
			if start.Offset == want {
				return
			}
			if time.Now().After(deadline) || start.Offset > want {
				t.Fatalf("the log begins at %d, want %d", start.Offset, want)
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	waitForStart(1000)
	commit("slow", records)
	waitForStart(records)
	if n := len(readAll(t, kafka.Addr(), "unread")); n != records {
		t.Errorf("the unread topic has %d records of %d", n, records)
	}
	if size := diskUse(t, filepath.Join(dir)); size > 16<<20 {
		t.Errorf("the broker keeps %d bytes on disk for 12 MB of unread records", size)
	}
}

func diskUse(t *testing.T, dir string) (size int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		size += info.Size()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return size
}

func TestKafkaStopsAndStartsOnItsPortAndData(t *testing.T) {
	dir := t.TempDir()
	kafka := startKafka(t, engines.KafkaConfig{DataDir: dir})
	client := kafkaClient(t, kafka.Addr(), kgo.DefaultProduceTopic("t"))
	createTopic(t, client, 2, "t")
	if err := client.ProduceSync(t.Context(), kgo.StringRecord("kept")).FirstErr(); err != nil {
		t.Fatal(err)
	}
	_, err := engines.StartKafka(engines.KafkaConfig{DataDir: t.TempDir(), Addr: kafka.Addr()}, slog.Default())
	if !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("a second broker on %s: %v", kafka.Addr(), err)
	}
	client.Close()
	kafka.Stop()
	if _, err := net.DialTimeout("tcp", kafka.Addr(), time.Second); err == nil {
		t.Error("the port is still open after Stop")
	}
	again := startKafka(t, engines.KafkaConfig{DataDir: dir, Addr: kafka.Addr()})
	defer again.Stop()
	if got := readAll(t, again.Addr(), "t"); len(got) != 1 || got[0] != "kept" {
		t.Errorf("read %q", got)
	}
}

// BenchmarkKafkaProduce is the price of fsync before each ack: records of 64 KiB, as the aggregator's batches are.
func BenchmarkKafkaProduce(b *testing.B) {
	kafka, err := engines.StartKafka(engines.KafkaConfig{DataDir: b.TempDir(), Addr: "127.0.0.1:0"}, slog.Default())
	if err != nil {
		b.Fatal(err)
	}
	defer kafka.Stop()
	client, err := kgo.NewClient(kgo.SeedBrokers(kafka.Addr()), kgo.DefaultProduceTopic("t"),
		kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.MaxBufferedRecords(64))
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	if _, err := kadm.NewClient(client).CreateTopic(b.Context(), 4, 1, nil, "t"); err != nil {
		b.Fatal(err)
	}
	value := make([]byte, 64<<10)
	b.SetBytes(int64(len(value)))
	for i := 0; b.Loop(); i++ {
		client.Produce(b.Context(), kgo.KeySliceRecord(fmt.Append(nil, i), value), func(_ *kgo.Record, err error) {
			if err != nil {
				b.Error(err)
			}
		})
	}
	if err := client.Flush(b.Context()); err != nil {
		b.Fatal(err)
	}
}
