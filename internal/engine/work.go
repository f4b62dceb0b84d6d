package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/stillwater-go/workflow/backend"
	"github.com/stillwater-go/workflow/internal/machine"
)

// work is a worker's goroutine: it takes ready tasks until none is left.
func (e *Engine) work(starting bool) {
	for {
		t := e.nextTask(starting)
		starting = false
		if t == nil {
			return
		}
		if !e.execute(t) {
			return
		}
	}
}

// execute runs a task's user code and hands its change over. It reports false when the worker's goroutine is not to go on: the
// handler came back after it was given up, and its place was taken.
func (e *Engine) execute(t *task) bool {
	if verdict, err := e.prepare(t); err != nil {
		e.tryLater(t, err)
		return true
	} else if verdict != nil {
		e.hand(t, verdict)
		return true
	}
	if t.engines() {
		m, err := e.own(t)
		if err != nil {
			e.tryLater(t, err)
		} else {
			e.hand(t, m)
		}
		return true
	}
	ctx, cancel := context.WithCancelCause(t.role.flow.handlerCtx)
	a := &Attempt{Record: t.rec, Number: t.attempts + 1, FirstAt: t.firstAt, Payload: t.payload, engine: e, task: t}
	if !e.begin(t, a, cancel) {
		cancel(nil)
		return true
	}
	answer, err := e.callTask(ctx, t, a)
	cancel(nil)
	if !a.taken.CompareAndSwap(false, true) {
		e.comeBack()
		return false
	}
	e.decided(t)
	m := e.judge(ctx, t, a, answer, err)
	e.say()
	e.hand(t, m)
	return true
}

// decided takes an attempt whose handler has returned out of the watchdog's sight.
func (e *Engine) decided(t *task) {
	e.mu.Lock()
	defer e.mu.Unlock()
	t.phase.Store(phaseCommitting)
}

// comeBack is called by a worker whose handler returned after it was given up.
func (e *Engine) comeBack() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.abandoned--
	e.kick(false)
}

// begin publishes the attempt and its cancel function; it reports false when the task was ended before it began.
func (e *Engine) begin(t *task, a *Attempt, cancel context.CancelCauseFunc) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if t.ended != nil {
		if t.ended == ErrSuperseded {
			e.finish(t)
		} else {
			e.finishUnsafe(t)
		}
		return false
	}
	t.attempt, t.cancel = a, cancel
	t.started = time.Now() // reading the store before is not the handler's time
	t.deadline = t.started.Add(t.handler.Deadline)
	return true
}

// callTask calls the user's code. A Goexit of it ends this goroutine: another one takes over what is left to do.
func (e *Engine) callTask(ctx context.Context, t *task, a *Attempt) (answer machine.Answer, err error) {
	returned := false
	defer func() {
		if p := recover(); p != nil {
			answer, err = machine.Answer{}, newPanicError(p)
			return
		}
		if !returned {
			go e.afterGoexit(ctx, t, a)
		}
	}()
	answer, err = t.handler.Run(ctx, a)
	returned = true
	return answer, err
}

// afterGoexit finishes the attempt of a worker whose goroutine was ended by user code, and goes on in its place.
func (e *Engine) afterGoexit(ctx context.Context, t *task, a *Attempt) {
	if !a.taken.CompareAndSwap(false, true) {
		e.comeBack()
		return
	}
	e.decided(t)
	e.hand(t, e.judge(ctx, t, a, machine.Answer{}, ErrGoexit))
	e.work(false)
}

// newPanicError keeps what can be kept of a panic's value, even if that panics when printed.
func newPanicError(p any) *PanicError {
	pe := &PanicError{Stack: backend.Cut(string(debug.Stack()))}
	func() {
		defer func() {
			if recover() != nil {
				pe.Value = fmt.Sprintf("a %T that cannot be printed", p)
			}
		}()
		pe.Value = backend.Cut(fmt.Sprint(p))
	}()
	return pe
}

