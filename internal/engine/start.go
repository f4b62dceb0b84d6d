package engine

import (
	"context"
	"time"

	"github.com/stillwater-go/workflow/backend"
	"github.com/stillwater-go/workflow/internal/machine"
)

// Start is a run to be started.
type Start struct {
	// Record is version 1 of the run.
	Record *backend.Record
	// At is when it begins; the zero time, or one that is past, means at once. Until then it waits in its first status.
	At time.Time

	// Err is set by StartAll: nil where the run is stored.
	Err error
}

// Trigger stores version 1 of a run. Its errors match backend.ErrWorkflowInProgress, ErrVersionConflict (a run of that id is there
// already), ErrInvalidID, ErrTooLarge, and ErrUnsupported for a later start where that cannot be kept.
func (f *Flow) Trigger(ctx context.Context, s Start) error {
	c, err := f.startChange(&s)
	if err != nil {
		return err
	}
	return f.engine.Commit(ctx, c)
}

// StartAll stores version 1 of many runs in one commit. Each is judged by itself. The returned error says that the commit failed
// as a whole, or that ctx ended before its outcome was known.
func (f *Flow) StartAll(ctx context.Context, starts []*Start) error {
	var changes []*backend.Change
	var of []*Start
	for _, s := range starts {
		c, err := f.startChange(s)
		if s.Err = err; err == nil {
			changes, of = append(changes, c), append(of, s)
		}
	}
	err := f.engine.CommitAll(ctx, changes)
	for i, s := range of {
		if s.Err = err; err == nil {
			s.Err = changes[i].Err
		}
	}
	return err
}

func (f *Flow) startChange(s *Start) (*backend.Change, error) {
	rec := s.Record
	c := &backend.Change{Record: rec, Cause: backend.CauseTrigger}
	now := f.spec.Clock.Now()
	begin := latest(s.At, now)
	if begin.After(now) && rec.RunState.Moving() {
		if f.engine.volatile {
			return nil, errVolatile("a start at a later time")
		}
		if f.spec.Steps[rec.Status] != nil {
			c.Hold = append(c.Hold, f.row(rec, backend.ReceiverStep, backend.DeliveryTimer, begin))
		}
	}
	if !rec.Meta.Deadline.IsZero() && rec.RunState.Moving() {
		c.Hold = append(c.Hold, f.deadlineRow(rec))
	}
	f.timersAt(c, nil, begin)
	return c, nil
}

// deadlineRow is the due row that ends a run whose time is up.
func (f *Flow) deadlineRow(rec *backend.Record) backend.Delivery {
	d := f.row(rec, backend.ReceiverDeadline, backend.DeliveryTimer, rec.Meta.Deadline)
	d.Version = 1
	return d
}

// expire ends a run whose deadline has come.
func (e *Engine) expire(t *task, now time.Time) *member {
	deadline := t.rec.Meta.Deadline
	switch {
	case t.rec.RunState.Finished() || deadline.IsZero():
		return e.nothing(t)
	case deadline.After(now): // it was moved
		m := e.postpone(t, deadline, backend.DeliveryTimer)
		m.change.Expect = t.rec.Meta.Version // it may be moved once more
		return m
	}
	next, err := machine.Cancel(t.rec, "its deadline "+deadline.UTC().Format(time.RFC3339)+" has passed", now)
	if err != nil {
		return e.nothing(t)
	}
	c := &backend.Change{Record: next}
	t.role.flow.timersOf(c, t.rec)
	return e.advance(t, c)
}

// startsLater reports whether a delivery says that its run is not to begin yet.
func startsLater(d backend.Delivery, now time.Time) bool {
	return d.Receiver == backend.ReceiverStep && d.State == backend.DeliveryTimer && d.Due.After(now)
}
