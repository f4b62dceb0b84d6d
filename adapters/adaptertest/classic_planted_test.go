package adaptertest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stillwater-go/workflow/adapters/memrecordstore"
	"github.com/stillwater-go/workflow/adapters/memrolescheduler"
	"github.com/stillwater-go/workflow/adapters/memstreamer"
	"github.com/stillwater-go/workflow/adapters/memtimeoutstore"
	"github.com/stillwater-go/workflow/backend"
)

// wantCaught demands that a classic case complains of a part that is broken.
func wantCaught(t *testing.T, what string, fn func(r T)) {
	t.Helper()
	if failures := record(t, what, func(r *recorder) { fn(r) }); len(failures) == 0 {
		t.Errorf("a part that %s passes", what)
	}
}

// brokenRecords changes what a sound store says.
type brokenRecords struct {
	backend.RecordStore
	store  func(r *backend.Record) *backend.Record
	read   func(r *backend.Record)
	list   func(rs []backend.Record) []backend.Record
	outbox func(es []backend.OutboxEvent) []backend.OutboxEvent
}

func (b brokenRecords) Store(ctx context.Context, r *backend.Record) error {
	if b.store != nil {
		r = b.store(r.Clone())
	}
	return b.RecordStore.Store(ctx, r)
}

func (b brokenRecords) Lookup(ctx context.Context, id string) (*backend.Record, error) {
	r, err := b.RecordStore.Lookup(ctx, id)
	if err == nil && b.read != nil {
		b.read(r)
	}
	return r, err
}

func (b brokenRecords) Latest(ctx context.Context, name, foreignID string) (*backend.Record, error) {
	r, err := b.RecordStore.Latest(ctx, name, foreignID)
	if err == nil && b.read != nil {
		b.read(r)
	}
	return r, err
}

func (b brokenRecords) List(ctx context.Context, name string, offset int64, limit int, order backend.OrderType, filters ...backend.RecordFilter) ([]backend.Record, error) {
	rs, err := b.RecordStore.List(ctx, name, offset, limit, order, filters...)
	if b.list != nil {
		rs = b.list(rs)
	}
	return rs, err
}

func (b brokenRecords) ListOutboxEvents(ctx context.Context, name string, limit int64) ([]backend.OutboxEvent, error) {
	es, err := b.RecordStore.ListOutboxEvents(ctx, name, limit)
	if b.outbox != nil {
		es = b.outbox(es)
	}
	return es, err
}

func TestClassicRecordStoreNoticesBrokenOnes(t *testing.T) {
	sound := func() backend.RecordStore { return memrecordstore.New() }
	first := func(r *backend.Record) *backend.Record {
		r.Status = classicStarted
		r.RunState = backend.RunStateInitiated
		return r
	}
	for what, c := range map[string]struct {
		broken brokenRecords
		by     []func(T, backend.RecordStore)
	}{
		"forgets the object": {brokenRecords{read: func(r *backend.Record) { r.Object = nil }}, []func(T, backend.RecordStore){classicLookup, classicLatest}},
		"is an hour late":    {brokenRecords{read: func(r *backend.Record) { r.UpdatedAt = r.UpdatedAt.Add(time.Hour) }}, []func(T, backend.RecordStore){classicLookup}},
		"never updates":      {brokenRecords{store: first}, []func(T, backend.RecordStore){classicLatest, classicStoreAgain, classicListByRunState, classicListByStatus}},
		"lists one too few": {brokenRecords{list: func(rs []backend.Record) []backend.Record { return rs[:max(0, len(rs)-1)] }},
			[]func(T, backend.RecordStore){classicListAll, classicListOne, classicListByForeignID, classicListByRunState, classicListByStatus}},
		"lists one run many times": {brokenRecords{list: func(rs []backend.Record) []backend.Record {
			for i := range rs {
				rs[i] = rs[0]
			}
			return rs
		}}, []func(T, backend.RecordStore){classicListAll}},
		"has no outbox":         {brokenRecords{outbox: func([]backend.OutboxEvent) []backend.OutboxEvent { return nil }}, []func(T, backend.RecordStore){classicListOutbox, classicDeleteOutbox}},
		"has other outbox ids":  {brokenRecords{outbox: editOutbox(func(e *backend.OutboxEvent) { e.ID = "17" })}, []func(T, backend.RecordStore){classicListOutbox, classicDeleteOutbox}},
		"has unreadable events": {brokenRecords{outbox: editOutbox(func(e *backend.OutboxEvent) { e.Data = []byte{0xff} })}, []func(T, backend.RecordStore){classicListOutbox}},
		"has empty events":      {brokenRecords{outbox: editOutbox(func(e *backend.OutboxEvent) { e.Data = nil })}, []func(T, backend.RecordStore){classicListOutbox}},
	} {
		for i, by := range c.by {
			broken := c.broken
			broken.RecordStore = sound()
			wantCaught(t, fmt.Sprintf("%s (case %d)", what, i+1), func(r T) { by(r, broken) })
		}
	}
}

