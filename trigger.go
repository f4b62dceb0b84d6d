package workflow

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/stillwater-go/workflow/backend"
	"github.com/stillwater-go/workflow/internal/engine"
	"github.com/stillwater-go/workflow/internal/id"
	"github.com/stillwater-go/workflow/internal/machine"
)

type triggerOpts[Type any, Status StatusType] struct {
	start    Status
	started  bool
	initial  *Type
	key      string
	keyed    bool
	at       time.Time
	after    time.Duration
	deadline time.Time
	within   time.Duration
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

// WithStartKey makes a trigger that is tried again start one run: a second Trigger with the key, of whatever process and at whatever time,
// returns the run id of the first, as long as that run is kept, and changes nothing. Keys are unique in a workflow; one that was
// used for another foreign id is an [ErrStartKeyReused].
func WithStartKey[Type any, Status StatusType](key string) TriggerOption[Type, Status] {
	return func(o *triggerOpts[Type, Status]) { o.key, o.keyed = key, true }
}

// WithStartAt stores the run now and begins it at that time; a time that is past means at once. Until then it waits, initiated, in its first
// status, where callbacks and signals reach it already. Timers count from the start. It needs a backend; on classic parts Trigger
// fails with [ErrUnsupported].
func WithStartAt[Type any, Status StatusType](at time.Time) TriggerOption[Type, Status] {
	return func(o *triggerOpts[Type, Status]) { o.at = at }
}

// WithStartAfter is WithStartAt, so long after now.
func WithStartAfter[Type any, Status StatusType](d time.Duration) TriggerOption[Type, Status] {
	return func(o *triggerOpts[Type, Status]) { o.after = d }
}

// WithDeadline cancels the run at that time if it has not ended by then, also while it is paused.
func WithDeadline[Type any, Status StatusType](at time.Time) TriggerOption[Type, Status] {
	return func(o *triggerOpts[Type, Status]) { o.deadline = at }
}

// WithRunTimeout is WithDeadline, so long after the run's start.
func WithRunTimeout[Type any, Status StatusType](d time.Duration) TriggerOption[Type, Status] {
	return func(o *triggerOpts[Type, Status]) { o.within = d }
}

// Trigger starts a run for the foreign id, the caller's own key for what it is about, and returns its id once the run is durable. It
// works before Run too, and in processes that never call Run.
//
// Errors: [ErrWorkflowInProgress] (an [InProgressError] names the run in the way), [ErrUnknownStatus], [ErrInvalidID],
// [ErrTooLarge], [ErrStartKeyReused], [ErrAbsurdTime], and [ErrOutcomeUnknown] when ctx ended while the commit was under way.
func (w *Workflow[Type, Status]) Trigger(ctx context.Context, foreignID string, opts ...TriggerOption[Type, Status]) (runID string, err error) {
	return w.trigger(ctx, foreignID, origin(&w.origins), opts)
}

// trigger is Trigger that says who triggered.
func (w *Workflow[Type, Status]) trigger(ctx context.Context, foreignID, from string, opts []TriggerOption[Type, Status]) (runID string, err error) {
	s, keyed, err := w.newStart(foreignID, from, opts)
	if err == nil {
		err = w.flow.Trigger(ctx, s)
	}
	if keyed && errors.Is(err, ErrVersionConflict) {
		err = w.sameStart(ctx, s.Record)
	}
	if err != nil {
		return "", w.triggerError(s.Record, err)
	}
	return s.Record.RunID, nil
}

// Start is one of the runs that TriggerMany starts.
type Start[Type any, Status StatusType] struct {
	ForeignID string
	Options   []TriggerOption[Type, Status]
}

// Started is what became of one Start.
type Started struct {
	// RunID is the run; empty where Err is not nil.
	RunID string
	// Err says why the run was not started, as [Workflow.Trigger] would.
	Err error
}

// MaxStarts bounds what one TriggerMany may start.
const MaxStarts = 10000

// TriggerMany starts many runs in one commit, which costs little more than one. Each is judged by itself: one whose foreign id is taken
// fails alone, the others are durable on return. The results are in the order of the starts; the error joins those of the first few
// that failed, and is nil when all were started.
func (w *Workflow[Type, Status]) TriggerMany(ctx context.Context, starts ...Start[Type, Status]) ([]Started, error) {
	if len(starts) > MaxStarts {
		return nil, &Error{Op: "trigger many", Workflow: w.name, Err: fmt.Errorf("%w: %d starts, the limit is %d", ErrTooLarge, len(starts), MaxStarts)}
	}
	from := origin(&w.origins)
	out := make([]Started, len(starts))
	made := make([]*engine.Start, 0, len(starts))
	index := make([]int, 0, len(starts))
	keys := make(map[*Record]bool)
	for i, st := range starts {
		s, keyed, err := w.newStart(st.ForeignID, from, st.Options)
		if err != nil {
			out[i].Err = w.triggerError(s.Record, err)
			continue
		}
		keys[s.Record] = keyed
		made, index = append(made, &s), append(index, i)
	}
	_ = w.flow.StartAll(ctx, made) // every start carries it
	for n, s := range made {
		err := s.Err
		if keys[s.Record] && errors.Is(err, ErrVersionConflict) {
			err = w.sameStart(ctx, s.Record)
		}
		if i := index[n]; err != nil {
			out[i].Err = w.triggerError(s.Record, err)
		} else {
			out[i].RunID = s.Record.RunID
		}
	}
	return out, w.startErrors(out)
}

// startErrors joins the first few errors.
func (w *Workflow[Type, Status]) startErrors(all []Started) error {
	const shown = 10
	var errs []error
	failed := 0
	for i := range all {
		if all[i].Err == nil {
			continue
		}
		if failed++; failed <= shown {
			errs = append(errs, all[i].Err)
		}
	}
	if failed > shown {
		errs = append(errs, fmt.Errorf("trigger many %s: %d further of %d failed", backend.Quote(w.name), failed-shown, len(all)))
	}
	return errors.Join(errs...)
}

// newStart makes version 1 of a run. The start has a record also with an error, for its message.
func (w *Workflow[Type, Status]) newStart(foreignID, from string, opts []TriggerOption[Type, Status]) (s engine.Start, keyed bool, err error) {
	var o triggerOpts[Type, Status]
	for _, opt := range opts {
		opt(&o)
	}
	s.Record = &Record{WorkflowName: w.name, ForeignID: foreignID}
	start := w.graph.Starts()[0]
	if o.started {
		start = int(o.start)
	}
	if !w.graph.Has(start) {
		return s, false, &Error{Op: "trigger", Workflow: w.name, Err: fmt.Errorf("%w: %d", ErrUnknownStatus, start),
			Hint: "start in a status that a step, callback, signal or timeout names"}
	}
	if err := backend.ValidateID("foreign id", foreignID, backend.MaxIDBytes); err != nil {
		return s, false, err
	}
	now := w.clock.Now()
	runID := id.New(now)
	if o.keyed {
		if err := backend.ValidateID("start key", o.key, backend.MaxIDBytes); err != nil {
			return s, false, err
		}
		runID = id.Of(w.name, o.key)
	}
	s.At = o.at
	if o.after > 0 {
		s.At = now.Add(machine.Bounded(o.after))
	}
	if o.within > 0 {
		o.deadline = latest(s.At, now).Add(machine.Bounded(o.within))
	}
	if err := errors.Join(realTime("start", s.At, now), realTime("deadline", o.deadline, now)); err != nil {
		return s, false, err
	}
	if o.initial == nil {
		o.initial = new(Type)
	}
	object, err := w.encodeObject(o.initial)
	if err != nil {
		return s, false, fmt.Errorf("initial value: %w", err)
	}
	s.Record = machine.Start(Record{
		WorkflowName: w.name, ForeignID: foreignID, RunID: runID, Status: start, Object: object,
		Meta: Meta{StatusDescription: w.statusName(start), TraceOrigin: from, Deadline: o.deadline},
	}, w.graph, now)
	return s, o.keyed, backend.ValidateRecord(s.Record)
}

// realTime refuses a time that no clock will show.
func realTime(what string, at, now time.Time) error {
	if at.IsZero() {
		return nil
	}
	if _, _, err := machine.Timer(at, now); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// sameStart makes sure that the run of a start key is that of this very start.
func (w *Workflow[Type, Status]) sameStart(ctx context.Context, rec *Record) error {
	first, err := w.flow.Engine().Backend().Lookup(ctx, rec.RunID)
	if err == nil && (first.ForeignID != rec.ForeignID || first.WorkflowName != rec.WorkflowName) {
		err = fmt.Errorf("%w: for foreign id %s", ErrStartKeyReused, backend.Quote(first.ForeignID))
	}
	return err
}

func (w *Workflow[Type, Status]) triggerError(rec *Record, err error) error {
	var own *Error
	if errors.As(err, &own) && own.Op == "trigger" {
		return err
	}
	return &Error{Op: "trigger", Workflow: w.name, RunID: rec.RunID, Err: err}
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

// origin says which function of the user's triggered, and in which line; no path, which may be nobody's business. Each place of the program
// has one text, which known keeps: every run carries it.
func origin(known *sync.Map) string {
	var pcs [1]uintptr
	if runtime.Callers(3, pcs[:]) == 0 {
		return ""
	}
	if text, ok := known.Load(pcs[0]); ok {
		return text.(string)
	}
	frame, _ := runtime.CallersFrames(pcs[:]).Next()
	text, _ := known.LoadOrStore(pcs[0], frame.Function+":"+strconv.Itoa(frame.Line))
	return text.(string)
}
