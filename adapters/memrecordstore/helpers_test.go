package memrecordstore_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stillwater-go/workflow/backend"
)

const orders = "orders"

func record(workflowName, foreignID string, version uint) *backend.Record {
	return &backend.Record{
		WorkflowName: workflowName, ForeignID: foreignID, RunID: "run-" + foreignID,
		RunState: backend.RunStateRunning, Status: int(version), Object: []byte("{}"),
		CreatedAt: time.Date(2026, 3, 4, 5, 6, 7, 8, time.UTC),
		Meta:      backend.Meta{Version: version},
	}
}

func store(t testing.TB, s backend.RecordStore, records ...*backend.Record) {
	t.Helper()
	for _, rec := range records {
		if err := s.Store(t.Context(), rec); err != nil {
			t.Fatalf("store version %d of run %s: %v", rec.Meta.Version, rec.RunID, err)
		}
	}
}

// must returns v, failing the test on an error.
func must[V any](t testing.TB) func(V, error) V {
	return func(v V, err error) V {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

var errDown = errors.New("the stream is down")

// stream is an EventStreamer that writes down what was sent, and fails where it is told to.
type stream struct {
	mu      sync.Mutex
	sent    []string
	at      []time.Time // of each try, failed or not
	opened  int
	closed  int
	failing func(topic string) bool
}

func (s *stream) NewSender(_ context.Context, topic string) (backend.EventSender, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opened++
	return &sender{stream: s, topic: topic}, nil
}

func (s *stream) NewReceiver(context.Context, string, string, ...backend.ReceiverOption) (backend.EventReceiver, error) {
	return nil, errors.New("nobody receives here")
}

// fail sets which topics fail; nil for none.
func (s *stream) fail(failing func(topic string) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failing = failing
}

// take returns what was sent since the last call, and when each try was made.
func (s *stream) take() (sent []string, at []time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sent, at = s.sent, s.at
	s.sent, s.at = nil, nil
	return sent, at
}

func (s *stream) open() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.opened - s.closed
}

type sender struct {
	stream *stream
	topic  string
}

func (s *sender) Send(ctx context.Context, foreignID string, statusType int, headers map[backend.Header]string) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	s.stream.mu.Lock()
	defer s.stream.mu.Unlock()
	s.stream.at = append(s.stream.at, time.Now())
	if s.stream.failing != nil && s.stream.failing(s.topic) {
		return errDown
	}
	s.stream.sent = append(s.stream.sent, fmt.Sprintf("%s %s %d v%s", s.topic, foreignID, statusType, headers[backend.HeaderRecordVersion]))
	return nil
}

func (s *sender) Close() error {
	s.stream.mu.Lock()
	defer s.stream.mu.Unlock()
	s.stream.closed++
	return nil
}

// log is a Logger that keeps the errors.
type log struct {
	mu     sync.Mutex
	errors []error
}

func (l *log) Debug(context.Context, string, map[string]string) {}

func (l *log) Error(_ context.Context, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.errors = append(l.errors, err)
}

// take returns what was logged since the last call.
func (l *log) take() []error {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := l.errors
	l.errors = nil
	return out
}
