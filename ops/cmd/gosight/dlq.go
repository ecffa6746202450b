package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/gosight/gosight/aggregator/bus"
)

// deadLetters is for the records that could be neither delivered nor understood: what they are, and, once their
// reason is gone, back with them to where they belong.
type deadLetters struct {
	Kafka  bus.Config        `embed:"" prefix:"kafka-"`
	List   listDeadLetters   `cmd:"" help:"Show the dead letters that were not replayed yet, oldest first."`
	Replay replayDeadLetters `cmd:"" help:"Put all of them back into their topics, once what was wrong is mended."`
}

// AfterApply hands the settings, which stand before the subcommand's name or behind it, to the subcommand.
func (d *deadLetters) AfterApply() error {
	d.List.kafka, d.Replay.kafka = d.Kafka, d.Kafka
	return nil
}

type listDeadLetters struct {
	JSON bool `help:"One JSON object a line, with the record's bytes in base64."`

	kafka bus.Config
}

func (c listDeadLetters) Run(ctx context.Context) error {
	letters, err := bus.OpenDeadLetters(c.kafka)
	if err != nil {
		return err
	}
	defer letters.Close()
	if c.JSON {
		out := json.NewEncoder(os.Stdout)
		return letters.List(ctx, func(letter bus.DeadLetter) error { return out.Encode(letter) })
	}
	count := 0
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	err = letters.List(ctx, func(letter bus.DeadLetter) error {
		if count == 0 {
			fmt.Fprintln(out, "WHEN\tREASON\tTOPIC\tAT\tPROJECT/SESSION\tBYTES\tERROR")
		}
		count++
		at := "never in it"
		if letter.Offset >= 0 {
			at = fmt.Sprintf("%d@%d", letter.Partition, letter.Offset)
		}
		_, err := fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%s\t%d\t%s\n", letter.Time.UTC().Format(time.DateTime), letter.Reason,
			letter.Topic, at, printable(letter.Key), len(letter.Value), printable([]byte(letter.Error)))
		return err
	})
	if err != nil {
		return err
	}
	if count == 0 {
		fmt.Fprintln(out, "No dead letters.")
	}
	return out.Flush()
}

// printable is text that clients had a hand in, as a terminal may show it.
func printable(text []byte) string {
	quoted := strconv.Quote(string(text))
	return quoted[1 : len(quoted)-1]
}

type replayDeadLetters struct {
	kafka bus.Config
}

func (c replayDeadLetters) Run(ctx context.Context) error {
	letters, err := bus.OpenDeadLetters(c.kafka)
	if err != nil {
		return err
	}
	defer letters.Close()
	replayed, refused, err := letters.Replay(ctx)
	fmt.Printf("%d dead letters are back in their topics.\n", replayed)
	if err != nil {
		return fmt.Errorf("%w; run it again, repeats are counted once", err)
	}
	if refused > 0 {
		return fmt.Errorf("kafka refused %d of them again, and they are dead letters still: "+
			"`gosight dlq list` says why, mostly the topic's max.message.bytes is too small", refused)
	}
	return nil
}
