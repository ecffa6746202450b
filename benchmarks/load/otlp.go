package load

import (
	"context"
	"fmt"
	"time"

	common "go.opentelemetry.io/proto/otlp/common/v1"
	logs "go.opentelemetry.io/proto/otlp/logs/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/gosight/gosight/proto/gen/gosight"
)

// OTLP sends batches to an OpenTelemetry Collector: an event is a log record, and what a batch shares is shared in
// the resource, as its own SDKs do it.
type OTLP struct{ Conn *grpc.ClientConn }

// SendBatch implements Sender.
func (o *OTLP) SendBatch(ctx context.Context, batch *gosight.EventBatch) (*gosight.Status, error) {
	// On the wire LogsData is an ExportLogsServiceRequest, whose own package would bring a whole HTTP gateway. The
	// response holds an empty partial_success (two bytes) unless records were rejected.
	request, answer := &logs.LogsData{ResourceLogs: []*logs.ResourceLogs{translate(batch)}}, &emptypb.Empty{}
	for {
		err := o.Conn.Invoke(ctx, "/opentelemetry.proto.collector.logs.v1.LogsService/Export", request, answer)
		if err == nil {
			if len(answer.ProtoReflect().GetUnknown()) > 2 {
				return nil, fmt.Errorf("export %d logs: some were rejected", len(batch.Events))
			}
			return &gosight.Status{Accepted: uint64(len(batch.Events))}, nil
		}
		if code := status.Code(err); code != codes.Unavailable && code != codes.ResourceExhausted {
			return nil, fmt.Errorf("export logs: %w", err)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func translate(batch *gosight.EventBatch) *logs.ResourceLogs {
	shared := &resource.Resource{Attributes: []*common.KeyValue{text("session_id", batch.SessionId), text("user_id", batch.UserId)}}
	for key, value := range batch.Metadata {
		shared.Attributes = append(shared.Attributes, text(key, value))
	}
	records := make([]*logs.LogRecord, len(batch.Events))
	for i, ev := range batch.Events {
		records[i] = &logs.LogRecord{
			TimeUnixNano: uint64(ev.Timestamp) * 1e6, EventName: ev.EventType,
			Body:       &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: ev.Payload}},
			Attributes: []*common.KeyValue{text("event_id", ev.EventId)},
		}
	}
	return &logs.ResourceLogs{Resource: shared, ScopeLogs: []*logs.ScopeLogs{{LogRecords: records}}}
}

func text(key, value string) *common.KeyValue {
	return &common.KeyValue{Key: key, Value: &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: value}}}
}
