package wire

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// Codec marshals protobuf with the generated vtprotobuf code where a message has it, at a third of the cost of
// reflection, and with the standard library otherwise (health, reflection, errors). It serves as a codec of
// grpc-go and of connect alike, under the standard name.
type Codec struct {
	// Alias lets decoded strings and bytes point into the received buffer. Only for transports that hand over
	// a buffer of its own for each message (grpc-go does, connect does not).
	Alias bool
	// MaxDecoded bounds the memory that one message may take, the buffer included, in bytes; 0 does not. For whatever
	// comes from outside. It needs Alias: an entry of metadata may claim bytes that are not its own, and others the same.
	MaxDecoded int
}

var errCopies = errors.New("a codec with MaxDecoded needs Alias: texts are counted once")

type vtMessage interface {
	MarshalVT() ([]byte, error)
	UnmarshalVT([]byte) error
	UnmarshalVTUnsafe([]byte) error
	MarshalToSizedBufferVT([]byte) (int, error)
	SizeVT() int
}

// Name is the content subtype, as in application/grpc+proto.
func (Codec) Name() string { return "proto" }

// Marshal encodes v, which must be a protobuf message.
func (c Codec) Marshal(v any) ([]byte, error) { return c.MarshalAppend(nil, v) }

// MarshalAppend appends v's encoding to dst.
func (Codec) MarshalAppend(dst []byte, v any) ([]byte, error) {
	switch m := v.(type) {
	case vtMessage:
		start, size := len(dst), m.SizeVT()
		dst = grow(dst, size)
		_, err := m.MarshalToSizedBufferVT(dst[start:])
		return dst, err
	case proto.Message:
		return proto.MarshalOptions{}.MarshalAppend(dst, m)
	}
	return nil, fmt.Errorf("marshal %T: not a protobuf message", v)
}

// Unmarshal decodes data into v, which must be an empty protobuf message.
func (c Codec) Unmarshal(data []byte, v any) error {
	if c.MaxDecoded > 0 {
		if !c.Alias {
			return errCopies
		}
		if weight := weigh(data, v, c.MaxDecoded); weight > c.MaxDecoded {
			return tooHeavy(weight, c.MaxDecoded)
		}
	}
	switch m := v.(type) {
	case vtMessage:
		if c.Alias {
			return m.UnmarshalVTUnsafe(data)
		}
		return m.UnmarshalVT(data)
	case proto.Message:
		return proto.Unmarshal(data, m)
	}
	return fmt.Errorf("unmarshal %T: not a protobuf message", v)
}

// JSON is the codec of those who write requests by hand, for connect. Fields that are not known are passed over.
type JSON struct {
	// MaxDecoded is as in Codec.
	MaxDecoded int
}

// Name is the content subtype, as in application/json.
func (JSON) Name() string { return "json" }

// Marshal encodes v, which must be a protobuf message.
func (JSON) Marshal(v any) ([]byte, error) {
	m, ok := v.(proto.Message)
	if !ok {
		return nil, fmt.Errorf("marshal %T: not a protobuf message", v)
	}
	return protojson.Marshal(m)
}

// Unmarshal decodes data into v, which must be an empty protobuf message.
func (c JSON) Unmarshal(data []byte, v any) error {
	m, ok := v.(proto.Message)
	if !ok {
		return fmt.Errorf("unmarshal %T: not a protobuf message", v)
	}
	if weight := weighJSON(data); c.MaxDecoded > 0 && weight > c.MaxDecoded {
		return tooHeavy(weight, c.MaxDecoded)
	}
	return protojson.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(data, m)
}
