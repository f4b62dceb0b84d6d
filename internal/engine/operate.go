package engine

import (
	"context"
	"fmt"

	"github.com/stillwater-go/workflow/backend"
	"github.com/stillwater-go/workflow/internal/machine"
)

// maxReread bounds how often an operation that lost against other commits reads the run again.
const maxReread = 16

// Trigger stores version 1 of a run. Its errors match backend.ErrWorkflowInProgress, ErrInvalidID and ErrTooLarge.
func (f *Flow) Trigger(ctx context.Context, rec *backend.Record) error {
	c := &backend.Change{Record: rec, Cause: backend.CauseTrigger}
	f.timersOf(c, nil)
	return f.engine.Commit(ctx, c)
}

// Act runs user code on a run in the caller's goroutine, such as a callback, and stores what it answers, under the same rules as a step.
// A commit that comes between is an error that matches backend.ErrVersionConflict.
func (f *Flow) Act(ctx context.Context, rec *backend.Record, cause backend.Cause, h *Handler) error {
	if machine.Judge(rec, rec.Meta.Version) != machine.Deliver {
		return fmt.Errorf("%w: the run is %v", stateError(rec), rec.RunState)
	}
	ctx, cancel := context.WithTimeout(ctx, h.Deadline)
	defer cancel()
	a := &Attempt{Record: rec, Number: 1, engine: f.engine}
	answer, err := call(ctx, h, a)
	if err != nil {
		return err
	}
	next, err := machine.Advance(rec, f.spec.Graph, answer, f.spec.Clock.Now())
	if err != nil || next == nil {
		return err
	}
	c := &backend.Change{Record: next, From: machine.At(rec), Cause: cause, Tx: a.Tx}
	f.timersOf(c, rec)
	return f.engine.Commit(ctx, c)
}

func stateError(rec *backend.Record) error {
	if rec.RunState == backend.RunStatePaused {
		return machine.ErrPaused
	}
	return machine.ErrFinished
}

// call runs user code under recover.
func call(ctx context.Context, h *Handler, a *Attempt) (answer machine.Answer, err error) {
	defer func() {
		if p := recover(); p != nil {
			answer, err = machine.Answer{}, newPanicError(p)
		}
	}()
	return h.Run(ctx, a)
}
