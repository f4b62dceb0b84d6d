package workflow

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stillwater-go/workflow/backend"
	"github.com/stillwater-go/workflow/internal/engine"
	"github.com/stillwater-go/workflow/internal/machine"
)

// Operator acts on runs by their ids, and reads them, from any process: also from one that runs no consumers and lacks the workflow's code. Make one
// with [NewOperator], or with [Workflow.Operator] where the code is at hand.
//
// Every action is one commit against the version that was read: when another one comes between, the run is read and judged again, so that
// concurrent operators and steps never undo each other. Who did it and why is stored with the version that the action made. Errors match
// [ErrRecordNotFound], and [ErrInvalidTransition] where the run's state forbids the action, with [ErrRunFinished] or [ErrRunPaused] where that is
// the reason. An Operator is safe for concurrent use.
type Operator struct {
	e     *engine.Engine
	actor string
	clock Clock
	code  *code // nil without
}

// code is what a workflow's program knows of it beside what is stored.
type code struct {
	workflow string
	flow     *engine.Flow
	has      func(status int) bool
	terminal func(status int) bool
	name     func(status int) string
	steps    func(status int) bool
	outside  func(status int) bool // something outside may move a run that is in it
}

// OperatorOption sets one property of an operator.
type OperatorOption func(o *Operator)

// WithActor names who acts. Defaults to nobody; see also [Operator.As].
func WithActor(actor string) OperatorOption { return func(o *Operator) { o.actor = actor } }

// WithOperatorClock sets where the times of new versions come from. Defaults to the machine's clock; programs whose workflows have a clock of their own
// give the same one.
func WithOperatorClock(c Clock) OperatorOption { return func(o *Operator) { o.clock = c } }

// NewOperator returns an operator for all runs of a backend, for programs that lack the workflows' code, such as a command line or a user
// interface. The timers of a status that an action enters are set by the process that holds the run's role.
func NewOperator(b Backend, opts ...OperatorOption) *Operator {
	o := &Operator{e: engine.Of(b), clock: backend.RealClock{}}
	for _, opt := range opts {
		opt(o)
	}
	return o
}

// As returns an operator that acts in the name of somebody else.
func (o *Operator) As(actor string) *Operator {
	as := *o
	as.actor = actor
	return &as
}

// Pause stops a moving run until it is resumed; a running step's context ends.
func (o *Operator) Pause(ctx context.Context, runID, reason string) error {
	return o.do(ctx, "pause", runID, func(rec *Record, now time.Time) (*Record, error) {
		return machine.Pause(rec, backend.PausedByOperator, reason, now)
	})
}

// Resume lets a paused run go on in its status, with fresh attempts.
func (o *Operator) Resume(ctx context.Context, runID, reason string) error {
	return o.do(ctx, "resume", runID, func(rec *Record, now time.Time) (*Record, error) {
		return machine.Resume(rec, backend.PausedByOperator, reason, now)
	})
}

// Cancel ends an unfinished run for good; a running step's context ends.
func (o *Operator) Cancel(ctx context.Context, runID, reason string) error {
	return o.do(ctx, "cancel", runID, func(rec *Record, now time.Time) (*Record, error) {
		return machine.Cancel(rec, reason, now)
	})
}

// SetDeadline sets when an unfinished run is cancelled if it has not ended by then; the zero time means never. Like every new version it makes a
// running step begin anew.
func (o *Operator) SetDeadline(ctx context.Context, runID string, deadline time.Time, reason string) error {
	return o.do(ctx, "set deadline", runID, func(rec *Record, now time.Time) (*Record, error) {
		if _, _, err := machine.Timer(deadline, now); err != nil {
			return nil, err
		}
		return machine.Extend(rec, deadline, reason, now)
	})
}

// DeleteData asks for the data of a completed or cancelled run to be scrubbed. The run and its history stay, without their objects.
func (o *Operator) DeleteData(ctx context.Context, runID, reason string) error {
	return o.do(ctx, "delete data", runID, func(rec *Record, now time.Time) (*Record, error) {
		return machine.RequestDelete(rec, reason, now)
	})
}

