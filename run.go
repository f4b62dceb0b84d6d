package workflow

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"

	"github.com/stillwater-go/workflow/backend"
	"github.com/stillwater-go/workflow/internal/engine"
	"github.com/stillwater-go/workflow/internal/machine"
)

// TypedRecord is a [Record] with the user's own types for status and object. Record.Object has the bytes as they are stored.
type TypedRecord[Type any, Status StatusType] struct {
	Record
	Status Status
	Object *Type
}

// Run is one run, as user code gets it. Inside a step, callback, signal or timeout it is that attempt's own copy: changes of Object are stored
// when the code succeeds, and dropped when it fails. A Run from [Workflow.Await], or one kept after its attempt, only reads
// and controls.
type Run[Type any, Status StatusType] struct {
	TypedRecord[Type, Status]
	controller RunStateController

	mu      sync.Mutex
	attempt *engine.Attempt // nil outside an attempt
	verb    machine.Verb    // what the code asked for beside a status
	reason  string
	of      *Workflow[Type, Status] // nil outside an attempt; by it the object becomes what is stored, with
	more    extra                   // what came with it
	own     controller              // the room for the attempt's controller
}

// Pause stops the run where it is, with its object as it is now, until somebody resumes it; the engine never does. Inside a step return what
// it returns.
func (r *Run[Type, Status]) Pause(ctx context.Context, reason string) (Status, error) {
	if r.ask(machine.PauseRun, reason) {
		return 0, nil
	}
	return 0, r.controller.Pause(ctx, reason)
}

// Cancel ends the run for good, with its object as it is now. Inside a step return what it returns.
func (r *Run[Type, Status]) Cancel(ctx context.Context, reason string) (Status, error) {
	if r.ask(machine.CancelRun, reason) {
		return 0, nil
	}
	return 0, r.controller.Cancel(ctx, reason)
}

// Skip leaves the run as it is: nothing is stored, and the step is not called again for this version. Return what it returns.
func (r *Run[Type, Status]) Skip() (Status, error) { return 0, nil }

// SaveAndRepeat stores the object as a new version and calls the step again, in the same stay in the status. Return what it returns.
func (r *Run[Type, Status]) SaveAndRepeat() (Status, error) {
	if r.ask(machine.Repeat, "") {
		return 0, nil
	}
	if s, ok := r.controller.(saver); ok {
		return 0, s.saveAndRepeat()
	}
	return 0, fmt.Errorf("save and repeat: %w: only inside a step", ErrInvalidTransition)
}

// saver is a controller that stands in for an attempt in a test.
type saver interface{ saveAndRepeat() error }

// Heartbeat moves the attempt's deadline on by its full length. Long steps call it now and then. It returns why the attempt was ended, once
// it was: stop then.
func (r *Run[Type, Status]) Heartbeat(ctx context.Context) error {
	r.mu.Lock()
	a := r.attempt
	r.mu.Unlock()
	if a == nil {
		return ctx.Err()
	}
	return a.Heartbeat(ctx)
}

// Attempt returns the number of the present attempt, from 1; zero outside of one.
func (r *Run[Type, Status]) Attempt() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.attempt == nil {
		return 0
	}
	return r.attempt.Number
}

// IdempotencyKey identifies the work on this version of the run: the same for every attempt, another after each commit. Give it to
// outside systems that can refuse to do the same thing twice.
func (r *Run[Type, Status]) IdempotencyKey() string {
	return r.RunID + "/" + strconv.FormatUint(uint64(r.Meta.Version), 10)
}

// Transact hands over a function of the transaction that runs inside the step's commit. Use the adapter's typed helper, such as
// sqlite.Transact. It returns [ErrTxUnsupported] where the backend cannot run it, or outside an attempt.
func (r *Run[Type, Status]) Transact(fn any) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.attempt == nil {
		return fmt.Errorf("%w: only inside a step", ErrTxUnsupported)
	}
	t, ok := r.attempt.Backend().(backend.Transactor)
	if !ok {
		return fmt.Errorf("%w: the backend has no transactions for its users", ErrTxUnsupported)
	}
	if r.attempt.Tx != nil {
		return fmt.Errorf("%w: one function per attempt", ErrTxUnsupported)
	}
	if err := t.CheckTx(fn); err != nil {
		return err
	}
	r.attempt.Tx = fn
	return nil
}

// ask notes what the code wants; it reports false outside an attempt.
func (r *Run[Type, Status]) ask(v machine.Verb, reason string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.attempt == nil {
		return false
	}
	r.verb, r.reason = v, reason
	return true
}

// answer ends the attempt and says what the code wanted. A pause or cancel that it asked for counts whatever it returned.
func (r *Run[Type, Status]) answer(status Status, err error) (machine.Answer, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.attempt = nil
	a := machine.Answer{Verb: r.verb, Status: int(status), Reason: r.reason}
	switch {
	case a.Verb == machine.PauseRun || a.Verb == machine.CancelRun:
	case err != nil:
		return machine.Answer{}, err
	case status != 0:
		a.Verb = machine.Proceed
		a.Description = backend.Cut(status.String())
	case a.Verb == machine.Proceed: // the zero status, and nothing asked
		a.Verb = machine.Skip
		return a, nil
	}
	object, err := r.of.encodeWith(r.Object, r.more)
	if err != nil {
		e := &Error{Op: "store the object", Workflow: r.WorkflowName, RunID: r.RunID, Err: err}
		if errors.Is(err, ErrTooLarge) {
			e.Hint = "keep large data elsewhere and its key in the object"
		}
		return machine.Answer{}, e
	}
	a.Object = object
	return a, nil
}

// attemptRun makes the run of an attempt. All of it lies in one piece of memory: this is done for every step.
func (w *Workflow[Type, Status]) attemptRun(a *engine.Attempt) (*Run[Type, Status], error) {
	r := &Run[Type, Status]{attempt: a, of: w, own: controller{op: w.nobody, runID: a.Record.RunID}}
	r.controller = &r.own
	var err error
	r.more, err = w.decodeRecord(&r.TypedRecord, a.Record)
	if err != nil {
		return nil, err
	}
	return r, nil
}

// typedRecord decodes a record's object, for code that only reads it.
func (w *Workflow[Type, Status]) typedRecord(rec *Record) (*TypedRecord[Type, Status], error) {
	t := new(TypedRecord[Type, Status])
	if _, err := w.decodeRecord(t, rec); err != nil {
		return nil, err
	}
	return t, nil
}

// decodeRecord fills t from a record; see decodeObject for its errors.
func (w *Workflow[Type, Status]) decodeRecord(t *TypedRecord[Type, Status], rec *Record) (extra, error) {
	object, more, err := w.decodeObject(rec.Object)
	if err != nil {
		return extra{}, fmt.Errorf("decode the stored object of version %d: %w", rec.Meta.Version, err)
	}
	t.Record, t.Status, t.Object = *rec, Status(rec.Status), object
	// The caller may change what it gets; the record that it came from is shared.
	t.Record.Object = append([]byte(nil), rec.Object...)
	return more, nil
}
