package memstreamer

import (
	"context"
	"fmt"
	"sync"

	"github.com/stillwater-go/workflow/backend"
)

// StreamConstructor is the streamer: it opens senders and receivers and owns the topics that they work on. Make it with [New];
// the zero value answers every call with an error that wraps backend.ErrClosed. Copies share the same topics. All methods may
// be called concurrently.
type StreamConstructor struct {
	shared *shared
}

// shared is what all copies of a StreamConstructor have in common.
type shared struct {
	clock backend.Clock

	mu     sync.Mutex // guards topics; never held together with a topic's lock
	topics map[string]*topic
}

var (
	_ backend.EventStreamer     = StreamConstructor{}
	_ backend.AdvancingStreamer = StreamConstructor{}
)

// New returns a streamer without topics.
func New(opts ...Option) *StreamConstructor {
	return &StreamConstructor{shared: &shared{
		clock:  makeOptions(opts).clock,
		topics: make(map[string]*topic),
	}}
}

// NewSender opens a sender to the topic. It fails with ctx.Err() when the context has ended.
func (s StreamConstructor) NewSender(ctx context.Context, topic string) (backend.EventSender, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	t, err := s.topic(topic)
	if err != nil {
		return nil, err
	}
	return &Stream{topic: t, clock: s.shared.clock}, nil
}

// NewReceiver opens a receiver and stores the cursor of a new name: at the oldest event that the topic still keeps, or with
// backend.StreamFromLatest behind the newest. A name that has a cursor goes on from it, whatever the options. The poll frequency is
// not used, because nothing polls. It fails with ctx.Err() when the context has ended.
//
// Close the receiver when it is done with: events that it has not read are kept for it.
func (s StreamConstructor) NewReceiver(ctx context.Context, topic string, name string, opts ...backend.ReceiverOption) (backend.EventReceiver, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var options backend.ReceiverOptions
	for _, opt := range opts {
		opt(&options)
	}
	t, err := s.topic(topic)
	if err != nil {
		return nil, err
	}
	stream := &Stream{topic: t, clock: s.shared.clock, done: make(chan struct{})}
	t.open(stream, name, options.StreamFromLatest)
	return stream, nil
}

// RecvAdvances reports true: Recv moves on before the ack, so many events may be in work at once.
func (s StreamConstructor) RecvAdvances() bool { return true }

// Forget drops a name of the topic: its cursor is gone, its open receivers are closed, and events that were kept for it
// alone are let go. Acks of what it received fail with backend.ErrClosed from then on. A receiver opened later under that name
// starts as a new one. A name that does not exist is no error.
func (s StreamConstructor) Forget(topic string, name string) {
	if s.shared == nil {
		return
	}
	s.shared.mu.Lock()
	t := s.shared.topics[topic]
	s.shared.mu.Unlock()
	if t != nil {
		t.forget(name)
	}
}

// topic returns the topic of that name, making it on first use.
func (s StreamConstructor) topic(name string) (*topic, error) {
	if s.shared == nil {
		return nil, fmt.Errorf("memstreamer: constructor was not made by New: %w", backend.ErrClosed)
	}
	s.shared.mu.Lock()
	defer s.shared.mu.Unlock()
	t := s.shared.topics[name]
	if t == nil {
		t = newTopic(name)
		s.shared.topics[name] = t
	}
	return t, nil
}
