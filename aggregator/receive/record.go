package receive

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/gosight/gosight/proto/gen/gosight"
)

// Record is one marshalled Batch on its way to Kafka.
type Record struct {
	Lane gosight.Lane
	// Key is project "/" session_id: what belongs to one visit stays in order in one partition.
	Key []byte
	// Value is the Batch as the agent marshalled it.
	Value []byte
	// user is who the batch says it is of; part of Value.
	user []byte
}

// Numbers of the fields of Batch that are looked at.
const (
	projectField = 1
	sessionField = 2
	laneField    = 3
	userField    = 4
)

// errNotABatch is permanent: the same bytes will never be one.
var errNotABatch = errors.New("not a batch")

// newRecord finds project, session and lane without decoding the events, and checks that the rest is well-formed
// at the top level.
func newRecord(batch []byte) (Record, error) {
	record := Record{Value: batch}
	var project, session []byte
	for rest := batch; len(rest) > 0; {
		number, kind, n := protowire.ConsumeTag(rest)
		if n < 0 {
			return Record{}, fmt.Errorf("%w: %w", errNotABatch, protowire.ParseError(n))
		}
		rest = rest[n:]
		switch {
		case number == projectField && kind == protowire.BytesType:
			project, n = protowire.ConsumeBytes(rest)
		case number == sessionField && kind == protowire.BytesType:
			session, n = protowire.ConsumeBytes(rest)
		case number == userField && kind == protowire.BytesType:
			record.user, n = protowire.ConsumeBytes(rest)
		case number == laneField && kind == protowire.VarintType:
			var lane uint64
			lane, n = protowire.ConsumeVarint(rest)
			record.Lane = gosight.Lane(lane)
		default:
			n = protowire.ConsumeFieldValue(number, kind, rest)
		}
		if n < 0 {
			return Record{}, fmt.Errorf("%w: field %d: %w", errNotABatch, number, protowire.ParseError(n))
		}
		rest = rest[n:]
	}
	switch {
	case len(project) == 0 || len(session) == 0:
		return Record{}, fmt.Errorf("%w: no project or no session", errNotABatch)
	case !utf8.Valid(project) || !utf8.Valid(session):
		return Record{}, fmt.Errorf("%w: project or session is not UTF-8", errNotABatch)
	case record.Lane != gosight.Lane_LANE_EVENTS && record.Lane != gosight.Lane_LANE_REPLAY:
		return Record{}, fmt.Errorf("%w: lane %d", errNotABatch, record.Lane)
	}
	record.Key = make([]byte, 0, len(project)+1+len(session))
	record.Key = append(append(append(record.Key, project...), '/'), session...)
	return record, nil
}
