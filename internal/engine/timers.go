package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/stillwater-go/workflow/backend"
	"github.com/stillwater-go/workflow/internal/machine"
)

// timersOf completes a change with what it means for the timers of its run, as of now.
func (f *Flow) timersOf(c *backend.Change, from *backend.Record) {
	f.timersAt(c, from, f.spec.Clock.Now())
}

// timersAt completes a change with the timers of the visit that it enters, and takes back those of the visit that it leaves. Where a
// timer function fails, a due row stands in that sets the timers later.
func (f *Flow) timersAt(c *backend.Change, from *backend.Record, now time.Time) {
	next := c.Record
	if next != nil && from != nil && next.RunState.Finished() && !from.RunState.Finished() && !next.Meta.Deadline.IsZero() {
		c.Done = append(c.Done, backend.DeliveryKey{RunID: from.RunID, Receiver: backend.ReceiverDeadline, Version: 1})
	}
	if len(f.spec.Timeouts) == 0 || next == nil {
		return
	}
	if from != nil && (from.Meta.Visit != next.Meta.Visit || next.RunState.Finished()) {
		for i := range f.spec.Timeouts[from.Status] {
			c.Done = append(c.Done, backend.DeliveryKey{RunID: from.RunID, Receiver: TimeoutReceiver(i), Version: from.Meta.Visit})
		}
	}
	if !next.RunState.Moving() || (from != nil && from.Meta.Visit == next.Meta.Visit) {
		return
	}
	rows, err := f.timers(next, now)
	if err != nil {
		f.logError(&backend.Error{Op: "set timers", Workflow: f.spec.Name, RunID: next.RunID, Err: err, Hint: "tried again by itself"})
		rows = []backend.Delivery{f.row(next, ReceiverTimers, backend.DeliveryTimer, now)}
	}
	c.Hold = append(c.Hold, rows...)
}

// timers asks the timer functions of the status that the run is in.
func (f *Flow) timers(rec *backend.Record, now time.Time) (rows []backend.Delivery, err error) {
	for i, t := range f.spec.Timeouts[rec.Status] {
		at, err := callTimer(t, rec, now)
		if err != nil {
			return nil, err
		}
		due, set, err := machine.Timer(at, now)
		if err != nil {
			return nil, fmt.Errorf("timer %d of status %d: %w: %v", i, rec.Status, err, at)
		}
		if set {
			rows = append(rows, f.row(rec, TimeoutReceiver(i), backend.DeliveryTimer, due))
		}
	}
	return rows, nil
}

// callTimer calls a user's timer function under recover and a deadline.
func callTimer(t *Timeout, rec *backend.Record, now time.Time) (time.Time, error) {
	type result struct {
		at  time.Time
		err error
	}
	ctx, cancel := context.WithTimeout(context.Background(), callDeadline)
	defer cancel()
	out := make(chan result, 1)
	go func() { // a function that ignores its context must not take a worker with it
		r := result{err: ErrGoexit}
		defer func() {
			if p := recover(); p != nil {
				r.err = newPanicError(p)
			}
			out <- r
		}()
		r.at, r.err = t.Timer(ctx, rec, now)
	}()
	select {
	case r := <-out:
		return r.at, r.err
	case <-ctx.Done():
		return time.Time{}, fmt.Errorf("timer function: %w", ErrDeadline)
	}
}

// row is a due row of a visit.
func (f *Flow) row(rec *backend.Record, r backend.Receiver, state backend.DeliveryState, due time.Time) backend.Delivery {
	return backend.Delivery{
		DeliveryKey:  backend.DeliveryKey{RunID: rec.RunID, Receiver: r, Version: rec.Meta.Visit},
		WorkflowName: f.spec.Name, Bucket: backend.BucketOf(rec.RunID, backend.DefaultBuckets), Due: due, State: state,
	}
}

// resumeRow is the due row that undoes a pause by the engine.
func (f *Flow) resumeRow(paused *backend.Record, now time.Time) backend.Delivery {
	d := f.row(paused, backend.ReceiverResume, backend.DeliveryTimer, now.Add(machine.Bounded(f.spec.AutoResume)))
	d.Version = paused.Meta.Version
	return d
}
