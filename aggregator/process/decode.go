package process

import (
	"errors"
	"fmt"

	"github.com/gosight/gosight/proto/gen/gosight"
	"github.com/gosight/gosight/proto/wire"
)

// Why a record is poison; also the metric label.
const (
	undecodable = "undecodable"
	incomplete  = "incomplete"
)

var (
	errNoSession = errors.New("batch without project or session_id")
	errNoEvent   = errors.New("event without event_id or event_type")
	errNoSignal  = errors.New("signal without signal_id or kind")
)

// A record of 900 KiB, which is the largest that agents make, has some tens of thousands of events at most.
var codec = wire.Codec{Alias: true, MaxDecoded: 32 << 20}

// decode reads a record's value. The batch's strings point into value. reason is empty where all is well: agents
// have validated every event, so what is wrong here was damaged on the way, or is from a version not known yet.
func decode(value []byte) (batch *gosight.Batch, reason string, err error) {
	batch = &gosight.Batch{}
	if err := codec.Unmarshal(value, batch); err != nil {
		return nil, undecodable, fmt.Errorf("decode batch: %w", err)
	}
	if batch.Project == "" || batch.SessionId == "" {
		return nil, incomplete, errNoSession
	}
	for _, ev := range batch.Events {
		// Without these, rows of different events would fall into one.
		if ev.EventId == "" || ev.EventType == "" {
			return nil, incomplete, errNoEvent
		}
	}
	for _, sig := range batch.Signals {
		if sig.SignalId == "" || sig.Kind == "" {
			return nil, incomplete, errNoSignal
		}
	}
	return batch, "", nil
}