// RetryNow gives a run its next attempt at once, with its attempts counted anew: its steps, timeouts and hooks that back off, hooks and deletions that
// were given up. A run that the engine has paused is resumed. Timers that wait for their time go on to wait.
//
// Errors: [ErrNothingToRetry]; [ErrAttemptRunning] where an attempt is running that is known to take long. Any other attempt that runs meanwhile is
// the retry: no second one is started beside it. The history says who asked for it, and why.
func (o *Operator) RetryNow(ctx context.Context, runID, reason string) error {
	if err := o.e.Retry(ctx, o.operation(runID, nil), reason); err != nil {
		e := o.fail("retry", runID, err)
		switch {
		case errors.Is(err, ErrAttemptRunning):
			e.Hint = "wait for its end, or pause or cancel the run"
		case errors.Is(err, ErrNothingToRetry):
			e.Hint = "Operator.Waiting says what it waits for"
		}
		return e
	}
	return nil
}

// ForceOption sets one property of a forced status.
type ForceOption func(f *force)

type force struct {
	machine.Override
	version uint
}

// WithObject replaces the run's object as well, by one in its stored form. It is not looked into.
func WithObject(encoded []byte) ForceOption {
	return func(f *force) { f.Object = append([]byte{}, encoded...) }
}

// WithStatusName says what the status is called, for those who read the run without the workflow's code. It is not needed with it.
func WithStatusName(name string) ForceOption { return func(f *force) { f.Description = name } }

// WithEnd says that nothing leads out of the status, so that the run is completed there at once. With the workflow's code the graph decides, and
// without both the process that holds the run's role completes it.
func WithEnd() ForceOption { return func(f *force) { f.Terminal = true } }

// IfVersion makes the action fail with [ErrVersionConflict] unless the run still has that version: what was decided by looking at it still holds.
func IfVersion(version uint) ForceOption { return func(f *force) { f.version = version } }

// ForceStatus puts a run into a status, whatever the graph says, and lets it go on from there; also a paused, completed or cancelled one, but not one
// whose data is deleted. It is a new stay in the status: timers of the old one are void, those of the new one are set.
//
// Errors: those of all actions; [ErrUnknownStatus] where the workflow's code is at hand and lacks the status; [ErrWorkflowInProgress] where another
// run of the foreign id was started since this one ended; [ErrTooLarge]; [ErrVersionConflict] with [IfVersion].
func (o *Operator) ForceStatus(ctx context.Context, runID string, status int, reason string, opts ...ForceOption) error {
	var f force
	for _, opt := range opts {
		opt(&f)
	}
	f.Status, f.Reason = status, reason
	return o.force(ctx, "force status", runID, f)
}

func (o *Operator) force(ctx context.Context, op, runID string, f force) error {
	if o.code != nil {
		if !o.code.has(f.Status) {
			return o.fail(op, runID, fmt.Errorf("%w: %d", ErrUnknownStatus, f.Status))
		}
		f.Terminal, f.Description = o.code.terminal(f.Status), o.code.name(f.Status)
	}
	return o.do(ctx, op, runID, func(rec *Record, now time.Time) (*Record, error) {
		if f.version != 0 && rec.Meta.Version != f.version {
			return nil, &ConflictError{RunID: runID, Want: f.version, Have: rec.Meta.Version}
		}
		return machine.Force(rec, f.Override, now)
	})
}

// Rewind takes a run back to the stay in a status that the version belongs to: a new version with the status and the object as of the version that began
// that stay. It is a forced status in everything else.
//
// Errors: those of [Operator.ForceStatus]; [ErrVersionNotFound] where the run has no such version, or the store keeps it no longer;
// [ErrObjectGone] where the version's object is no longer kept.
func (o *Operator) Rewind(ctx context.Context, runID string, version uint, reason string) error {
	en, err := o.visit(ctx, runID, version)
	if err != nil {
		return o.fail("rewind", runID, err)
	}
	rec := en.Record
	return o.force(ctx, "rewind", runID, force{Override: machine.Override{
		Status: rec.Status, Description: rec.Meta.StatusDescription, Object: append([]byte{}, rec.Object...),
		Terminal: rec.RunState == RunStateCompleted, Reason: reason,
	}})
}

// visit reads the version that began the visit to which a version belongs.
func (o *Operator) visit(ctx context.Context, runID string, version uint) (backend.Entry, error) {
	en, err := o.version(ctx, runID, version)
	if begun := en.Record; err == nil && begun.Meta.Visit != 0 && begun.Meta.Visit != version {
		en, err = o.version(ctx, runID, begun.Meta.Visit)
	}
	if err == nil && en.Trimmed {
		err = fmt.Errorf("%w: version %d", ErrObjectGone, en.Record.Meta.Version)
	}
	return en, err
}

