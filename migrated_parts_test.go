package workflow_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sort"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/adaptertest"
)

// The parts in this file are as somebody wrote them for the predecessor: the classic methods and nothing else. They outlive the workflows
// that are built on them, as a database and a broker do.

// ownStore keeps what the predecessor knew of a record, and compares nothing.
type ownStore struct {
	mu     sync.Mutex
	rows   []*workflow.Record // in the order of creation
	outbox []workflow.OutboxEvent
}

func (s *ownStore) Store(_ context.Context, record *workflow.Record) error {
	row := *record
	row.Object = slices.Clone(record.Object)
	row.Meta = workflow.Meta{
		RunStateReason: record.Meta.RunStateReason, StatusDescription: record.Meta.StatusDescription,
		Version: record.Meta.Version, TraceOrigin: record.Meta.TraceOrigin,
	}
	event, err := workflow.MakeOutboxEventData(row)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.IndexFunc(s.rows, func(r *workflow.Record) bool { return r.RunID == row.RunID }); i >= 0 {
		s.rows[i] = &row
	} else {
		s.rows = append(s.rows, &row)
	}
	s.outbox = append(s.outbox, workflow.OutboxEvent{ID: event.ID, WorkflowName: event.WorkflowName, Data: event.Data, CreatedAt: time.Now()})
	return nil
}

// newest returns copies of the newest rows that satisfy want, at most n.
func (s *ownStore) newest(n int, want func(*workflow.Record) bool) (out []workflow.Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range slices.Backward(s.rows) {
		if len(out) < n && want(r) {
			c := *r
			c.Object = slices.Clone(r.Object)
			out = append(out, c)
		}
	}
	return out
}

func (s *ownStore) one(want func(*workflow.Record) bool) (*workflow.Record, error) {
	found := s.newest(1, want)
	if len(found) == 0 {
		return nil, workflow.ErrRecordNotFound
	}
	return &found[0], nil
}

func (s *ownStore) Lookup(_ context.Context, runID string) (*workflow.Record, error) {
	return s.one(func(r *workflow.Record) bool { return r.RunID == runID })
}

func (s *ownStore) Latest(_ context.Context, workflowName, foreignID string) (*workflow.Record, error) {
	return s.one(func(r *workflow.Record) bool { return r.WorkflowName == workflowName && r.ForeignID == foreignID })
}

func (s *ownStore) List(_ context.Context, workflowName string, offset int64, limit int, order workflow.OrderType, filters ...workflow.RecordFilter) ([]workflow.Record, error) {
	f := workflow.MakeFilter(filters...)
	in := func(f workflow.Filter, value string) bool { return !f.Enabled || f.Matches(value) }
	at := func(f workflow.FilterTime, value time.Time) bool { return !f.Enabled || f.Matches(value) }
	all := s.newest(1<<30, func(r *workflow.Record) bool {
		return (workflowName == "" || r.WorkflowName == workflowName) && in(f.ByForeignID(), r.ForeignID) &&
			in(f.ByStatus(), strconv.Itoa(r.Status)) && in(f.ByRunState(), strconv.Itoa(int(r.RunState))) &&
			at(f.ByCreatedAtAfter(), r.CreatedAt) && at(f.ByCreatedAtBefore(), r.CreatedAt)
	})
	if order != workflow.OrderTypeDescending {
		slices.Reverse(all)
	}
	all = all[min(int64(len(all)), offset):]
	return all[:min(len(all), limit)], nil
}

func (s *ownStore) ListOutboxEvents(_ context.Context, workflowName string, limit int64) (out []workflow.OutboxEvent, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.outbox {
		if e.WorkflowName == workflowName && int64(len(out)) < limit {
			out = append(out, e)
		}
	}
	return out, nil
}

func (s *ownStore) DeleteOutboxEvent(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.outbox = slices.DeleteFunc(s.outbox, func(e workflow.OutboxEvent) bool { return e.ID == id })
	return nil
}

// ownStream is a log per topic and a cursor per name. An event is handed out again and again until it is acknowledged.
type ownStream struct {
	mu      sync.Mutex
	topics  map[string][]workflow.Event
	cursors map[string]int
	names   map[string][]string // of receivers, by topic
	grown   chan struct{}
}

func newOwnStream() *ownStream {
	return &ownStream{topics: map[string][]workflow.Event{}, cursors: map[string]int{}, names: map[string][]string{}, grown: make(chan struct{})}
}

type ownSender struct {
	s     *ownStream
	topic string
}

type ownReceiver struct {
	s           *ownStream
	topic, name string
	closed      chan struct{}
	once        sync.Once
}

func (s *ownStream) NewSender(_ context.Context, topic string) (workflow.EventSender, error) {
	return &ownSender{s, topic}, nil
}

