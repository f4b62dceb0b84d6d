package backend

import (
	"errors"
	"fmt"
	"strconv"
)

// OutboxEventData is an outbox event as a RecordStore has to keep it.
type OutboxEventData struct {
	// ID is unique, with the prefix "outbox-id-".
	ID           string
	WorkflowName string
	// Data is in protocol-buffer wire form: type = field 2 (varint), headers = field 3 (map of strings), run id = field 4.
	Data []byte
}

// OutboxIDPrefix starts the id of every outbox event.
const OutboxIDPrefix = "outbox-id-"

// OutboxMessage is what the bytes of an outbox event say.
type OutboxMessage struct {
	// Type is the status of the run.
	Type    int
	RunID   string
	Headers map[Header]string
}

// MakeOutboxEventData encodes the event of a record. The event's topic is the status's, or the run-state topic for a run
// that stopped or ended, or the delete topic for one whose data is to be deleted.
func MakeOutboxEventData(record Record) (OutboxEventData, error) {
	id, err := newOutboxID()
	if err != nil {
		return OutboxEventData{}, err
	}
	headers := [...][2]string{ // in the order of their keys, so that the bytes are the same each time
		{string(HeaderForeignID), record.ForeignID},
		{string(HeaderRecordVersion), strconv.FormatUint(uint64(record.Meta.Version), 10)},
		{string(HeaderRunID), record.RunID},
		{string(HeaderRunState), strconv.Itoa(int(record.RunState))},
		{string(HeaderTopic), EventTopic(&record)},
		{string(HeaderWorkflowName), record.WorkflowName},
	}
	size := 24 + len(record.RunID)
	for _, h := range headers {
		size += len(h[0]) + len(h[1]) + 8
	}
	b := make([]byte, 0, size)
	if record.Status != 0 {
		b = append(b, 2<<3|wireVarint)
		b = appendVarint(b, uint64(int64(record.Status)))
	}
	var entry []byte
	for _, h := range headers {
		entry = appendString(entry[:0], 1, h[0])
		entry = appendString(entry, 2, h[1])
		b = append(b, 3<<3|wireBytes)
		b = appendVarint(b, uint64(len(entry)))
		b = append(b, entry...)
	}
	if record.RunID != "" {
		b = appendString(b, 4, record.RunID)
	}
	return OutboxEventData{ID: id, WorkflowName: record.WorkflowName, Data: b}, nil
}

// EventTopic is the topic to which a record's event is sent.
func EventTopic(r *Record) string {
	switch r.RunState {
	case RunStatePaused, RunStateCancelled, RunStateCompleted, RunStateDataDeleted:
		return RunStateChangeTopic(r.WorkflowName)
	case RunStateRequestedDataDeleted:
		return DeleteTopic(r.WorkflowName)
	default:
		return Topic(r.WorkflowName, r.Status)
	}
}

// ErrMalformedOutbox says that the bytes of an outbox event cannot be read.
var ErrMalformedOutbox = errors.New("malformed outbox event")

// ParseOutboxEventData reads the bytes of an outbox event; unknown fields are passed over. The error is [ErrMalformedOutbox].
func ParseOutboxEventData(data []byte) (OutboxMessage, error) {
	m := OutboxMessage{Headers: make(map[Header]string, 6)}
	for len(data) > 0 {
		field, wire, value, num, rest, err := readField(data)
		if err != nil {
			return OutboxMessage{}, err
		}
		data = rest
		switch {
		case field == 2 && wire == wireVarint:
			m.Type = int(int32(num))
		case field == 3 && wire == wireBytes:
			k, v, err := readMapEntry(value)
			if err != nil {
				return OutboxMessage{}, err
			}
			m.Headers[Header(k)] = v
		case field == 4 && wire == wireBytes:
			m.RunID = string(value)
		}
	}
	return m, nil
}

const (
	wireVarint  = 0
	wireFixed64 = 1
	wireBytes   = 2
	wireFixed32 = 5
)

func appendVarint(b []byte, v uint64) []byte {
	for v >= 0x80 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v))
}

func appendString(b []byte, field byte, s string) []byte {
	b = append(b, field<<3|wireBytes)
	b = appendVarint(b, uint64(len(s)))
	return append(b, s...)
}

func readVarint(b []byte) (uint64, []byte, error) {
	var v uint64
	for i := 0; i < len(b) && i < 10; i++ {
		v |= uint64(b[i]&0x7f) << (7 * i)
		if b[i] < 0x80 {
			return v, b[i+1:], nil
		}
	}
	return 0, nil, fmt.Errorf("%w: bad varint", ErrMalformedOutbox)
}

// readField reads one field: its number, its wire type, and its value as bytes or as a number.
func readField(b []byte) (field uint64, wire int, value []byte, num uint64, rest []byte, err error) {
	tag, b, err := readVarint(b)
	if err != nil {
		return 0, 0, nil, 0, nil, err
	}
	field, wire = tag>>3, int(tag&7)
	skip := 0
	switch wire {
	case wireVarint:
		num, b, err = readVarint(b)
		return field, wire, nil, num, b, err
	case wireBytes:
		var n uint64
		n, b, err = readVarint(b)
		if err != nil {
			return 0, 0, nil, 0, nil, err
		}
		if n > uint64(len(b)) {
			return 0, 0, nil, 0, nil, fmt.Errorf("%w: field %d runs past the end", ErrMalformedOutbox, field)
		}
		return field, wire, b[:n], 0, b[n:], nil
	case wireFixed64:
		skip = 8
	case wireFixed32:
		skip = 4
	default:
		return 0, 0, nil, 0, nil, fmt.Errorf("%w: wire type %d", ErrMalformedOutbox, wire)
	}
	if len(b) < skip {
		return 0, 0, nil, 0, nil, fmt.Errorf("%w: field %d runs past the end", ErrMalformedOutbox, field)
	}
	return field, wire, nil, 0, b[skip:], nil
}

func readMapEntry(b []byte) (key, value string, err error) {
	for len(b) > 0 {
		field, wire, v, _, rest, err := readField(b)
		if err != nil {
			return "", "", err
		}
		b = rest
		if wire != wireBytes {
			continue
		}
		switch field {
		case 1:
			key = string(v)
		case 2:
			value = string(v)
		}
	}
	return key, value, nil
}
