package shim

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/stillwater-go/workflow/backend"
)

// guard turns a panic of a part into an error.
func guard(what string, err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("%s: the part panicked: %v", what, p)
	}
}

// store is a RecordStore that cannot panic. Where the store does not promise that it keeps no pointers, records are copied
// on the way in and out.
type store struct {
	plain  backend.RecordStore
	copies bool
}

func (s store) Store(ctx context.Context, r *backend.Record) (err error) {
	defer guard("store", &err)
	if s.copies {
		r = r.Clone()
	}
	return s.plain.Store(ctx, r)
}

func (s store) Lookup(ctx context.Context, runID string) (r *backend.Record, err error) {
	defer guard("lookup", &err)
	r, err = s.plain.Lookup(ctx, runID)
	return s.found(r, err)
}

func (s store) Latest(ctx context.Context, workflowName, foreignID string) (r *backend.Record, err error) {
	defer guard("latest", &err)
	r, err = s.plain.Latest(ctx, workflowName, foreignID)
	return s.found(r, err)
}

func (s store) found(r *backend.Record, err error) (*backend.Record, error) {
	switch {
	case err != nil:
		return nil, err
	case r == nil: // a store that says "none" in its own way
		return nil, backend.ErrRecordNotFound
	case s.copies:
		return r.Clone(), nil
	}
	return r, nil
}

func (s store) List(ctx context.Context, name string, offset int64, limit int, order backend.OrderType, filters ...backend.RecordFilter) (rs []backend.Record, err error) {
	defer guard("list", &err)
	return s.plain.List(ctx, name, offset, limit, order, filters...)
}

func (s store) ListOutboxEvents(ctx context.Context, name string, limit int64) (es []backend.OutboxEvent, err error) {
	defer guard("list outbox", &err)
	return s.plain.ListOutboxEvents(ctx, name, limit)
}

func (s store) DeleteOutboxEvent(ctx context.Context, id string) (err error) {
	defer guard("delete outbox event", &err)
	return s.plain.DeleteOutboxEvent(ctx, id)
}

func (s store) snapshots(t backend.TestingRecordStore, r *backend.Record) (rs []*backend.Record, err error) {
	defer guard("snapshots", &err)
	return t.Snapshots(r.WorkflowName, r.ForeignID, r.RunID), nil
}

func (b *Backend) await(ctx context.Context, role string) (held context.Context, release context.CancelFunc, err error) {
	defer guard("await role", &err)
	held, release, err = b.cfg.Scheduler.Await(ctx, role)
	if err == nil && held == nil {
		err = errors.New("the scheduler returned no context")
	}
	if release == nil {
		release = func() {}
	}
	return held, release, err
}

// AwaitRole asks the scheduler for a role beside the receivers' own. It parks until the role is held or ctx ends; a panic of the scheduler
// is an error.
func (b *Backend) AwaitRole(ctx context.Context, role string) (held context.Context, release context.CancelFunc, err error) {
	return b.await(ctx, role)
}

func (b *Backend) newSender(ctx context.Context, topic string) (s backend.EventSender, err error) {
	defer guard("open sender", &err)
	s, err = b.cfg.Streamer.NewSender(ctx, topic)
	if err == nil && s == nil {
		err = errors.New("the streamer returned no sender")
	}
	return s, err
}

// sendTimeout bounds one Send, so that a hung topic holds back nobody else for long.
const sendTimeout = 30 * time.Second

func send(ctx context.Context, s backend.EventSender, m backend.OutboxMessage) (err error) {
	defer guard("send", &err)
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	return s.Send(ctx, m.RunID, m.Type, m.Headers)
}

func (b *Backend) newReceiver(ctx context.Context, spec ReceiverSpec) (r backend.EventReceiver, err error) {
	defer guard("open receiver", &err)
	var opts []backend.ReceiverOption
	if spec.PollFrequency > 0 {
		opts = append(opts, backend.WithReceiverPollFrequency(spec.PollFrequency))
	}
	r, err = b.cfg.Streamer.NewReceiver(ctx, spec.Topic, spec.Role, opts...)
	if err == nil && r == nil {
		err = errors.New("the streamer returned no receiver")
	}
	return r, err
}

func recv(ctx context.Context, r backend.EventReceiver) (e *backend.Event, ack backend.Ack, err error) {
	defer guard("receive", &err)
	e, ack, err = r.Recv(ctx)
	if err == nil && e == nil {
		err = errors.New("the receiver returned no event")
	}
	return e, ack, err
}

func callAck(ack backend.Ack) (err error) {
	defer guard("acknowledge", &err)
	if ack == nil {
		return nil
	}
	return ack()
}

func closePart(c interface{ Close() error }) (err error) {
	defer guard("close", &err)
	return c.Close()
}

// streak reports an error once for as long as the same one comes again and again. It may be used concurrently.
type streak struct {
	mu   sync.Mutex
	last string
}

func (s *streak) report(ctx context.Context, b *Backend, op string, err error) {
	text := op + ": " + err.Error()
	s.mu.Lock()
	again := text == s.last
	s.last = text
	s.mu.Unlock()
	if !again {
		b.report(ctx, op, "", err)
	}
}

func (s *streak) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = ""
}
