package shim_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"sync"
	"time"

	"github.com/stillwater-go/workflow/backend"
)

var errBroken = errors.New("the part is broken")

// plainStore is a record store as somebody might write one in an afternoon: it compares nothing and tells nobody. It keeps
// what an older store keeps of a record: no visit and no deadline.
type plainStore struct {
	mu      sync.Mutex
	records map[string]*backend.Record
	order   []string
	outbox  []backend.OutboxEvent
	lists   int // calls of ListOutboxEvents

	onStore  func(r *backend.Record) (before, after error)
	onLookup func(runID string) error
	show     func(r *backend.Record) *backend.Record // what Lookup answers
}

func newPlainStore() *plainStore { return &plainStore{records: make(map[string]*backend.Record)} }

func (s *plainStore) Store(_ context.Context, r *backend.Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var after error
	if s.onStore != nil {
		var before error
		if before, after = s.onStore(r); before != nil {
			return before
		}
	}
	s.put(r)
	data, err := backend.MakeOutboxEventData(*r)
	if err != nil {
		return err
	}
	s.outbox = append(s.outbox, backend.OutboxEvent{ID: data.ID, WorkflowName: data.WorkflowName, Data: data.Data})
	return after
}

// put stores a record without an event; s.mu is held.
func (s *plainStore) put(r *backend.Record) {
	if s.records[r.RunID] == nil {
		s.order = append(s.order, r.RunID)
	}
	c := r.Clone()
	c.Meta.Visit, c.Meta.Deadline = 0, time.Time{}
	s.records[r.RunID] = c
}

func (s *plainStore) Lookup(_ context.Context, runID string) (*backend.Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.onLookup != nil {
		if err := s.onLookup(runID); err != nil {
			return nil, err
		}
	}
	r := s.records[runID]
	if r == nil {
		return nil, backend.ErrRecordNotFound
	}
	if s.show != nil {
		return s.show(r), nil
	}
	return r.Clone(), nil
}

func (s *plainStore) Latest(_ context.Context, name, foreignID string) (*backend.Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := len(s.order) - 1; i >= 0; i-- {
		if r := s.records[s.order[i]]; r.WorkflowName == name && r.ForeignID == foreignID {
			return r.Clone(), nil
		}
	}
	return nil, backend.ErrRecordNotFound
}

func (s *plainStore) List(_ context.Context, name string, offset int64, limit int, order backend.OrderType, filters ...backend.RecordFilter) ([]backend.Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ids := slices.Clone(s.order)
	if order == backend.OrderTypeDescending {
		slices.Reverse(ids)
	}
	f := backend.MakeFilter(filters...)
	var out []backend.Record
	for _, id := range ids {
		r := s.records[id]
		if (name != "" && r.WorkflowName != name) || !matchClassic(f, r) {
			continue
		}
		if offset--; offset < 0 && len(out) < limit {
			out = append(out, *r.Clone())
		}
	}
	return out, nil
}

// matchClassic knows the filters of an older store.
func matchClassic(f *backend.RecordFilters, r *backend.Record) bool {
	in := func(f backend.Filter, value string) bool { return !f.Enabled || f.Matches(value) }
	at := func(f backend.FilterTime) bool { return !f.Enabled || f.Matches(r.CreatedAt) }
	return in(f.ByForeignID(), r.ForeignID) && in(f.ByStatus(), strconv.Itoa(r.Status)) &&
		in(f.ByRunState(), strconv.Itoa(int(r.RunState))) && at(f.ByCreatedAtAfter()) && at(f.ByCreatedAtBefore())
}

func (s *plainStore) ListOutboxEvents(_ context.Context, name string, limit int64) ([]backend.OutboxEvent, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lists++
	var out []backend.OutboxEvent
	for _, e := range s.outbox {
		if e.WorkflowName == name && int64(len(out)) < limit {
			out = append(out, e)
		}
	}
	return out, nil
}

func (s *plainStore) DeleteOutboxEvent(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.outbox {
		if s.outbox[i].ID == id {
			s.outbox = append(s.outbox[:i:i], s.outbox[i+1:]...)
			return nil
		}
	}
	return backend.ErrOutboxRecordNotFound
}

// locked runs fn under the store's lock.
func (s *plainStore) locked(fn func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fn()
}

// plainStreamer is a streamer over a slice whose Recv returns the event behind the cursor until that is acknowledged. It
// breaks in tests that read ahead, because it counts that as a violation.
type plainStreamer struct {
	mu         sync.Mutex
	topics     map[string][]*backend.Event
	cursors    map[string]int
	changed    chan struct{} // closed and replaced at every change
	violations []string
	sends      int
	open       int // senders and receivers that are not closed

	onSend func(topic string, e *backend.Event) error
	onRecv func(name string) error
	onAck  func(name string) error
}

func newPlainStreamer() *plainStreamer {
	return &plainStreamer{topics: make(map[string][]*backend.Event), cursors: make(map[string]int), changed: make(chan struct{})}
}

func (s *plainStreamer) locked(fn func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fn()
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *plainStreamer) NewSender(_ context.Context, topic string) (backend.EventSender, error) {
	s.locked(func() { s.open++ })
	return &plainSender{s: s, topic: topic}, nil
}

func (s *plainStreamer) NewReceiver(_ context.Context, topic, name string, _ ...backend.ReceiverOption) (backend.EventReceiver, error) {
	s.locked(func() { s.open++ })
	return &plainReceiver{s: s, topic: topic, name: name}, nil
}

type plainSender struct {
	s     *plainStreamer
	topic string
}

