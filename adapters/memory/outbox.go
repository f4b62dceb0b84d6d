package memory

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/stillwater-go/workflow/backend"
)

// outbox finds the events that wait to be sent. Each workflow chains its own, oldest first, so that a delete anywhere costs the same.
type outbox struct {
	byID map[string]*outgoing
	most int // since byID was made
}

// eventList are the events of one workflow.
type eventList struct{ first, last *outgoing }

// outgoing is one event that waits.
type outgoing struct {
	event      backend.OutboxEvent
	run        *run
	prev, next *outgoing
}

// post leaves an event of a run.
func (t *table) post(r *run, data backend.OutboxEventData) {
	w := r.workflow
	o := &outgoing{
		event: backend.OutboxEvent{ID: data.ID, WorkflowName: w.name, Data: data.Data, CreatedAt: t.clock.Now()},
		run:   r,
		prev:  w.outgoing.last,
	}
	r.waiting++
	if o.prev == nil {
		w.outgoing.first = o
	} else {
		o.prev.next = o
	}
	w.outgoing.last = o
	t.outbox.byID[data.ID] = o
	t.outbox.most = max(t.outbox.most, len(t.outbox.byID))
}

// unpost removes an event, and reports whether it was there.
func (t *table) unpost(id string) bool {
	o := t.outbox.byID[id]
	if o == nil {
		return false
	}
	o.run.waiting--
	list := &o.run.workflow.outgoing
	if o.prev == nil {
		list.first = o.next
	} else {
		o.prev.next = o.next
	}
	if o.next == nil {
		list.last = o.prev
	} else {
		o.next.prev = o.prev
	}
	delete(t.outbox.byID, id)
	if len(t.outbox.byID) == 0 && t.outbox.most > manyKeys { // a map never gives its memory back
		t.outbox = outbox{byID: make(map[string]*outgoing)}
	}
	return true
}

// ListOutboxEvents returns the oldest events of the workflow that wait to be sent, in the order of their Store calls, at most
// limit. The bytes are the caller's.
func (s *RecordStore) ListOutboxEvents(ctx context.Context, workflowName string, limit int64) ([]backend.OutboxEvent, error) {
	if err := s.table.read(ctx, "list outbox events"); err != nil {
		return nil, err
	}
	defer s.table.mu.RUnlock()
	w := s.table.workflows[workflowName]
	if w == nil {
		return nil, nil
	}
	var out []backend.OutboxEvent
	for o := w.outgoing.first; o != nil && int64(len(out)) < limit; o = o.next {
		e := o.event
		e.Data = bytes.Clone(e.Data)
		out = append(out, e)
	}
	return out, nil
}

// DeleteOutboxEvent removes an event that was sent, or returns backend.ErrOutboxRecordNotFound.
func (s *RecordStore) DeleteOutboxEvent(ctx context.Context, id string) error {
	if err := s.table.write(ctx, "delete outbox event"); err != nil {
		return err
	}
	defer s.table.mu.Unlock()
	if !s.table.unpost(id) {
		return fmt.Errorf("%w: %s", backend.ErrOutboxRecordNotFound, backend.Quote(id))
	}
	return nil
}

// WaitingWorkflows returns the names of the workflows that have outbox events waiting, in alphabetical order.
func (s *RecordStore) WaitingWorkflows(ctx context.Context) ([]string, error) {
	if err := s.table.read(ctx, "list workflows with outbox events"); err != nil {
		return nil, err
	}
	defer s.table.mu.RUnlock()
	var names []string
	for name, w := range s.table.workflows {
		if w.outgoing.first != nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// ChecksVersions says that Store keeps the version rule by itself.
func (s *RecordStore) ChecksVersions() bool { return true }

// NotifyOutbox calls stored after each Store. stored must return at once, and calls do not overlap. The returned function ends it
// and waits for a running call; stored must not call it.
func (s *RecordStore) NotifyOutbox(stored func()) (stop func()) { return s.table.stores.add(stored) }
