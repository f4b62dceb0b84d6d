package workflow

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/stillwater-go/workflow/backend"
	"github.com/stillwater-go/workflow/internal/engine"
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
// [ErrUnknownStatus]; [ErrRecordNotFound], also for a run that is erased meanwhile (by another process, it may take ten seconds to be noticed);
// [ErrObjectGone] where the run has had so many versions since that the object is no longer kept. A paused run may be resumed, so Await goes on
// waiting for it.
func (w *Workflow[Type, Status]) Await(ctx context.Context, foreignID, runID string, status Status, opts ...AwaitOption) (*Run[Type, Status], error) {
	return w.awaitStatus(ctx, foreignID, runID, []Status{status}, opts)
}

// AwaitAny is [Workflow.Await] for whichever of the statuses the run enters first; the run that it returns says which.
func (w *Workflow[Type, Status]) AwaitAny(ctx context.Context, foreignID, runID string, statuses ...Status) (*Run[Type, Status], error) {
	return w.awaitStatus(ctx, foreignID, runID, statuses, nil)
}

// AwaitEnd waits until the run has ended, however that is: completed, cancelled, or with its data deleted. It returns the run as of its end. Errors
// are those of [Workflow.Await], without ErrRunEnded.
func (w *Workflow[Type, Status]) AwaitEnd(ctx context.Context, foreignID, runID string, opts ...AwaitOption) (*Run[Type, Status], error) {
	return w.await(ctx, foreignID, runID, opts, finished, func(en backend.Entry, present bool) (bool, error) {
		return present && finished(en.Record), nil
	})
}

func (w *Workflow[Type, Status]) awaitStatus(ctx context.Context, foreignID, runID string, statuses []Status, opts []AwaitOption) (*Run[Type, Status], error) {
	wants := make([]int, len(statuses))
	for i, s := range statuses {
		if wants[i] = int(s); !w.graph.Has(wants[i]) {
			return nil, &Error{Op: "await", Workflow: w.name, RunID: runID, Err: fmt.Errorf("%w: %d", ErrUnknownStatus, wants[i])}
		}
	}
	if len(wants) == 0 {
		return nil, &Error{Op: "await", Workflow: w.name, RunID: runID, Err: ErrUnknownStatus, Hint: "name at least one status"}
	}
	last, unseen := uint(0), false
	there := func(rec *Record) bool { return slices.Contains(wants, rec.Status) || finished(rec) }
	return w.await(ctx, foreignID, runID, opts, there, func(en backend.Entry, present bool) (bool, error) {
		rec := en.Record
		unseen = unseen || rec.Meta.Version > last+1 // no history of what lies between is kept
		last = rec.Meta.Version
		switch {
		case slices.Contains(wants, rec.Status) && !endedBefore(rec):
			return true, nil
		case present && (rec.RunState.Finished() || unseen && !w.reaches(rec.Status, wants)):
			return false, &AwaitError{RunID: rec.RunID, Want: wants[0], Others: wants[1:], Status: rec.Status, RunState: rec.RunState,
				Reason: rec.Meta.RunStateReason, Unseen: unseen}
		}
		return false, nil
	})
}

// reaches reports whether one of the statuses can be reached from where a run is.
func (w *Workflow[Type, Status]) reaches(from int, wants []int) bool {
	return slices.ContainsFunc(wants, func(want int) bool { return w.graph.Reachable(from, want) })
}

func finished(rec *Record) bool { return rec.RunState.Finished() }

// await waits for the version that enough says yes to. Versions that wants says no to need not be looked at by themselves.
func (w *Workflow[Type, Status]) await(ctx context.Context, foreignID, runID string, opts []AwaitOption, wants func(*Record) bool,
	enough engine.See) (*Run[Type, Status], error) {
	o := awaitOpts{poll: w.awaitPoll()}
	for _, opt := range opts {
		opt(&o)
	}
	fail := func(err error) (*Run[Type, Status], error) {
		return nil, &Error{Op: "await", Workflow: w.name, RunID: runID, Err: err}
	}
	if runID == "" {
		rec, err := w.flow.Engine().Backend().Latest(ctx, w.name, foreignID)
		if err != nil {
			return fail(err)
		}
		runID = rec.RunID
	}
	var found backend.Entry
	err := w.flow.Engine().Follow(ctx, w.name, runID, o.poll, wants, func(en backend.Entry, present bool) (bool, error) {
		if of := en.Record.WorkflowName; of != w.name {
			return false, fmt.Errorf("%w: it is of workflow %s", ErrRecordNotFound, backend.Quote(of))
		}
		ok, err := enough(en, present)
		if ok {
			found = en
		}
		return ok, err
	})
	switch {
	case err != nil:
		return fail(err)
	case found.Trimmed:
		return fail(fmt.Errorf("%w: version %d", ErrObjectGone, found.Record.Meta.Version))
	}
	t, err := w.typedRecord(found.Record)
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