// hand brings a task's change on its way. A nil member drops the task: it comes again when its role is taken next.
func (e *Engine) hand(t *task, m *member) {
	t.phase.Store(phaseCommitting)
	switch {
	case m == nil:
		e.mu.Lock()
		e.finishUnsafe(t)
		e.mu.Unlock()
	case m.change == nil: // nothing to store
		e.mu.Lock()
		e.finish(t)
		cursors := e.promptCursors()
		e.mu.Unlock()
		e.saveCursors(cursors)
	default:
		e.submit(m)
	}
}

// judge makes the change that an attempt's outcome asks for.
func (e *Engine) judge(ctx context.Context, t *task, a *Attempt, answer machine.Answer, err error) *member {
	if err != nil {
		switch cause := context.Cause(ctx); cause {
		case ErrSuperseded:
			return e.nothing(t)
		case ErrStopping, ErrRoleLost:
			return nil
		case ErrDeadline:
			err = errors.Join(ErrDeadline, err)
		}
		if wait, ok := postponed(err); ok && t.kind == kindTimeout {
			return e.putOff(t, wait)
		}
		m := e.failed(t, err)
		return &m
	}
	spec := t.role.flow.spec
	now := spec.Clock.Now()
	switch t.kind {
	case kindHook:
		return e.nothing(t)
	case kindDelete:
		next, derr := machine.DeleteData(t.rec, answer.Object, now)
		if derr != nil {
			return e.nothing(t) // somebody did it already
		}
		return e.advance(t, &backend.Change{Record: next, Scrub: true})
	}
	if t.kind == kindSignal {
		answer = heard(answer, t.rec)
	}
	next, aerr := machine.Advance(t.rec, spec.Graph, answer, now)
	switch {
	case aerr != nil:
		m := e.failed(t, aerr)
		return &m
	case next == nil:
		return e.nothing(t)
	}
	c := &backend.Change{Record: next, Actor: t.actor, Tx: a.Tx}
	t.role.flow.timersOf(c, t.rec)
	return e.advance(t, c)
}

// advance completes the change that takes the task's effect.
func (e *Engine) advance(t *task, c *backend.Change) *member {
	c.From, c.Cause = machine.At(t.rec), t.cause
	if c.Cause == backend.CauseUnknown {
		c.Cause = backend.CauseEngine
	}
	if t.mayHaveRow() {
		c.Done = append(c.Done, t.key)
	}
	return &member{change: c, task: t, kind: kindAdvance}
}

// nothing ends a task that changes nothing; a row that it has is deleted.
func (e *Engine) nothing(t *task) *member {
	m := letGo(t)
	if t.mayHaveRow() {
		m.change = &backend.Change{Done: []backend.DeliveryKey{t.key}}
	}
	return m
}

