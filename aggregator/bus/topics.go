package bus

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/gosight/gosight/proto/gen/gosight"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// createTopics makes the topics that are missing, and leaves those alone that are there: their settings are the
// operator's.
func createTopics(ctx context.Context, cfg Config, client *kgo.Client) error {
	text := func(v int64) *string { s := strconv.FormatInt(v, 10); return &s }
	settings := map[string]*string{
		"max.message.bytes": text(maxRecordBytes),
		"retention.ms":      text(cfg.Retention.Milliseconds()),
		"retention.bytes":   text(cfg.RetentionBytes),
	}
	// Dead letters wait for a person, who may be on holiday; one partition keeps them in order.
	const deadLetterDays = 30
	deadLetters := map[string]*string{"retention.ms": text(deadLetterDays * 24 * 3600 * 1000)}

	topics := []struct {
		name       string
		partitions int32
		settings   map[string]*string
	}{
		{cfg.Topic(gosight.Lane_LANE_EVENTS), cfg.Partitions, settings},
		{cfg.Topic(gosight.Lane_LANE_REPLAY), cfg.Partitions, settings},
		{cfg.DeadLetterTopic(), 1, deadLetters},
	}
	admin := kadm.NewClient(client)
	there, err := admin.ListTopics(ctx)
	if err != nil {
		return fmt.Errorf("list topics: %w", cfg.explain(err))
	}
	for _, topic := range topics {
		if there.Has(topic.name) {
			continue // nor ask for a right to create that is not needed
		}
		_, err := admin.CreateTopic(ctx, topic.partitions, cfg.Replication, topic.settings, topic.name)
		if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
			return fmt.Errorf("create topic %s: %w", topic.name, cfg.explain(err))
		}
	}
	return nil
}
