package workflow

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stillwater-go/workflow/backend"
)

type awaitOpts struct{ poll time.Duration }

// AwaitOption sets one property of an Await.
type AwaitOption func(o *awaitOpts)

// WithAwaitPollingFrequency sets how often Await also looks by itself, for classic stores of third parties that tell nothing of other
// processes' commits. On our own backends Await is woken by the commit. Defaults to 500 ms there.
func WithAwaitPollingFrequency(d time.Duration) AwaitOption {
	return func(o *awaitOpts) { o.poll = d }
}

// Await waits until the run has entered the status, and returns it as of the version that did so: the first entry after the trigger. A
// status that was reached, or passed, before the call is seen. An empty runID means the newest run of the foreign id. It works in processes
// that never call Run.
//
// Errors: ctx.Err(); [ErrRunEnded] (an [AwaitError] says how) for a run that ended without reaching the status;
// [ErrUnknownStatus]; [ErrRecordNotFound]. A paused run may be resumed, so Await goes on waiting for it.
func (w *Workflow[Type, Status]) Await(ctx context.Context, foreignID, runID string, status Status, opts ...AwaitOption) (*Run[Type, Status], error) {
	o := awaitOpts{poll: w.awaitPoll()}
	for _, opt := range opts {
		opt(&o)
	}
	fail := func(err error) (*Run[Type, Status], error) {
		return nil, &Error{Op: "await", Workflow: w.name, RunID: runID, Err: err}
	}
	if !w.graph.Has(int(status)) {
		return fail(fmt.Errorf("%w: %d", ErrUnknownStatus, int(status)))
	}
	b := w.flow.Engine().Backend()
	if runID == "" {
		rec, err := b.Latest(ctx, w.name, foreignID)
		if err != nil {
			return fail(err)
		}
		runID = rec.RunID
	} else if rec, err := b.Lookup(ctx, runID); err != nil {
		return fail(err)
	} else if rec.WorkflowName != w.name {
		return fail(fmt.Errorf("%w: it is of workflow %s", ErrRecordNotFound, backend.Quote(rec.WorkflowName)))
	}
	var found *Record
	err := w.flow.Engine().Follow(ctx, runID, o.poll, func(rec *Record) (bool, error) {
		switch {
		case rec.Status == int(status) && !endedBefore(rec):
			found = rec
			return true, nil
		case rec.RunState.Finished():
			return false, &AwaitError{RunID: runID, Want: int(status), Status: rec.Status, RunState: rec.RunState, Reason: rec.Meta.RunStateReason}
		}
		return false, nil
	})
	if err != nil {
		return fail(err)
	}
	t, err := w.typedRecord(found)
	if err != nil {
		return fail(err)
	}
	return &Run[Type, Status]{TypedRecord: *t, controller: w.RunStateController(runID)}, nil
}

// endedBefore reports whether a record that is in a status stands there because the run was stopped, not because it arrived: with the
// history at hand the arrival was seen first.
func endedBefore(rec *Record) bool {
	return rec.RunState == RunStateCancelled || rec.RunState == RunStatePaused
}

func isNotFound(err error) bool { return errors.Is(err, ErrRecordNotFound) }
