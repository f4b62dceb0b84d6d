package adaptertest

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/stillwater-go/workflow/backend"
)

// refStream is the smallest streamer that keeps the contract: one lock, and one channel that is closed with every change.
type refStream struct {
	bug     streamBug
	mu      sync.Mutex
	logs    map[string][]backend.Event
	cursors map[[2]string]int
	changed chan struct{}
	nextID  int64
}

var _ backend.AdvancingStreamer = (*refStream)(nil)

func newRefStream(planted streamBug) *refStream {
	return &refStream{bug: planted, logs: map[string][]backend.Event{}, cursors: map[[2]string]int{}, changed: make(chan struct{})}
}

func (s *refStream) RecvAdvances() bool { return s.bug != declaresNothing }

// wake needs the lock.
func (s *refStream) wake() {
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *refStream) NewSender(_ context.Context, topic string) (backend.EventSender, error) {
	return &refSender{s: s, topic: topic}, nil
}

type refSender struct {
	s      *refStream
	topic  string
	mu     sync.Mutex
	closed bool
}

func (r *refSender) Send(ctx context.Context, foreignID string, statusType int, headers map[backend.Header]string) error {
	s := r.s
	s.mu.Lock()
	defer s.mu.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed && s.bug != sendsAfterClose {
		return backend.ErrClosed
	}
	if err := ctx.Err(); err != nil && s.bug != sendsAndSaysCancelled {
		return err
	}
	if s.bug != keepsTheSendersMap {
		headers = maps.Clone(headers)
	}
	if s.bug == dropsEmptyHeaders {
		maps.DeleteFunc(headers, func(h backend.Header, v string) bool { return h == "" || v == "" })
	}
	s.nextID++
	e := backend.Event{ID: s.nextID, ForeignID: foreignID, Type: statusType, Headers: headers, CreatedAt: time.Now()}
	topic := r.topic
	if s.bug == mixesTopics {
		topic = ""
	}
	log := append(s.logs[topic], e)
	if n := len(log); s.bug == swapsEvents && n%50 == 0 && n > 1 {
		log[n-1], log[n-2] = log[n-2], log[n-1]
	}
	if s.bug == losesUnderLoad && len(log)%97 == 96 {
		log = log[:len(log)-1]
	}
	s.logs[topic] = log
	if s.bug != wakesNobody {
		s.wake()
	}
	return ctx.Err()
}

func (r *refSender) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	if r.s.bug == closeEndsTheTopic {
		r.s.mu.Lock()
		defer r.s.mu.Unlock()
		r.s.logs[r.topic] = nil
	}
	return nil
}

func (s *refStream) NewReceiver(_ context.Context, topic, name string, opts ...backend.ReceiverOption) (backend.EventReceiver, error) {
	var o backend.ReceiverOptions
	for _, opt := range opts {
		opt(&o)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key := [2]string{topic, name}
	switch s.bug {
	case mixesTopics:
		topic, key = "", [2]string{"", name}
	case mixesNames:
		key[1] = ""
	case mixesCursorsOfTopics:
		key[0] = ""
	}
	pos, known := s.cursors[key]
	if !known || s.bug == latestAlwaysWins {
		if o.StreamFromLatest && s.bug != ignoresFromLatest {
			pos = len(s.logs[topic])
		}
		if s.bug != storesNoCursorAtOpen {
			s.cursors[key] = pos
		}
		if s.bug == newNamesStartAtTheEnd {
			pos = len(s.logs[topic])
		}
	}
	if s.bug == fromLatestIsOneLate && o.StreamFromLatest && !known {
		pos++
	}
	return &refReceiver{s: s, topic: topic, key: key, pos: pos, closed: make(chan struct{})}, nil
}

type refReceiver struct {
	s      *refStream
	topic  string
	key    [2]string
	pos    int
	once   sync.Once
	closed chan struct{}
}

func (r *refReceiver) Recv(ctx context.Context) (*backend.Event, backend.Ack, error) {
	for {
		e, ack, changed, err := r.poll(ctx)
		if e != nil || err != nil {
			return e, ack, err
		}
		done, closed := ctx.Done(), r.closed
		switch r.s.bug {
		case spinsWhileParked:
			continue
		case deafToItsContext:
			linger(context.Background(), 2*promptly)
			return nil, nil, ctx.Err()
		case closeWakesNobody:
			closed = nil
		}
		select {
		case <-changed:
		case <-done:
		case <-closed:
		}
	}
}

// poll gives the next event, why there never will be one, or a channel to wait for.
func (r *refReceiver) poll(ctx context.Context) (*backend.Event, backend.Ack, <-chan struct{}, error) {
	s := r.s
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-r.closed:
		if s.bug == closedForOtherReasons {
			return nil, nil, nil, fmt.Errorf("gone")
		}
		return nil, nil, nil, backend.ErrClosed
	default:
	}
	if err := ctx.Err(); err != nil {
		if s.bug == contextEndSkipsAnEvent && r.pos < len(s.logs[r.topic]) {
			r.pos++
		}
		if s.bug == contextErrorIsItsOwn {
			return nil, nil, nil, fmt.Errorf("interrupted")
		}
		return nil, nil, nil, err
	}
	log := s.logs[r.topic]
	if r.pos >= len(log) {
		return nil, nil, s.changed, nil
	}
	e := log[r.pos]
	if s.bug != sharesHeaders {
		e.Headers = maps.Clone(e.Headers)
	}
	r.pos++
	upTo := r.pos
	if s.bug == advancesAtTheAck {
		r.pos--
	}
	if s.bug == splitsEvents {
		s.cursors[r.key] = upTo
	}
	return &e, func() error { return r.ack(upTo) }, nil, nil
}

func (r *refReceiver) ack(upTo int) error {
	s := r.s
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.cursors[r.key]
	switch s.bug {
	case acksGoBack:
		s.cursors[r.key] = upTo
	case acksCountEach:
		s.cursors[r.key]++
	case acksWhatOthersGot:
		s.cursors[r.key] = len(s.logs[r.topic])
	case forgetsAcks:
	default:
		s.cursors[r.key] = max(at, upTo)
	}
	if s.bug == advancesAtTheAck {
		r.pos = max(r.pos, upTo)
	}
	return nil
}

func (r *refReceiver) Close() error {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	if r.s.bug == closeLosesTheCursor {
		delete(r.s.cursors, r.key)
	}
	if r.s.bug == closeAcks {
		r.s.cursors[r.key] = r.pos
	}
	r.once.Do(func() { close(r.closed) })
	return nil
}