// failed makes the change of a failed attempt: the delivery backs off, or the run is paused by the engine, or a hook's delivery is held.
func (e *Engine) failed(t *task, err error) member {
	spec := t.role.flow.spec
	now := spec.Clock.Now()
	attempt := &backend.Attempt{
		RunID: t.key.RunID, WorkflowName: spec.Name, Receiver: t.key.Receiver, Version: t.key.Version,
		Number: t.attempts + 1, At: now, Error: backend.Cut(safeText(err)),
	}
	if !t.started.IsZero() { // else it failed before the user's code was reached
		attempt.Took = time.Since(t.started)
	}
	f := machine.Failure{Attempts: attempt.Number}
	f.Permanent, f.After, attempt.Stack = classify(err)
	if spec.Failed != nil {
		e.later(func() { spec.Failed(err, string(t.key.Receiver), t.key.RunID) })
	}
	d := machine.Retry(t.handler.Policy, f, e.chance(spec))
	hold := backend.Delivery{
		DeliveryKey: t.key, WorkflowName: spec.Name, Bucket: t.role.bucket, Attempts: attempt.Number, FirstAt: t.firstAt,
		LastError: attempt.Error, State: backend.DeliveryBackingOff, Due: now.Add(d.Wait), Data: t.data,
	}
	if hold.FirstAt.IsZero() {
		hold.FirstAt = now
	}
	c := &backend.Change{Attempt: attempt, Hold: []backend.Delivery{hold}}
	if !d.GiveUp {
		return member{change: c, task: t, kind: kindHold}
	}
	t.role.flow.logError(&backend.Error{Op: "give up " + string(t.key.Receiver), Workflow: spec.Name, RunID: t.key.RunID,
		Err: &toldError{text: attempt.Error, err: err}, Hint: countOf(attempt.Number)})
	if t.pauses() {
		reason := gaveUp(attempt.Number, attempt.Error)
		if next, perr := machine.Pause(t.rec, backend.PausedByEngine, reason, now); perr == nil {
			c.Record, c.From, c.Cause, c.Hold = next, machine.At(t.rec), backend.CauseEngine, nil
			if t.mayHaveRow() {
				c.Done = []backend.DeliveryKey{t.key}
			}
			if t.kind != kindStep { // it comes back with the resume
				hold.State, hold.Due, hold.Attempts = backend.DeliveryHeld, time.Time{}, 0
				c.Hold, c.Done = []backend.Delivery{hold}, nil
			}
			if spec.AutoResume > 0 {
				c.Hold = append(c.Hold, t.role.flow.resumeRow(next, now))
			}
			return member{change: c, task: t, kind: kindAdvance}
		}
	}
	c.Hold[0].State, c.Hold[0].Due = backend.DeliveryHeld, time.Time{}
	return member{change: c, task: t, kind: kindHold}
}

// gaveUp is the stored reason of a run that is paused after its last attempt.
func gaveUp(attempts int, text string) string {
	return "gave up after " + countOf(attempts) + ": " + text
}

func countOf(attempts int) string {
	if attempts == 1 {
		return "1 attempt"
	}
	return strconv.Itoa(attempts) + " attempts"
}

// putOff has an expiry come again after a while. It is no failure: attempts stay as they are, and the run makes no version.
func (e *Engine) putOff(t *task, wait time.Duration) *member {
	now := t.role.flow.spec.Clock.Now()
	m := e.postpone(t, now.Add(machine.Bounded(wait)), backend.DeliveryTimer)
	if t.firstAt.IsZero() {
		m.change.Hold[0].FirstAt = now
	}
	return m
}

// postponed reports whether an error is a [LaterError], and what it asks for.
func postponed(err error) (wait time.Duration, ok bool) {
	defer func() { _ = recover() }() // an error whose methods panic says nothing
	var later *LaterError
	if !errors.As(err, &later) {
		return 0, false
	}
	return later.After, true
}

// classify reads what an error says of itself; an error whose methods panic says nothing.
func classify(err error) (permanent bool, after time.Duration, stack string) {
	defer func() { _ = recover() }()
	var pe *PanicError
	if errors.As(err, &pe) {
		stack = pe.Stack
	}
	var ra *RetryAfterError
	if errors.As(err, &ra) {
		after = ra.After
	}
	var perm *PermanentError
	permanent = errors.As(err, &perm)
	return permanent, after, stack
}

// safeText is an error's text, also where Error panics.
func safeText(err error) (s string) {
	defer func() {
		if recover() != nil {
			s = fmt.Sprintf("a %T whose text cannot be read", err)
		}
	}()
	return err.Error()
}

// lookAgain makes the watchdog put a task back in line; e.mu is held.
func (e *Engine) lookAgain(t *task) {
	e.outOfHand(t)
	t.phase.Store(phaseCommitting)
	e.unread = append(e.unread, t)
	e.armWatchdog()
	t.role.flow.rested()
}

// tryLater puts a task off because the store could not be read.
func (e *Engine) tryLater(t *task, err error) {
	e.storeFailing(err)
	t.phase.Store(phaseCommitting)
	e.mu.Lock()
	defer e.mu.Unlock()
	if t.role.gone {
		e.finishUnsafe(t)
		return
	}
	e.lookAgain(t)
}
