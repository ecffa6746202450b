package bus

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// DeadLetter is a record that could not be delivered (Partition and Offset are -1) or not be understood.
type DeadLetter struct {
	ID     string
	Time   time.Time
	Reason string // short and countable: MESSAGE_TOO_LARGE, undecodable, ...
	Error  string // in words

	Topic      string // where it was going to, or came from
	Partition  int32
	Offset     int64
	Key, Value []byte

	first int64 // where its first piece is
}

// The headers of a record in the dead-letter topic. A letter larger than a piece is several records with one id.
const (
	headerID        = "gosight-id"
	headerReason    = "gosight-reason"
	headerError     = "gosight-error"
	headerTopic     = "gosight-topic"
	headerPartition = "gosight-partition"
	headerOffset    = "gosight-offset"
	headerPart      = "gosight-part"
	headerParts     = "gosight-parts"
)

// writeDeadLetter returns when all replicas have the letter. One without a time is of now.
func writeDeadLetter(ctx context.Context, client *kgo.Client, cfg Config, letter DeadLetter) error {
	parts := max(1, (len(letter.Value)+deadLetterPiece-1)/deadLetterPiece)
	id := uuid.NewString()
	for part := range parts {
		piece := letter.Value[part*deadLetterPiece : min((part+1)*deadLetterPiece, len(letter.Value))]
		record := &kgo.Record{Topic: cfg.DeadLetterTopic(), Key: letter.Key, Value: piece, Timestamp: letter.Time}
		for _, header := range [][2]string{
			{headerID, id}, {headerReason, letter.Reason}, {headerError, letter.Error}, {headerTopic, letter.Topic},
			{headerPartition, strconv.Itoa(int(letter.Partition))},
			{headerOffset, strconv.FormatInt(letter.Offset, 10)},
			{headerPart, strconv.Itoa(part)}, {headerParts, strconv.Itoa(parts)},
		} {
			record.Headers = append(record.Headers, kgo.RecordHeader{Key: header[0], Value: []byte(header[1])})
		}
		// One by one: what is in flight together is one batch, whose size may be just what was refused.
		if err := client.ProduceSync(ctx, record).FirstErr(); err != nil {
			return fmt.Errorf("write dead letter (%s): %w", letter.Reason, err)
		}
	}
	return nil
}

// DeadLetters reads the dead-letter topic and puts letters back where they belong.
type DeadLetters struct {
	cfg    Config
	client *kgo.Client
	admin  *kadm.Client
}

// OpenDeadLetters connects; nothing is read yet.
func OpenDeadLetters(cfg Config) (*DeadLetters, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	client, err := cfg.client(cfg.compression(), kgo.ProducerBatchMaxBytes(maxRecordBytes),
		kgo.RecordDeliveryTimeout(cfg.ProduceTimeout), kgo.AllowIdempotentProduceCancellation())
	if err != nil {
		return nil, err
	}
	return &DeadLetters{cfg: cfg, client: client, admin: kadm.NewClient(client)}, nil
}

// Close disconnects.
func (d *DeadLetters) Close() { d.client.Close() }

// group marks how far letters have been replayed.
func (d *DeadLetters) group() string { return d.cfg.Group + ".dlq" }

// List calls visit with each letter that was not replayed yet, oldest first, up to those that are there now. An
// error of visit ends the list and is returned.
func (d *DeadLetters) List(ctx context.Context, visit func(DeadLetter) error) error {
	_, err := d.read(ctx, fromMark, visit)
	return err
}

// Replay produces each letter that was not replayed yet to its own topic again, and then marks them replayed. It
// returns how many. A letter that Kafka refuses again, or that is still not understood, comes back as a new letter:
// it holds nobody up and is not lost. Where Replay fails halfway, all of them are replayed again the next time, which
// is harmless: rows are idempotent.
func (d *DeadLetters) Replay(ctx context.Context) (replayed, refused int, err error) {
	end, err := d.read(ctx, fromMark, func(letter DeadLetter) error {
		record := &kgo.Record{Topic: letter.Topic, Key: letter.Key, Value: letter.Value}
		err := d.client.ProduceSync(ctx, record).FirstErr()
		if err != nil && isAboutRecord(err) {
			refused++
			letter.Reason, letter.Error, letter.Time = reasonOf(err), err.Error(), time.Time{}
			return writeDeadLetter(ctx, d.client, d.cfg, letter)
		}
		if err != nil {
			return fmt.Errorf("replay dead letter %s to %s: %w", letter.ID, letter.Topic, err)
		}
		replayed++
		return nil
	})
	if err != nil || end < 0 {
		return replayed, refused, err
	}
	offsets := kadm.Offsets{}
	offsets.Add(kadm.Offset{Topic: d.cfg.DeadLetterTopic(), Partition: 0, At: end, LeaderEpoch: -1})
	if err := d.admin.CommitAllOffsets(ctx, d.group(), offsets); err != nil {
		return replayed, refused, fmt.Errorf("mark dead letters replayed: %w", err)
	}
	return replayed, refused, nil
}