func (s *ownStream) NewReceiver(_ context.Context, topic, name string, opts ...workflow.ReceiverOption) (workflow.EventReceiver, error) {
	var o workflow.ReceiverOptions
	for _, opt := range opts {
		opt(&o)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.cursors[name]; !known && o.StreamFromLatest {
		s.cursors[name] = len(s.topics[topic])
	}
	if !slices.Contains(s.names[topic], name) {
		s.names[topic] = append(s.names[topic], name)
	}
	return &ownReceiver{s: s, topic: topic, name: name, closed: make(chan struct{})}, nil
}

func (p *ownSender) Send(_ context.Context, foreignID string, statusType int, headers map[workflow.Header]string) error {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	p.s.topics[p.topic] = append(p.s.topics[p.topic], workflow.Event{
		ID: int64(len(p.s.topics[p.topic]) + 1), ForeignID: foreignID, Type: statusType, Headers: maps.Clone(headers), CreatedAt: time.Now(),
	})
	close(p.s.grown)
	p.s.grown = make(chan struct{})
	return nil
}

func (p *ownSender) Close() error { return nil }

func (p *ownReceiver) Recv(ctx context.Context) (*workflow.Event, workflow.Ack, error) {
	for {
		p.s.mu.Lock()
		at, grown := p.s.cursors[p.name], p.s.grown
		if events := p.s.topics[p.topic]; at < len(events) {
			e := events[at]
			e.Headers = maps.Clone(e.Headers)
			p.s.mu.Unlock()
			return &e, func() error {
				p.s.mu.Lock()
				defer p.s.mu.Unlock()
				p.s.cursors[p.name] = max(p.s.cursors[p.name], at+1)
				return nil
			}, nil
		}
		p.s.mu.Unlock()
		select {
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		case <-p.closed:
			return nil, nil, errors.New("receiver closed")
		case <-grown:
		}
	}
}

func (p *ownReceiver) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

// ownRoles is a lock per role.
type ownRoles struct {
	mu    sync.Mutex
	locks map[string]chan struct{}
}

func (s *ownRoles) Await(ctx context.Context, role string) (context.Context, context.CancelFunc, error) {
	s.mu.Lock()
	if s.locks == nil {
		s.locks = make(map[string]chan struct{})
	}
	lock := s.locks[role]
	if lock == nil {
		lock = make(chan struct{}, 1)
		s.locks[role] = lock
	}
	s.mu.Unlock()
	select {
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	case lock <- struct{}{}:
	}
	ctx, cancel := context.WithCancel(ctx)
	return ctx, sync.OnceFunc(func() {
		cancel()
		<-lock
	}), nil
}

func (s *ownRoles) names() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.locks))
}

// ownTimeouts is a table of timeouts.
type ownTimeouts struct {
	mu   sync.Mutex
	rows []workflow.TimeoutRecord
}

func (s *ownTimeouts) Create(_ context.Context, workflowName, foreignID, runID string, status int, expireAt time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rows = append(s.rows, workflow.TimeoutRecord{
		ID: int64(len(s.rows) + 1), WorkflowName: workflowName, ForeignID: foreignID, RunID: runID, Status: status, ExpireAt: expireAt, CreatedAt: time.Now(),
	})
	return nil
}

func (s *ownTimeouts) change(id int64, fn func(r *workflow.TimeoutRecord)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.rows {
		if s.rows[i].ID == id {
			fn(&s.rows[i])
			return nil
		}
	}
	return workflow.ErrTimeoutNotFound
}

func (s *ownTimeouts) Complete(_ context.Context, id int64) error {
	return s.change(id, func(r *workflow.TimeoutRecord) { r.Completed = true })
}

func (s *ownTimeouts) Cancel(_ context.Context, id int64) error {
	return s.change(id, func(r *workflow.TimeoutRecord) { r.WorkflowName = "" }) // no listing shows it
}

func (s *ownTimeouts) list(want func(workflow.TimeoutRecord) bool) (out []workflow.TimeoutRecord, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.rows {
		if want(r) {
			out = append(out, r)
		}
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].ExpireAt.Before(out[j].ExpireAt) })
	return out, nil
}

func (s *ownTimeouts) List(_ context.Context, workflowName string) ([]workflow.TimeoutRecord, error) {
	return s.list(func(r workflow.TimeoutRecord) bool { return r.WorkflowName == workflowName })
}

func (s *ownTimeouts) ListValid(_ context.Context, workflowName string, status int, now time.Time) ([]workflow.TimeoutRecord, error) {
	return s.list(func(r workflow.TimeoutRecord) bool {
		return r.WorkflowName == workflowName && r.Status == status && !r.Completed && !r.ExpireAt.After(now)
	})
}

// ownErrors counts errors by their labels.
type ownErrors struct {
	mu     sync.Mutex
	counts map[string]int
}

func (c *ownErrors) change(labels []string, fn func(n int) int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts == nil {
		c.counts = make(map[string]int)
	}
	key := ""
	for _, l := range labels {
		key += l + "|"
	}
	c.counts[key] = fn(c.counts[key])
	return c.counts[key]
}

func (c *ownErrors) Add(_ error, labels ...string) int {
	return c.change(labels, func(n int) int { return n + 1 })
}

func (c *ownErrors) Count(_ error, labels ...string) int {
	return c.change(labels, func(n int) int { return n })
}

func (c *ownErrors) Clear(_ error, labels ...string) { c.change(labels, func(int) int { return 0 }) }

func (c *ownErrors) total() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range c.counts {
		n += k
	}
	return n
}

// The classic suites demand of third-party parts what they always did.
func TestMigratedPartsPassTheClassicSuites(t *testing.T) {
	t.Run("store", func(t *testing.T) {
		adaptertest.RunRecordStoreTest(t, func() workflow.RecordStore { return &ownStore{} })
	})
	t.Run("streamer", func(t *testing.T) {
		adaptertest.RunEventStreamerTest(t, func() workflow.EventStreamer { return newOwnStream() })
	})
	t.Run("roles", func(t *testing.T) {
		adaptertest.RunRoleSchedulerTest(t, func(_ *testing.T, instances int) []workflow.RoleScheduler {
			return slices.Repeat([]workflow.RoleScheduler{&ownRoles{}}, instances)
		})
	})
	t.Run("timeouts", func(t *testing.T) {
		adaptertest.RunTimeoutStoreTest(t, func() workflow.TimeoutStore { return &ownTimeouts{} })
	})
}
