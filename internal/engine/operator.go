package engine

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/stillwater-go/workflow/backend"
	"github.com/stillwater-go/workflow/internal/machine"
)

// maxReread bounds how often an operation that lost against other commits reads the run again: a second or so of a run that never rests.
const maxReread = 100

// reread reports whether an operation that lost for the try-th time, counted from zero, may go again. It lets others through first, for a while that
// grows, so that many who want the same run do not lose against each other without end.
func reread(ctx context.Context, try int) bool {
	if try >= maxReread {
		return false
	}
	if try < 2 {
		return ctx.Err() == nil
	}
	return pause(ctx, time.Duration(rand.Int64N(int64(50*time.Microsecond)<<min(try, 8))))
}

// Operation is what an operator does to one run. It is done by the run's id, whoever works on the run, and needs no consumer in this
// process.
type Operation struct {
	RunID string
	// Workflow is the one that the run must be of; empty for any.
	Workflow string
	// Actor names who does it.
	Actor string
	Clock backend.Clock
	// Code is the workflow's code; nil where it is not at hand. Then whoever holds the run's role sets the timers.
	Code *Flow
	// Rule says what the run becomes: one of machine's.
	Rule func(rec *backend.Record, now time.Time) (*backend.Record, error)
}

// ErrInHand says that an attempt of the delivery is running.
var ErrInHand = errors.New("an attempt is running")

// ErrNothingToRetry says that nothing of a run waits for another attempt.
var ErrNothingToRetry = errors.New("nothing to retry")

// Operate does the operation and returns the version that it made. When another commit comes between, the run is read again.
func (e *Engine) Operate(ctx context.Context, o Operation) (*backend.Record, error) {
	return e.operate(ctx, o, func(rec *backend.Record, now time.Time) (*backend.Change, error) {
		next, err := o.Rule(rec, now)
		if err != nil {
			return nil, err
		}
		return e.operation(ctx, o, rec, next, now)
	})
}

// Retry gives what of a run backs off or was given up its next attempt now, with its attempts counted anew; a run that the engine has paused is
// resumed. What is claimed stays: ErrInHand. Where nothing waits for an attempt, it returns ErrNothingToRetry.
func (e *Engine) Retry(ctx context.Context, o Operation, reason string) error {
	_, err := e.operate(ctx, o, func(rec *backend.Record, now time.Time) (*backend.Change, error) {
		c := &backend.Change{Expect: rec.Meta.Version, Actor: o.Actor, Wake: true}
		at := rec
		if rec.RunState == backend.RunStatePaused && rec.Meta.PausedBy == backend.PausedByEngine {
			next, err := machine.Resume(rec, backend.PausedByOperator, reason, now)
			if err != nil {
				return nil, err
			}
			if c, err = e.operation(ctx, o, rec, next, now); err != nil {
				return nil, err
			}
			at = next
		}
		held, err := e.b.Held(ctx, rec.RunID)
		if err != nil {
			return nil, err
		}
		running := false
		for _, d := range held {
			running = running || d.State == backend.DeliveryClaimed && Concerns(d, at)
			if !retryable(d, at) {
				continue
			}
			d.State, d.Due, d.Attempts, d.FirstAt = backend.DeliveryBackingOff, now, 0, time.Time{}
			c.Hold = append(c.Hold, d)
			if c.Record == nil && c.Attempt == nil { // a resume says by itself who asked for it, and why
				c.Attempt = &backend.Attempt{RunID: rec.RunID, WorkflowName: rec.WorkflowName, Receiver: d.Receiver, Version: rec.Meta.Version,
					At: now, Actor: o.Actor, Error: backend.Cut(reason)}
			}
		}
		switch {
		case c.Record != nil || len(c.Hold) > 0:
			return c, nil
		case running:
			return nil, ErrInHand
		default:
			return nil, fmt.Errorf("%w: the run is %v", ErrNothingToRetry, rec.RunState)
		}
	})
	return err
}

// operate reads the run and stores the change that make makes of it, until no other commit comes between.
func (e *Engine) operate(ctx context.Context, o Operation, make func(rec *backend.Record, now time.Time) (*backend.Change, error)) (*backend.Record, error) {
	for try := 0; ; try++ {
		rec, err := e.find(ctx, o)
		if err != nil {
			return nil, err
		}
		c, err := make(rec, o.Clock.Now())
		if err != nil {
			return nil, err
		}
		if c.Record != nil {
			if err := backend.ValidateRecord(c.Record); err != nil {
				return nil, err
			}
		}
		err = e.Commit(ctx, c)
		if !errors.Is(err, backend.ErrVersionConflict) || !reread(ctx, try) {
			return c.Record, err
		}
	}
}