// Where read begins.
const (
	fromMark  = false
	fromStart = true // with letters that were replayed
)

// A letter whose pieces stop coming for so long is nobody's who still writes.
const givenUp = time.Minute

// read visits the letters up to the topic's present end, and returns that end, or -1 where there is no letter. Where a
// letter is just being written, it returns where that begins.
func (d *DeadLetters) read(ctx context.Context, all bool, visit func(DeadLetter) error) (end int64, err error) {
	topic := d.cfg.DeadLetterTopic()
	starts, err := d.admin.ListStartOffsets(ctx, topic)
	if err != nil {
		return -1, fmt.Errorf("find dead letters: %w", err)
	}
	ends, err := d.admin.ListEndOffsets(ctx, topic)
	if err != nil {
		return -1, fmt.Errorf("find dead letters: %w", err)
	}
	first, _ := starts.Lookup(topic, 0)
	last, _ := ends.Lookup(topic, 0)
	if err := errors.Join(first.Err, last.Err); err != nil {
		return -1, fmt.Errorf("find dead letters: %w", err)
	}
	at := first.Offset
	if !all {
		marks, err := d.admin.FetchOffsetsForTopics(ctx, d.group(), topic)
		if err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
			return -1, fmt.Errorf("find dead letters: %w", err)
		}
		if mark, ok := marks.Lookup(topic, 0); ok && mark.Err == nil {
			at = max(at, mark.At)
		}
	}
	if at >= last.Offset {
		return -1, nil
	}

	reader, err := d.cfg.client(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{
		topic: {0: kgo.NewOffset().At(at)},
	}))
	if err != nil {
		return -1, err
	}
	defer reader.Close()
	assembly := map[string]DeadLetter{}
	for at < last.Offset {
		fetches := reader.PollRecords(ctx, 100)
		if err := fetches.Err(); err != nil {
			return -1, fmt.Errorf("read dead letters: %w", err)
		}
		for _, record := range fetches.Records() {
			if at = record.Offset + 1; at > last.Offset {
				break
			}
			letter, whole := assemble(assembly, record)
			if !whole {
				continue
			}
			if err := visit(letter); err != nil {
				return -1, err
			}
		}
	}
	end = last.Offset
	for _, letter := range assembly {
		if time.Since(letter.Time) < givenUp {
			end = min(end, letter.first)
		}
	}
	return end, nil
}

// assemble adds a record to the letter it is a piece of, and says whether the letter is whole. Pieces of one
// letter follow each other in order; a letter whose first pieces have expired never gets whole.
func assemble(assembly map[string]DeadLetter, record *kgo.Record) (DeadLetter, bool) {
	headers := map[string]string{}
	for _, header := range record.Headers {
		headers[header.Key] = string(header.Value)
	}
	number := func(name string) int64 { n, _ := strconv.ParseInt(headers[name], 10, 64); return n }
	id, part, parts := headers[headerID], number(headerPart), number(headerParts)

	letter, begun := assembly[id]
	if !begun {
		if part != 0 {
			return DeadLetter{}, false
		}
		letter = DeadLetter{
			ID: id, Time: record.Timestamp, Reason: headers[headerReason], Error: headers[headerError],
			Topic: headers[headerTopic], Partition: int32(number(headerPartition)), Offset: number(headerOffset),
			Key: record.Key, first: record.Offset,
		}
	}
	letter.Value = append(letter.Value, record.Value...)
	if part+1 < parts {
		assembly[id] = letter
		return DeadLetter{}, false
	}
	delete(assembly, id)
	return letter, true
}
