package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/gosight/gosight/aggregator/bus"
)

// says runs the program to its good end and returns what it printed.
func says(t *testing.T, arguments ...string) string {
	t.Helper()
	p := start(t, arguments...)
	<-p.ended
	if p.err != nil {
		t.Fatalf("gosight %s: %v\n%s", strings.Join(arguments, " "), p.err, p.output)
	}
	return p.output.String()
}

func TestDeadLettersAreListedAndReplayed(t *testing.T) {
	_, ready := up(t, t.TempDir())
	if said := says(t, "dlq", "list", "--kafka-brokers", ready.Kafka); said != "No dead letters.\n" {
		t.Errorf("an empty list says %q", said)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(ready.Kafka))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	poison := &kgo.Record{Topic: "gosight.events", Key: []byte("default/s\x1b[31m"), Value: []byte("no batch")}
	if err := client.ProduceSync(t.Context(), poison).FirstErr(); err != nil {
		t.Fatal(err)
	}
	list := func() (letters []bus.DeadLetter) {
		for line := range strings.Lines(says(t, "dlq", "list", "--json", "--kafka-brokers", ready.Kafka)) {
			var letter bus.DeadLetter
			if err := json.Unmarshal([]byte(line), &letter); err != nil {
				t.Fatal(err)
			}
			letters = append(letters, letter)
		}
		return letters
	}
	// until asks for the list until its first letter is another one than before.
	until := func(before string) bus.DeadLetter {
		for deadline := time.Now().Add(time.Minute); ; {
			if letters := list(); len(letters) == 1 && letters[0].ID != before {
				return letters[0]
			}
			if time.Now().After(deadline) {
				t.Fatal("no dead letter within a minute")
			}
		}
	}
	first := until("")
	if string(first.Value) != "no batch" || first.Reason != "undecodable" || first.Topic != "gosight.events" {
		t.Errorf("the letter is %+v", first)
	}
	table := says(t, "dlq", "list", "--kafka-brokers", ready.Kafka)
	for _, want := range []string{"undecodable", "gosight.events", `default/s\x1b[31m`} {
		if !strings.Contains(table, want) {
			t.Errorf("the list lacks %q:\n%s", want, table)
		}
	}
	if said := says(t, "dlq", "replay", "--kafka-brokers", ready.Kafka); !strings.HasPrefix(said, "1 dead letters are back") {
		t.Errorf("replay says %q", said)
	}
	if again := until(first.ID); again.Offset <= first.Offset {
		t.Errorf("it was read at %d, and replayed to %d", first.Offset, again.Offset)
	}
}

func TestDeadLettersOfABrokerThatIsAway(t *testing.T) {
	fails(t, []string{"127.0.0.1:1", "dead letters"}, "dlq", "list", "--kafka-brokers", "127.0.0.1:1")
}
