package engines_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/gosight/gosight/ops/engines"
)

// brokerProcess runs a broker that can be killed, and returns its address.
func brokerProcess(t *testing.T, dir string) (addr string, kill func()) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), kafkaVariable+"="+dir)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	kill = func() {
		_ = cmd.Process.Kill() // it may be gone already
		_ = cmd.Wait()
	}
	t.Cleanup(kill)
	addr, err = bufio.NewReader(out).ReadString('\n')
	if err != nil || strings.HasPrefix(addr, "error") {
		t.Fatalf("the broker says %q: %v", addr, err)
	}
	return strings.TrimSpace(addr), kill
}

// What was deleted stays deleted when the broker is killed, and no offset is given out a second time: who has
// committed it would take what is new for what it has already.
func TestDeletedRecordsStayDeletedThroughKill(t *testing.T) {
	dir := t.TempDir()
	addr, kill := brokerProcess(t, dir)
	client := kafkaClient(t, addr, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	createTopic(t, client, 2, "t")
	produce := func(client *kgo.Client, partition int32, from, to int) {
		for i := from; i < to; i++ {
			record := &kgo.Record{Topic: "t", Partition: partition, Value: fmt.Append(nil, i)}
			if err := client.ProduceSync(t.Context(), record).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
	}
	produce(client, 0, 0, 10)
	produce(client, 1, 0, 10)
	before := kadm.Offsets{}
	before.AddOffset("t", 0, 10, -1) // all of it
	before.AddOffset("t", 1, 6, -1)  // the middle of a file
	answers, err := kadm.NewClient(client).DeleteRecords(t.Context(), before)
	if err != nil || answers.Error() != nil {
		t.Fatal(err, answers.Error())
	}
	refused := kadm.Offsets{}
	refused.AddOffset("t", 1, 12, -1) // there is no such record yet, and there will be
	if answers, err := kadm.NewClient(client).DeleteRecords(t.Context(), refused); err != nil || answers.Error() == nil {
		t.Fatalf("more was deleted than is there: %v", err)
	}
	for life := range 2 {
		kill()
		addr, kill = brokerProcess(t, dir)
		client = kafkaClient(t, addr, kgo.RecordPartitioner(kgo.ManualPartitioner()))
		admin := kadm.NewClient(client)
		starts, err := admin.ListStartOffsets(t.Context(), "t")
		if err != nil {
			t.Fatal(err)
		}
		ends, err := admin.ListEndOffsets(t.Context(), "t")
		if err != nil {
			t.Fatal(err)
		}
		for partition, want := range map[int32][2]int64{0: {10, 10 + int64(life)*5}, 1: {6, 10 + int64(life)*5}} {
			start, _ := starts.Lookup("t", partition)
			end, _ := ends.Lookup("t", partition)
			if start.Offset != want[0] || end.Offset != want[1] {
				t.Errorf("life %d: partition %d has %d to %d, want %d to %d", life, partition, start.Offset, end.Offset, want[0], want[1])
			}
		}
		produce(client, 0, 100, 105)
		produce(client, 1, 100, 105)
	}

	// A stop in good order is no different.
	kill()
	for range 2 {
		kafka := startKafka(t, engines.KafkaConfig{DataDir: dir})
		admin := kadm.NewClient(kafkaClient(t, kafka.Addr()))
		all := kadm.Offsets{}
		all.AddOffset("t", 0, 20, -1)
		if answers, err := admin.DeleteRecords(t.Context(), all); err != nil || answers.Error() != nil {
			t.Fatal(err, answers.Error())
		}
		ends, err := admin.ListEndOffsets(t.Context(), "t")
		if end, _ := ends.Lookup("t", 0); err != nil || end.Offset != 20 {
			t.Errorf("after a stop, partition 0 ends at %d, %v; want 20", end.Offset, err)
		}
		kafka.Stop()
	}
}
