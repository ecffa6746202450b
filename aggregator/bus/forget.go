package bus

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/gosight/gosight/proto/gen/gosight"
)

var lanes = []gosight.Lane{gosight.Lane_LANE_EVENTS, gosight.Lane_LANE_REPLAY}

// Ends are where both lanes' topics end now, by topic and partition.
func (p *Producer) Ends(ctx context.Context) (map[string]map[int32]int64, error) {
	ends, err := kadm.NewClient(p.client).ListEndOffsets(ctx, p.cfg.Topic(lanes[0]), p.cfg.Topic(lanes[1]))
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("ask where topics end: %w", err)
	}
	marks := map[string]map[int32]int64{}
	ends.Each(func(o kadm.ListedOffset) {
		if marks[o.Topic] == nil {
			marks[o.Topic] = map[int32]int64{}
		}
		marks[o.Topic][o.Partition] = o.Offset
	})
	return marks, nil
}

// Forget removes the records before marks, once the consumers have stored all of them; done is false before that.
// Topics are on the way to the tables: what is stored is of no more use in them than what led up to the next record,
// which a detector that begins anew then does without.
func (p *Producer) Forget(ctx context.Context, marks map[string]map[int32]int64) (done bool, err error) {
	admin := kadm.NewClient(p.client)
	starts, err := admin.ListStartOffsets(ctx, p.cfg.Topic(lanes[0]), p.cfg.Topic(lanes[1]))
	if err == nil {
		err = starts.Error()
	}
	if err != nil {
		return false, fmt.Errorf("ask where topics begin: %w", err)
	}
	var before kadm.Offsets
	for _, lane := range lanes {
		topic := p.cfg.Topic(lane)
		committed, err := admin.FetchOffsetsForTopics(ctx, p.cfg.GroupOf(lane), topic)
		if err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
			return false, fmt.Errorf("read commits of %s: %w", topic, err)
		}
		for partition, mark := range marks[topic] {
			if start, ok := starts.Lookup(topic, partition); ok && start.Offset >= mark {
				continue // nothing was there, or it is gone already
			}
			if commit, ok := committed.Lookup(topic, partition); !ok || commit.At < mark {
				return false, nil
			}
			before.AddOffset(topic, partition, mark, -1)
		}
	}
	err = deleteRecords(ctx, admin, before)
	return err == nil, err
}

// ForgetLetters removes the dead letters that are theirs, by key and value, and returns how many. Kafka takes no single
// record out of a topic, so those that still wait for a replay are written again, as old as they are, and everything
// before them is removed. Who stops halfway leaves some of them twice, which a replay does not count twice.
func (p *Producer) ForgetLetters(ctx context.Context, theirs func(key, value []byte) bool) (removed int, err error) {
	// Of its own, since a client with a RecordDeliveryTimeout gives letters up that are older than that.
	client, err := p.cfg.client(p.cfg.compression(), kgo.ProducerBatchMaxBytes(maxRecordBytes))
	if err != nil {
		return 0, err
	}
	defer client.Close()
	d := &DeadLetters{cfg: p.cfg, client: client, admin: kadm.NewClient(client)}
	_, err = d.read(ctx, fromStart, func(letter DeadLetter) error {
		if theirs(letter.Key, letter.Value) {
			removed++
		}
		return nil
	})
	if err != nil || removed == 0 {
		return 0, err
	}
	end, err := d.read(ctx, fromMark, func(letter DeadLetter) error {
		if theirs(letter.Key, letter.Value) {
			return nil
		}
		ctx, cancel := context.WithTimeout(ctx, d.cfg.ProduceTimeout)
		defer cancel()
		return writeDeadLetter(ctx, d.client, d.cfg, letter)
	})
	if err != nil {
		return 0, err
	}
	var before kadm.Offsets
	before.AddOffset(p.cfg.DeadLetterTopic(), 0, end, -1)
	return removed, deleteRecords(ctx, d.admin, before)
}

func deleteRecords(ctx context.Context, admin *kadm.Client, before kadm.Offsets) error {
	answers, err := admin.DeleteRecords(ctx, before)
	if err == nil {
		err = answers.Error()
	}
	if err != nil {
		return fmt.Errorf("delete records: %w", err)
	}
	return nil
}
