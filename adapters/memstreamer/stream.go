package memstreamer

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/stillwater-go/workflow/backend"
)

// Stream is one sender or one receiver of a topic; [StreamConstructor] makes it. The zero value is closed. All methods may be called
// concurrently, also several Recv at once, which then share the receiver's events among themselves.
type Stream struct {
	topic  *topic
	clock  backend.Clock
	cursor *cursor       // nil for a sender
	done   chan struct{} // closed with the receiver; nil for a sender

	// Guarded by the topic's lock.
	next          int64 // the event that Recv returns next
	closed        bool
	before, after *Stream // in the chain of the name's open receivers
}

var (
	_ backend.EventSender   = (*Stream)(nil)
	_ backend.EventReceiver = (*Stream)(nil)
)

// Send appends one event to the topic and wakes the receivers that are parked on it. The headers are copied. It fails with
// ctx.Err() when the context has ended and with backend.ErrClosed after Close; the event is then not sent.
func (s *Stream) Send(ctx context.Context, foreignID string, statusType int, headers map[backend.Header]string) error {
	if s.topic == nil {
		return fmt.Errorf("memstreamer: send on a zero Stream: %w", backend.ErrClosed)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	// The copy is made and the clock is asked before the lock: both may be slow, and the clock is the user's.
	return s.topic.send(s, backend.Event{
		ForeignID: foreignID,
		Type:      statusType,
		Headers:   maps.Clone(headers),
		CreatedAt: s.clock.Now(),
	})
}

// Recv returns the next event of the topic, and parks while there is none. It fails with ctx.Err() when the context ends, with
// backend.ErrClosed once the receiver is closed, and with errors.ErrUnsupported on a sender.
//
// Recv advances: the next call returns the next event, acked or not. The event is the caller's own, its headers too. The Ack
// confirms it and all that this receiver returned before; it may be called at any time, by anybody, also after Close. It fails
// with backend.ErrClosed only once the name was forgotten.
func (s *Stream) Recv(ctx context.Context) (*backend.Event, backend.Ack, error) {
	if s.topic == nil {
		return nil, nil, fmt.Errorf("memstreamer: receive on a zero Stream: %w", backend.ErrClosed)
	}
	if s.cursor == nil {
		return nil, nil, fmt.Errorf("memstreamer: receive on a sender of topic %s: %w", backend.Quote(s.topic.name), errors.ErrUnsupported)
	}
	for woken := false; ; {
		// An ended context is looked at first, so that no event is taken that nobody gets.
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		event, wake, err := s.topic.take(s, woken)
		if err != nil {
			return nil, nil, err
		}
		if wake == nil {
			own := event // made here, so that a Recv which parks makes it once
			own.Headers = maps.Clone(event.Headers)
			return &own, s.ackOf(event.ID), nil
		}
		select {
		case <-wake:
			woken = true
		case <-s.done:
			woken = false
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
	}
}

// ackOf returns the Ack of an event. It holds on to the event's id alone.
func (s *Stream) ackOf(id int64) backend.Ack {
	return func() error { return s.topic.ack(s, id) }
}

// Close ends the sender or receiver: a parked Recv returns, and later calls fail with backend.ErrClosed. The name's cursor stays. Close
// may be called again; it always returns nil.
func (s *Stream) Close() error {
	if s.topic != nil {
		s.topic.close(s)
	}
	return nil
}
