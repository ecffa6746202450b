package bus

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"

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
	var before kadm.Offsets
	for _, lane := range lanes {
		topic := p.cfg.Topic(lane)
		committed, err := admin.FetchOffsetsForTopics(ctx, p.cfg.GroupOf(lane), topic)
		if err != nil {
			return false, fmt.Errorf("read commits of %s: %w", topic, err)
		}
		for partition, mark := range marks[topic] {
			if mark == 0 {
				continue
			}
			if commit, ok := committed.Lookup(topic, partition); !ok || commit.At < mark {
				return false, nil
			}
			before.AddOffset(topic, partition, mark, -1)
		}
	}
	answers, err := admin.DeleteRecords(ctx, before)
	if err == nil {
		err = answers.Error()
	}
	if err != nil {
		return false, fmt.Errorf("delete records: %w", err)
	}
	return true, nil
}