// version reads one version of a run.
func (o *Operator) version(ctx context.Context, runID string, version uint) (backend.Entry, error) {
	if version > 0 {
		switch entries, err := o.e.Backend().History(ctx, runID, version-1, 1); {
		case err != nil:
			return backend.Entry{}, err
		case len(entries) > 0 && entries[0].Record.Meta.Version == version:
			return entries[0], o.mine(entries[0].Record)
		}
	}
	if _, err := o.record(ctx, runID); err != nil {
		return backend.Entry{}, err
	}
	return backend.Entry{}, fmt.Errorf("%w: %d", ErrVersionNotFound, version)
}

// record reads a run.
func (o *Operator) record(ctx context.Context, runID string) (*Record, error) {
	rec, err := o.e.Backend().Lookup(ctx, runID)
	if err == nil {
		err = o.mine(rec)
	}
	return rec, err
}

// mine refuses runs of other workflows, where the operator is one workflow's.
func (o *Operator) mine(rec *Record) error {
	if o.code != nil && rec.WorkflowName != o.code.workflow {
		return fmt.Errorf("%w: it is of workflow %s", ErrRecordNotFound, backend.Quote(rec.WorkflowName))
	}
	return nil
}

// Erase removes a finished run for good, with its history and everything else about it. Nothing of it is left, not even that it was there, or who
// erased it.
//
// Errors: [ErrRecordNotFound], [ErrUnfinished], and [ErrUnsupported] where the backend removes no runs.
func (o *Operator) Erase(ctx context.Context, runID string) error {
	if err := o.e.Erase(ctx, o.operation(runID, nil)); err != nil {
		e := o.fail("erase", runID, err)
		if errors.Is(err, ErrUnfinished) {
			e.Hint = "cancel it first"
		}
		return e
	}
	return nil
}

func (o *Operator) do(ctx context.Context, op, runID string, rule func(*Record, time.Time) (*Record, error)) error {
	if _, err := o.e.Operate(ctx, o.operation(runID, rule)); err != nil {
		return o.fail(op, runID, err)
	}
	return nil
}

func (o *Operator) operation(runID string, rule func(*Record, time.Time) (*Record, error)) engine.Operation {
	op := engine.Operation{RunID: runID, Actor: o.actor, Clock: o.clock, Rule: rule}
	if o.code != nil {
		op.Workflow, op.Code = o.code.workflow, o.code.flow
	}
	return op
}

func (o *Operator) fail(op, runID string, err error) *Error {
	e := &Error{Op: op, RunID: runID, Err: err}
	if o.code != nil {
		e.Workflow = o.code.workflow
	}
	return e
}

// TypedOperator is an [Operator] of one workflow with its code at hand: statuses and objects have the workflow's own types, and an action sets the
// timers of the status that it enters. It touches no runs of other workflows.
type TypedOperator[Type any, Status StatusType] struct {
	*Operator
	encode func(object *Type) ([]byte, error)
}

// Operator returns an operator of the workflow's runs that acts in the actor's name. It works without Run.
func (w *Workflow[Type, Status]) Operator(actor string) *TypedOperator[Type, Status] {
	return &TypedOperator[Type, Status]{Operator: w.operator(actor), encode: w.encodeObject}
}

// As returns an operator that acts in the name of somebody else.
func (o *TypedOperator[Type, Status]) As(actor string) *TypedOperator[Type, Status] {
	return &TypedOperator[Type, Status]{Operator: o.Operator.As(actor), encode: o.encode}
}

// ForceStatus is [Operator.ForceStatus] with the workflow's own types; a nil object keeps the run's.
func (o *TypedOperator[Type, Status]) ForceStatus(ctx context.Context, runID string, status Status, reason string, object *Type, opts ...ForceOption) error {
	if object != nil {
		encoded, err := o.encode(object)
		if err != nil {
			return o.fail("force status", runID, fmt.Errorf("encode the object: %w", err))
		}
		opts = append(opts[:len(opts):len(opts)], WithObject(encoded))
	}
	return o.Operator.ForceStatus(ctx, runID, int(status), reason, opts...)
}

func (w *Workflow[Type, Status]) operator(actor string) *Operator { return w.nobody.As(actor) }

func (w *Workflow[Type, Status]) newOperator() *Operator {
	return &Operator{e: w.flow.Engine(), clock: w.clock, code: &code{
		workflow: w.name, flow: w.flow, has: w.graph.Has, terminal: w.graph.Terminal, name: w.statusName,
		steps:   func(status int) bool { return w.spec.Steps[status] != nil },
		outside: w.waitsForOutside,
	}}
}