func editOutbox(edit func(e *backend.OutboxEvent)) func([]backend.OutboxEvent) []backend.OutboxEvent {
	return func(es []backend.OutboxEvent) []backend.OutboxEvent {
		for i := range es {
			edit(&es[i])
		}
		return es
	}
}

// deafTimeouts takes nothing away, and lists one too few.
type deafTimeouts struct{ backend.TimeoutStore }

func (deafTimeouts) Cancel(context.Context, int64) error   { return nil }
func (deafTimeouts) Complete(context.Context, int64) error { return nil }
func (d deafTimeouts) List(ctx context.Context, name string) ([]backend.TimeoutRecord, error) {
	all, err := d.TimeoutStore.List(ctx, name)
	return all[1:], err
}

func TestClassicTimeoutStoreNoticesBrokenOnes(t *testing.T) {
	broken := func() deafTimeouts { return deafTimeouts{memtimeoutstore.New()} }
	wantCaught(t, "does not cancel", func(r T) {
		s := broken()
		classicWithout(r, s, func() error { return s.Cancel(r.Context(), 2) })
	})
	wantCaught(t, "lists one too few", func(r T) { classicListTimeouts(r, broken()) })
}

// looseRoles gives every role to everybody, on a context that descends from nothing.
type looseRoles struct{}

func (looseRoles) Await(context.Context, string) (context.Context, context.CancelFunc, error) {
	ctx, cancel := context.WithCancel(context.Background())
	return ctx, cancel, nil
}

func TestClassicRoleSchedulerNoticesBrokenOnes(t *testing.T) {
	wantCaught(t, "returns a context of its own", func(r T) { classicChildContext(r, looseRoles{}) })
	wantCaught(t, "gives a role to all", func(r T) { classicOneHolder(r, []backend.RoleScheduler{looseRoles{}, looseRoles{}}) })
	wantCaught(t, "does not wait", func(r T) { classicAwaitEnds(r, []backend.RoleScheduler{memrolescheduler.New(), looseRoles{}}) })
}

// plainLatest ignores StreamFromLatest.
type plainLatest struct{ backend.EventStreamer }

func (p plainLatest) NewReceiver(ctx context.Context, topic, name string, _ ...backend.ReceiverOption) (backend.EventReceiver, error) {
	return p.EventStreamer.NewReceiver(ctx, topic, name)
}

func TestClassicEventStreamerNoticesBrokenOnes(t *testing.T) {
	wantCaught(t, "ignores StreamFromLatest", func(r T) { classicFromLatest(r, plainLatest{memstreamer.New()}) })
	wantCaught(t, "takes a known name for a new one", func(r T) { classicFromLatest(r, newRefStream(latestAlwaysWins)) })
}

func TestClassicConnectorNoticesLostEvents(t *testing.T) {
	events := []backend.ConnectorEvent{{ID: "1", ForeignID: "a"}, {ID: "2", ForeignID: "b"}}
	wantCaught(t, "loses an event", func(r T) { classicConnector(r, memstreamer.NewConnector(events[:1]), events) })
}

func TestStepClock(t *testing.T) {
	c := newStepClock(birth())
	at, soon, later := c.After(0), c.After(time.Minute), c.After(time.Hour)
	if got := <-at; !got.Equal(birth()) {
		t.Errorf("an alarm that is due at once rings at %v", got)
	}
	c.Step(time.Minute)
	if got := <-soon; !got.Equal(c.Now()) || !got.Equal(birth().Add(time.Minute)) {
		t.Errorf("the alarm of a minute rings at %v", got)
	}
	select {
	case got := <-later:
		t.Errorf("the alarm of an hour rings after a minute, at %v", got)
	default:
	}
	c.Step(time.Hour)
	<-later
}
