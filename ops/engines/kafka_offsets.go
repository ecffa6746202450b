package engines

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// offsets keeps what kfake forgets when it ends: where a partition begins of which records were deleted (it comes back
// at the beginning of its file, with what was deleted), and where one ends that has no records left (it comes back at
// 0, and gives offsets out again that consumers have committed already: they would not look at what is new).
type offsets struct {
	cluster *kfake.Cluster
	dataDir string

	mu    sync.Mutex
	known map[string]map[int32]span // by topic and partition
}

// span is from where to before where a partition has records.
type span struct {
	Start int64 `json:"start"`
	End   int64 `json:"end"`
}

// readOffsets reads what was written down, and prepares the files of empty partitions; then kfake may start on them.
func readOffsets(dataDir string) (*offsets, error) {
	o := &offsets{dataDir: dataDir, known: map[string]map[int32]span{}}
	text, err := os.ReadFile(o.file())
	if errors.Is(err, fs.ErrNotExist) {
		return o, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &o.known)
	}
	if err != nil {
		return nil, fmt.Errorf("read where the embedded Kafka's partitions begin: %w", err)
	}
	for topic, partitions := range o.known {
		for partition, at := range partitions {
			if err := o.prepare(topic, partition, at.End); err != nil {
				return nil, fmt.Errorf("prepare %s %d of the embedded Kafka: %w", topic, partition, err)
			}
		}
	}
	return o, nil
}

func (o *offsets) file() string { return filepath.Join(o.dataDir, "offsets.json") }

// prepare makes a partition without records go on at end. kfake takes that from its snapshot, where a file of records
// is there too, which may be empty. (TestDeletedRecordsStayDeletedThroughKill fails should another kfake keep its files otherwise.)
func (o *offsets) prepare(topic string, partition int32, end int64) error {
	dir := filepath.Join(o.dataDir, "partitions", fmt.Sprintf("%s-%d", url.PathEscape(topic), partition))
	files, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) || end == 0 {
		return nil // the topic was deleted, or never had a record
	}
	if err != nil {
		return err
	}
	for _, file := range files {
		if info, err := file.Info(); err != nil {
			return err
		} else if strings.HasSuffix(file.Name(), ".dat") && info.Size() > 0 {
			return nil
		}
	}
	type segment struct {
		Base int64 `json:"base_offset"`
		Size int64 `json:"size"`
	}
	snapshot, err := json.Marshal(map[string]any{
		"version": 1, "high_watermark": end, "last_stable_offset": end, "log_start_offset": end, "segments": []segment{{Base: end}},
	})
	if err != nil {
		return err
	}
	return errors.Join(os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.dat", end)), nil, 0o600),
		os.WriteFile(filepath.Join(dir, "snapshot.json"), snapshot, 0o600))
}

// watch deletes again what was deleted before, and from now on writes down what is deleted, before it is.
func (o *offsets) watch(cluster *kfake.Cluster) error {
	o.cluster = cluster
	for topic, partitions := range o.known {
		for partition, at := range partitions {
			if is := cluster.PartitionInfo(topic, partition); is != nil && is.LogStartOffset < at.Start && at.Start <= is.HighWatermark {
				if err := cluster.DeleteRecords(topic, partition, at.Start); err != nil {
					return fmt.Errorf("delete from %s %d of the embedded Kafka what was deleted before: %w", topic, partition, err)
				}
			}
		}
	}
	cluster.ControlKey(int16(kmsg.DeleteRecords), func(request kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		// Where it cannot be written down the connection is closed, and nothing deleted.
		err := o.deleting(request.(*kmsg.DeleteRecordsRequest))
		return nil, err, err != nil
	})
	cluster.ControlKey(int16(kmsg.DeleteTopics), func(request kmsg.Request) (kmsg.Response, error, bool) {
		o.mu.Lock()
		defer o.mu.Unlock()
		for _, topic := range request.(*kmsg.DeleteTopicsRequest).Topics {
			if topic.Topic != nil {
				delete(o.known, *topic.Topic)
			} else if is := cluster.TopicIDInfo(topic.TopicID); is != nil {
				delete(o.known, is.Topic)
			}
		}
		err := o.write()
		return nil, err, err != nil
	})
	return nil
}

// deleting takes note of what a request deletes.
func (o *offsets) deleting(request *kmsg.DeleteRecordsRequest) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, topic := range request.Topics {
		for _, partition := range topic.Partitions {
			is := o.cluster.PartitionInfo(topic.Topic, partition.Partition)
			if is == nil {
				continue
			}
			start := partition.Offset
			if start == -1 {
				start = is.HighWatermark
			}
			if start > is.HighWatermark || start < is.LogStartOffset {
				start = is.LogStartOffset // it is refused
			}
			o.note(topic.Topic, partition.Partition, span{start, is.HighWatermark})
		}
	}
	return o.write()
}

// noteAll writes down where all partitions are: the retention of topics deletes records too.
func (o *offsets) noteAll(topics []string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, topic := range topics {
		for _, is := range o.cluster.PartitionInfos(topic) {
			o.note(topic, is.Partition, span{is.LogStartOffset, is.HighWatermark})
		}
	}
	return o.write()
}

func (o *offsets) note(topic string, partition int32, at span) {
	if o.known[topic] == nil {
		o.known[topic] = map[int32]span{}
	}
	// What is being deleted is noted before it is, so neither moves back.
	was := o.known[topic][partition]
	o.known[topic][partition] = span{max(was.Start, at.Start), max(was.End, at.End)}
}

func (o *offsets) write() error {
	text, err := json.Marshal(o.known)
	if err != nil {
		return err
	}
	file, err := os.Create(o.file() + ".new")
	if err == nil {
		_, err = file.Write(text)
		err = errors.Join(err, file.Sync(), file.Close())
	}
	if err == nil {
		err = os.Rename(file.Name(), o.file())
	}
	if err != nil {
		return fmt.Errorf("write down where the embedded Kafka's partitions begin: %w", err)
	}
	return nil
}
