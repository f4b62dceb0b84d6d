package workflow

import (
	"context"
	"fmt"
	"runtime"
	"strconv"

	"github.com/stillwater-go/workflow/backend"
	"github.com/stillwater-go/workflow/internal/id"
	"github.com/stillwater-go/workflow/internal/machine"
)

type triggerOpts[Type any, Status StatusType] struct {
	start   Status
	started bool
	initial *Type
}

// TriggerOption sets one property of a run's start.
type TriggerOption[Type any, Status StatusType] func(o *triggerOpts[Type, Status])

// WithStartingPoint starts the run in that status instead of the workflow's first.
func WithStartingPoint[Type any, Status StatusType](startingStatus Status) TriggerOption[Type, Status] {
	return func(o *triggerOpts[Type, Status]) { o.start, o.started = startingStatus, true }
}

// WithInitialValue starts the run with that object instead of an empty one.
func WithInitialValue[Type any, Status StatusType](t *Type) TriggerOption[Type, Status] {
	return func(o *triggerOpts[Type, Status]) { o.initial = t }
}

// Trigger starts a run for the foreign id, the caller's own key for what it is about, and returns its id once the run is durable. It
// works before Run too, and in processes that never call Run.
//
// Errors: [ErrWorkflowInProgress] (an [InProgressError] names the run in the way), [ErrUnknownStatus], [ErrInvalidID],
// [ErrTooLarge], and [ErrOutcomeUnknown] when ctx ended while the commit was under way.
func (w *Workflow[Type, Status]) Trigger(ctx context.Context, foreignID string, opts ...TriggerOption[Type, Status]) (runID string, err error) {
	var o triggerOpts[Type, Status]
	for _, opt := range opts {
		opt(&o)
	}
	start := w.graph.Starts()[0]
	if o.started {
		start = int(o.start)
	}
	if !w.graph.Has(start) {
		return "", &Error{Op: "trigger", Workflow: w.name, Err: fmt.Errorf("%w: %d", ErrUnknownStatus, start),
			Hint: "start in a status that a step, callback or timeout names"}
	}
	if err := backend.ValidateID("foreign id", foreignID, backend.MaxIDBytes); err != nil {
		return "", &Error{Op: "trigger", Workflow: w.name, Err: err}
	}
	if o.initial == nil {
		o.initial = new(Type)
	}
	object, err := w.encodeObject(o.initial)
	if err != nil {
		return "", &Error{Op: "trigger", Workflow: w.name, Err: fmt.Errorf("initial value: %w", err)}
	}
	now := w.clock.Now()
	rec := machine.Start(Record{
		WorkflowName: w.name, ForeignID: foreignID, RunID: id.New(now), Status: start, Object: object,
		Meta: Meta{StatusDescription: w.statusName(start), TraceOrigin: origin()},
	}, w.graph, now)
	if err := backend.ValidateRecord(rec); err != nil {
		return "", &Error{Op: "trigger", Workflow: w.name, Err: err}
	}
	if err := w.flow.Trigger(ctx, rec); err != nil {
		return "", &Error{Op: "trigger", Workflow: w.name, RunID: rec.RunID, Err: err}
	}
	return rec.RunID, nil
}

// statusName is a status's own name for itself, or its number where the user's String panics.
func (w *Workflow[Type, Status]) statusName(status int) (name string) {
	defer func() {
		if recover() != nil {
			name = strconv.Itoa(status)
		}
	}()
	return backend.Cut(Status(status).String())
}

// origin says which function of the user's triggered, and in which line; no path, which may be nobody's business.
func origin() string {
	var pcs [1]uintptr
	if runtime.Callers(3, pcs[:]) == 0 {
		return ""
	}
	frame, _ := runtime.CallersFrames(pcs[:]).Next()
	return frame.Function + ":" + strconv.Itoa(frame.Line)
}
