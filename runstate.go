package workflow

import (
	"context"
	"fmt"

	"github.com/stillwater-go/workflow/backend"
	"github.com/stillwater-go/workflow/internal/machine"
)

// RunStateController changes the run state of one run, as an operator does. Its errors match [ErrInvalidTransition] where the run's state
// forbids it, with [ErrRunFinished] or [ErrRunPaused] where that is the reason, and [ErrRecordNotFound]. It is safe for concurrent use.
type RunStateController interface {
	// Pause stops the run until it is resumed; a running step's context ends.
	Pause(ctx context.Context, reason string) error
	// Cancel ends the run for good; a running step's context ends.
	Cancel(ctx context.Context, reason string) error
	// Resume lets a paused run go on in its status, with fresh attempts.
	Resume(ctx context.Context) error
	// DeleteData asks for the data of a completed or cancelled run to be scrubbed.
	DeleteData(ctx context.Context, reason string) error
}

// RunStateController returns the controller of a run. It reads the run at each call, so it never works on an old version. It acts in nobody's name;
// [Workflow.Operator] says who does what.
func (w *Workflow[Type, Status]) RunStateController(runID string) RunStateController {
	return &controller{op: w.nobody, runID: runID} // one for every attempt: it must be cheap
}

type controller struct {
	op    *Operator
	runID string
}

func (c *controller) Pause(ctx context.Context, reason string) error {
	return c.op.Pause(ctx, c.runID, reason)
}

func (c *controller) Cancel(ctx context.Context, reason string) error {
	return c.op.Cancel(ctx, c.runID, reason)
}

func (c *controller) Resume(ctx context.Context) error { return c.op.Resume(ctx, c.runID, "") }

func (c *controller) DeleteData(ctx context.Context, reason string) error {
	return c.op.DeleteData(ctx, c.runID, reason)
}

// storeFunc stores a record.
type storeFunc func(ctx context.Context, record *Record) error

// NewRunStateController returns a controller over a store of the caller's: it changes the version that it was given, so a store that checks
// versions refuses it when the run has moved since. Prefer [Workflow.RunStateController].
func NewRunStateController(store storeFunc, wr *Record) RunStateController {
	return &recordController{store: store, rec: wr.Clone()}
}

type recordController struct {
	store storeFunc
	rec   *Record
}

func (c *recordController) Pause(ctx context.Context, reason string) error {
	next, err := machine.Pause(c.rec, backend.PausedByOperator, reason, backend.RealClock{}.Now())
	return c.save(ctx, next, err)
}

func (c *recordController) Cancel(ctx context.Context, reason string) error {
	next, err := machine.Cancel(c.rec, reason, backend.RealClock{}.Now())
	return c.save(ctx, next, err)
}

func (c *recordController) Resume(ctx context.Context) error {
	next, err := machine.Resume(c.rec, backend.PausedByOperator, "", backend.RealClock{}.Now())
	return c.save(ctx, next, err)
}

func (c *recordController) DeleteData(ctx context.Context, reason string) error {
	next, err := machine.RequestDelete(c.rec, reason, backend.RealClock{}.Now())
	return c.save(ctx, next, err)
}

// save stores first and remembers only then, so that a failed store leaves the controller where it was.
func (c *recordController) save(ctx context.Context, next *Record, err error) error {
	if err != nil {
		return err
	}
	if err := c.store(ctx, next.Clone()); err != nil {
		return fmt.Errorf("store run %s: %w", next.RunID, err)
	}
	c.rec = next
	return nil
}