func (p *plainSender) Send(_ context.Context, foreignID string, statusType int, headers map[backend.Header]string) error {
	e := &backend.Event{ForeignID: foreignID, Type: statusType, Headers: make(map[backend.Header]string)}
	for k, v := range headers {
		e.Headers[k] = v
	}
	var err error
	p.s.locked(func() {
		p.s.sends++
		if p.s.onSend != nil {
			if err = p.s.onSend(p.topic, e); err != nil {
				return
			}
		}
		e.ID = int64(len(p.s.topics[p.topic]) + 1)
		p.s.topics[p.topic] = append(p.s.topics[p.topic], e)
	})
	return err
}

func (p *plainSender) Close() error {
	p.s.locked(func() { p.s.open-- })
	return nil
}

type plainReceiver struct {
	s           *plainStreamer
	topic, name string
	waiting     bool // an event was handed out and not acknowledged; guarded by s.mu
}

func (p *plainReceiver) Recv(ctx context.Context) (*backend.Event, backend.Ack, error) {
	for {
		var e *backend.Event
		var err error
		var changed chan struct{}
		p.s.mu.Lock()
		changed = p.s.changed
		if p.waiting {
			p.s.violations = append(p.s.violations, p.name+": received before the ack")
		}
		if p.s.onRecv != nil {
			err = p.s.onRecv(p.name)
		}
		if at := p.s.cursors[p.name]; err == nil && at < len(p.s.topics[p.topic]) {
			e = p.s.topics[p.topic][at]
			p.waiting = true
		}
		p.s.mu.Unlock()
		switch {
		case err != nil:
			return nil, nil, err
		case e != nil:
			return e, func() error { return p.ack(e) }, nil
		}
		select {
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		case <-changed:
		}
	}
}

func (p *plainReceiver) ack(e *backend.Event) (err error) {
	p.s.locked(func() {
		if p.s.onAck != nil {
			if err = p.s.onAck(p.name); err != nil {
				return
			}
		}
		if int(e.ID) != p.s.cursors[p.name]+1 {
			p.s.violations = append(p.s.violations, fmt.Sprintf("%s: event %d acknowledged at cursor %d", p.name, e.ID, p.s.cursors[p.name]))
		}
		p.s.cursors[p.name] = int(e.ID)
		p.waiting = false
	})
	return err
}

func (p *plainReceiver) Close() error {
	p.s.locked(func() { p.s.open-- })
	return nil
}

// freeScheduler gives every role at once, and takes it away when told.
type freeScheduler struct {
	mu      sync.Mutex
	cancels map[string]context.CancelFunc
	closed  map[string]chan struct{} // roles that nobody gets until the channel is closed
	asked   map[string]int
}

func newFreeScheduler() *freeScheduler {
	return &freeScheduler{cancels: make(map[string]context.CancelFunc), closed: make(map[string]chan struct{}), asked: make(map[string]int)}
}

func (s *freeScheduler) Await(ctx context.Context, role string) (context.Context, context.CancelFunc, error) {
	s.mu.Lock()
	s.asked[role]++
	gate := s.closed[role]
	s.mu.Unlock()
	if gate != nil {
		select {
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		case <-gate:
		}
	}
	held, cancel := context.WithCancel(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cancels[role] = cancel
	return held, cancel, nil
}

// take takes the role away and keeps it until the returned function is called.
func (s *freeScheduler) take(role string) (giveBack func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	gate := make(chan struct{})
	s.closed[role] = gate
	s.cancels[role]()
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.closed, role)
		close(gate)
	}
}

// plainTimeouts is a timeout store over a slice.
type plainTimeouts struct {
	mu   sync.Mutex
	rows []backend.TimeoutRecord
	next int64
	fail error
}

func (s *plainTimeouts) Create(_ context.Context, name, foreignID, runID string, status int, expireAt time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return s.fail
	}
	s.next++
	s.rows = append(s.rows, backend.TimeoutRecord{
		ID: s.next, WorkflowName: name, ForeignID: foreignID, RunID: runID, Status: status,
		ExpireAt: expireAt.Truncate(time.Millisecond), CreatedAt: time.Now(),
	})
	return nil
}

func (s *plainTimeouts) Complete(_ context.Context, id int64) error {
	return s.change(id, func(i int) { s.rows[i].Completed = true })
}

func (s *plainTimeouts) Cancel(_ context.Context, id int64) error {
	return s.change(id, func(i int) { s.rows = append(s.rows[:i:i], s.rows[i+1:]...) })
}

func (s *plainTimeouts) change(id int64, fn func(i int)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return s.fail
	}
	for i := range s.rows {
		if s.rows[i].ID == id {
			fn(i)
			return nil
		}
	}
	return backend.ErrTimeoutNotFound
}

func (s *plainTimeouts) List(_ context.Context, name string) ([]backend.TimeoutRecord, error) {
	return s.list(func(r backend.TimeoutRecord) bool { return r.WorkflowName == name })
}

func (s *plainTimeouts) ListValid(_ context.Context, name string, status int, now time.Time) ([]backend.TimeoutRecord, error) {
	return s.list(func(r backend.TimeoutRecord) bool {
		return r.WorkflowName == name && r.Status == status && !r.Completed && !r.ExpireAt.After(now)
	})
}

func (s *plainTimeouts) list(keep func(backend.TimeoutRecord) bool) ([]backend.TimeoutRecord, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return nil, s.fail
	}
	var out []backend.TimeoutRecord
	for _, r := range s.rows {
		if keep(r) {
			out = append(out, r)
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].ExpireAt.Before(out[j].ExpireAt) })
	return out, nil
}

func (s *plainTimeouts) setFail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = err
}

// open returns the expiries of rows that are not completed, as seconds after base.
func (s *plainTimeouts) open(base time.Time) []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []int{}
	for _, r := range s.rows {
		if !r.Completed {
			out = append(out, int(r.ExpireAt.Sub(base)/time.Second))
		}
	}
	sort.Ints(out)
	return out
}