// find reads the operation's run.
func (e *Engine) find(ctx context.Context, o Operation) (*backend.Record, error) {
	rec, err := e.b.Lookup(ctx, o.RunID)
	if err == nil && o.Workflow != "" && rec.WorkflowName != o.Workflow {
		return nil, fmt.Errorf("%w: it is of workflow %s", backend.ErrRecordNotFound, backend.Quote(rec.WorkflowName))
	}
	return rec, err
}

// operation makes the change that leads from rec to next, with everything that hangs on the run: the timers of the visit that is left and
// of the one that is entered, the resume that the engine had in mind, the deadline.
func (e *Engine) operation(ctx context.Context, o Operation, rec, next *backend.Record, now time.Time) (*backend.Change, error) {
	c := &backend.Change{Record: next, From: machine.At(rec), Cause: backend.CauseOperator, Actor: o.Actor}
	if rec.RunState.Moving() && next.RunState == backend.RunStatePaused {
		return c, nil // what waits goes on to wait
	}
	held, err := e.b.Held(ctx, rec.RunID)
	if err != nil {
		return nil, err
	}
	left := rec.Meta.Visit != next.Meta.Visit || next.RunState.Finished()
	for _, d := range held {
		switch {
		case d.Receiver == backend.ReceiverResume:
			c.Done = append(c.Done, d.DeliveryKey)
			if next.RunState == backend.RunStatePaused && d.Version == rec.Meta.Version { // still paused: it is to be resumed from this version
				d.Version = next.Meta.Version
				c.Hold = append(c.Hold, d)
			}
		case left && IsTimer(d.Receiver) && d.Version != next.Meta.Version,
			left && d.Receiver == backend.ReceiverStep && d.State == backend.DeliveryTimer: // a start that was to come later
			c.Done = append(c.Done, d.DeliveryKey)
		}
	}
	deadlines(c, rec, next)
	if next.RunState.Moving() && rec.Meta.Visit != next.Meta.Visit {
		if o.Code != nil {
			o.Code.timersOf(c, nil)
		} else {
			c.Hold = append(c.Hold, deliveryOf(next, ReceiverTimers, next.Meta.Visit, now))
		}
	}
	return c, nil
}

// deadlines keeps the row of the run's deadline as the run says.
func deadlines(c *backend.Change, rec, next *backend.Record) {
	has := !rec.RunState.Finished() && !rec.Meta.Deadline.IsZero()
	wants := !next.RunState.Finished() && !next.Meta.Deadline.IsZero()
	switch {
	case wants && (!has || !next.Meta.Deadline.Equal(rec.Meta.Deadline)):
		c.Hold = append(c.Hold, deliveryOf(next, backend.ReceiverDeadline, 1, next.Meta.Deadline))
	case has && !wants:
		c.Done = append(c.Done, backend.DeliveryKey{RunID: rec.RunID, Receiver: backend.ReceiverDeadline, Version: 1})
	}
}

// deliveryOf is a row of the run that waits for its time.
func deliveryOf(rec *backend.Record, r backend.Receiver, version uint, due time.Time) backend.Delivery {
	return backend.Delivery{
		DeliveryKey:  backend.DeliveryKey{RunID: rec.RunID, Receiver: r, Version: version},
		WorkflowName: rec.WorkflowName, Bucket: backend.BucketOf(rec.RunID, backend.DefaultBuckets), Due: due, State: backend.DeliveryTimer,
	}
}

// IsTimer reports whether the receiver is one of a visit's timers.
func IsTimer(r backend.Receiver) bool { return r == ReceiverTimers || timeoutIndex(r) >= 0 }

// Concerns reports whether a delivery has something to say to the run as it is now.
func Concerns(d backend.Delivery, rec *backend.Record) bool {
	switch {
	case d.Receiver == backend.ReceiverStep:
		return rec.RunState.Moving() && d.Version == rec.Meta.Version
	case IsTimer(d.Receiver):
		return rec.RunState.Moving() && d.Version == rec.Meta.Visit
	case d.Receiver == backend.ReceiverResume:
		return rec.RunState == backend.RunStatePaused && d.Version == rec.Meta.Version
	case d.Receiver == backend.ReceiverDelete:
		return rec.RunState == backend.RunStateRequestedDataDeleted
	case d.Receiver == backend.ReceiverDeadline, d.Receiver.IsSignal():
		return !rec.RunState.Finished()
	}
	return true // a hook is told whatever has become of the run
}

// retryable reports whether a delivery waits for another attempt, or was given up. One without an attempt waits for its time, or for somebody
// who has code for it: there is nothing to do again. Timers that a pause holds come back with the resume.
func retryable(d backend.Delivery, rec *backend.Record) bool {
	if !Concerns(d, rec) || d.Attempts == 0 {
		return false
	}
	return d.State == backend.DeliveryBackingOff || d.State == backend.DeliveryHeld && !IsTimer(d.Receiver)
}
