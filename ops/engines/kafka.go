package engines

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// KafkaConfig says how to run the embedded Kafka.
type KafkaConfig struct {
	DataDir string
	Addr    string // 127.0.0.1:port; port 0 takes a free one. The embedded broker serves loopback only.
	// KeepConsumed is how long records stay after every group has committed past them; a consumer that takes a
	// partition over reads some of them again. 0 means the default of ten minutes.
	KeepConsumed time.Duration
	// TrimEvery is how often consumed records are deleted; 0 means once a minute.
	TrimEvery time.Duration
}

// Kafka is the embedded broker: it speaks the protocol, keeps its logs in DataDir and fsyncs each produce before it
// acks, so that acked records survive kill -9.
//
// Its disk stays small although nothing that a consumer still needs is deleted: records go once all groups of
// their topic have committed past them and KeepConsumed is over. Retention by size would delete unread records
// while the store is down; retention by time is left to the topics' own settings.
type Kafka struct {
	cluster *kfake.Cluster
	offsets *offsets
	client  *kgo.Client
	addr    string
	log     *slog.Logger
	cancel  context.CancelFunc
	tending sync.WaitGroup
}

// StartKafka starts the broker. Stop it when its clients have ended.
func StartKafka(config KafkaConfig, log *slog.Logger) (*Kafka, error) {
	if config.KeepConsumed == 0 {
		config.KeepConsumed = 10 * time.Minute
	}
	if config.TrimEvery == 0 {
		config.TrimEvery = time.Minute
	}
	if err := os.MkdirAll(config.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("create Kafka's data directory: %w", err)
	}
	host, portText, err := net.SplitHostPort(config.Addr)
	if err != nil {
		return nil, fmt.Errorf("address of the embedded Kafka: %w", err)
	}
	if host != "127.0.0.1" {
		return nil, fmt.Errorf("address of the embedded Kafka: it serves 127.0.0.1 only, not %s", host)
	}
	port, err := strconv.Atoi(portText)
	if err != nil {
		return nil, fmt.Errorf("address of the embedded Kafka: %w", err)
	}
	offsets, err := readOffsets(config.DataDir)
	if err != nil {
		return nil, err
	}
	cluster, err := kfake.NewCluster(
		kfake.NumBrokers(1),
		kfake.Ports(port),
		kfake.ClusterID("gosight-embedded"),
		kfake.DataDir(config.DataDir),
		kfake.SyncWrites(),
		kfake.BrokerConfigs(map[string]string{
			"message.max.bytes":      strconv.Itoa(2 << 20),
			"log.segment.bytes":      strconv.Itoa(4 << 20), // consumed records go by whole segments
			"log.cleaner.backoff.ms": "60000",
		}),
	)
	if err != nil {
		return nil, fmt.Errorf("start the embedded Kafka: %w", err)
	}
	if err := offsets.watch(cluster); err != nil {
		cluster.Close()
		return nil, err
	}
	k := &Kafka{cluster: cluster, offsets: offsets, addr: cluster.ListenAddrs()[0], log: log}
	if k.client, err = kgo.NewClient(kgo.SeedBrokers(k.addr)); err != nil {
		cluster.Close()
		return nil, fmt.Errorf("connect to the embedded Kafka: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	k.cancel = cancel
	k.tending.Go(func() { k.trimConsumed(ctx, config.TrimEvery, config.KeepConsumed) })
	groups := &members{last: map[member]lastHeard{}}
	groups.watch(cluster)
	k.tending.Go(func() { k.dismissSilent(ctx, groups) })
	return k, nil
}

// Addr is the broker's host:port.
func (k *Kafka) Addr() string { return k.addr }

// Stop writes the last state to disk and ends the broker.
func (k *Kafka) Stop() {
	k.cancel()
	k.tending.Wait()
	if err := k.noteOffsets(context.Background()); err != nil {
		k.log.Warn("embedded Kafka: stopping", "error", err)
	}
	k.client.Close()
	k.cluster.Close()
}

// noteOffsets keeps where the partitions are for the next start.
func (k *Kafka) noteOffsets(ctx context.Context) error {
	topics, err := kadm.NewClient(k.client).ListTopics(ctx)
	if err != nil {
		return fmt.Errorf("list topics: %w", err)
	}
	return k.offsets.noteAll(topics.Names())
}

func (k *Kafka) dismissSilent(ctx context.Context, groups *members) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			for _, who := range groups.silent(now) {
				if err := groups.leave(ctx, k.client, who); err != nil && ctx.Err() == nil {
					k.log.Warn("embedded Kafka: a dead member stays in its group until the next rebalance", "error", err)
				}
			}
		}
	}
}

func (k *Kafka) trimConsumed(ctx context.Context, every, keep time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if err := k.trimOnce(ctx, time.Now().Add(-keep)); err != nil && ctx.Err() == nil {
			k.log.Warn("embedded Kafka: cannot delete consumed records", "error", err)
		}
		if err := k.noteOffsets(ctx); err != nil && ctx.Err() == nil {
			k.log.Warn("embedded Kafka: records that retention deletes may come back", "error", err)
		}
	}
}

// trimOnce deletes the records that are older than before and that every group has committed past.
func (k *Kafka) trimOnce(ctx context.Context, before time.Time) error {
	admin := kadm.NewClient(k.client)
	groups, err := admin.ListGroups(ctx)
	if err != nil {
		return fmt.Errorf("list groups: %w", err)
	}
	// A topic that no group has committed on is not in here, and keeps all it has.
	consumed := kadm.Offsets{}
	for _, response := range admin.FetchManyOffsets(ctx, groups.Groups()...) {
		if response.Err != nil {
			return fmt.Errorf("fetch the offsets of group %s: %w", response.Group, response.Err)
		}
		response.Fetched.Each(func(o kadm.OffsetResponse) {
			if known, ok := consumed.Lookup(o.Topic, o.Partition); o.Err == nil && (!ok || o.At < known.At) {
				consumed.Delete(o.Topic, o.Partition) // Add alone would keep the higher one
				consumed.Add(kadm.Offset{Topic: o.Topic, Partition: o.Partition, At: o.At, LeaderEpoch: -1})
			}
		})
	}
	topics := make([]string, 0, len(consumed))
	for topic := range consumed {
		topics = append(topics, topic)
	}
	if len(topics) == 0 {
		return nil
	}
	old, err := admin.ListOffsetsAfterMilli(ctx, before.UnixMilli(), topics...)
	if err != nil {
		return fmt.Errorf("list offsets: %w", err)
	}
	starts, err := admin.ListStartOffsets(ctx, topics...)
	if err != nil {
		return fmt.Errorf("list start offsets: %w", err)
	}
	trim := kadm.Offsets{}
	consumed.Each(func(o kadm.Offset) {
		first, ok := old.Lookup(o.Topic, o.Partition)
		start, known := starts.Lookup(o.Topic, o.Partition)
		if at := min(o.At, first.Offset); ok && known && first.Err == nil && start.Err == nil && at > start.Offset {
			trim.Add(kadm.Offset{Topic: o.Topic, Partition: o.Partition, At: at, LeaderEpoch: -1})
		}
	})
	if len(trim) == 0 {
		return nil
	}
	responses, err := admin.DeleteRecords(ctx, trim)
	return errors.Join(err, responses.Error())
}
