package engine

import (
	"errors"
	"time"

	"github.com/stillwater-go/workflow/backend"
	"github.com/stillwater-go/workflow/internal/machine"
)

// prepare completes a task that came from the store: its record, its handler, its row. A member says that there is nothing to run. Tasks
// of this process's own commits pass through without a read.
func (e *Engine) prepare(t *task) (*member, error) {
	ctx := t.role.flow.ctx
	// A hook or deletion that is tried again looks whether its row is still there: the run may have been erased, by any process.
	if t.verify || t.stored && (t.kind == kindHook || t.kind == kindDelete) {
		if m, err := e.adopt(t); m != nil || err != nil {
			return m, err
		}
		t.verify = false
	}
	if t.kind == kindStep && t.handler.Run == nil {
		t.rec = nil // where the run stands decides which handler, if any
	}
	if t.rec == nil {
		rec, err := e.b.Lookup(ctx, t.key.RunID)
		switch {
		case errors.Is(err, backend.ErrRecordNotFound):
			return e.nothing(t), nil
		case err != nil:
			return nil, err
		}
		t.rec = rec
		if m, err := e.place(t); m != nil || err != nil {
			if err != nil {
				t.rec = nil // it has not been placed: a hook may be about another version, a signal has no handler yet
			}
			return m, err
		}
	}
	if lag := t.handler.Lag; lag > 0 && t.kind == kindStep && t.attempts == 0 {
		due := t.rec.UpdatedAt.Add(lag)
		if due.After(t.role.flow.spec.Clock.Now()) {
			return e.postpone(t, due, backend.DeliveryBackingOff), nil
		}
	}
	return nil, nil
}

var errStale = errors.New("the store shows an older version of the run than it has told of")

// adopt looks for stored deliveries of the task's receiver: its own row, whose attempts and due time count, or an earlier one, which
// goes first.
func (e *Engine) adopt(t *task) (*member, error) {
	held, err := e.b.Held(t.role.flow.ctx, t.key.RunID)
	if err != nil {
		return nil, err
	}
	now := t.role.flow.spec.Clock.Now()
	found := false
	for _, d := range held {
		if d.Receiver != t.key.Receiver {
			continue
		}
		found = found || d.Version == t.key.Version
		switch {
		case d.Version == t.key.Version && !t.stored:
			t.stored, t.attempts, t.firstAt, t.data = true, d.Attempts, d.FirstAt, d.Data
			if d.State == backend.DeliveryHeld {
				return e.parked(t, d), nil
			}
			if d.Due.After(now) && d.State != backend.DeliveryClaimed {
				return e.parked(t, d), nil
			}
		case d.Version < t.key.Version && t.kind == kindStep && startsLater(d, now) && t.rec != nil && d.Version >= t.rec.Meta.Visit:
			// Its visit had new versions before its time: by a pause and a resume, a signal, an operator.
			m := e.postpone(t, d.Due, backend.DeliveryTimer)
			m.change.Done = []backend.DeliveryKey{d.DeliveryKey}
			return m, nil
		case d.Version < t.key.Version && t.kind == kindStep:
			e.mu.Lock()
			t.role.flow.overtaken(d.DeliveryKey)
			e.mu.Unlock()
		case d.Version < t.key.Version && t.inOrder() && d.State != backend.DeliveryHeld:
			return e.postpone(t, latest(d.Due, now).Add(time.Millisecond), backend.DeliveryQueued), nil
		}
	}
	if t.stored && !found { // its effect is stored already, and the answer was lost
		return letGo(t), nil
	}
	if t.kind == kindStep && !found && t.rec != nil && t.rec.Meta.Visit == 1 {
		t.rec = nil // it may have waited for its start: who took that row away has moved the run on
	}
	return nil, nil
}

// latest is the later of two times.
func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// letGo ends a task and leaves the store as it is: its row, if it has one, stays.
func letGo(t *task) *member { return &member{task: t, kind: kindAdvance} }

// postpone gives a task a due row.
func (e *Engine) postpone(t *task, due time.Time, state backend.DeliveryState) *member {
	return &member{task: t, kind: kindHold, change: &backend.Change{Hold: []backend.Delivery{{
		DeliveryKey: t.key, WorkflowName: t.role.flow.spec.Name, Bucket: t.role.bucket,
		Attempts: t.attempts, FirstAt: t.firstAt, Due: due, State: state, Data: t.data,
	}}}}
}

// parked makes a task wait for the row that it already has.
func (e *Engine) parked(t *task, d backend.Delivery) *member {
	return &member{task: t, kind: kindHold, change: &backend.Change{Hold: []backend.Delivery{d}}}
}

// place finds what a stored delivery means for the run as it is now.
func (e *Engine) place(t *task) (*member, error) {
	spec := t.role.flow.spec
	switch t.kind {
	case kindStep:
		switch machine.Judge(t.rec, t.key.Version) {
		case machine.Deliver:
		case machine.Ahead: // the store shows an older version than it has told of
			t.rec = nil
			return nil, errStale
		default:
			return e.nothing(t), nil
		}
		h := spec.Steps[t.rec.Status]
		switch {
		case h == nil && !spec.knows(t.rec.Status):
			return e.strange(t)
		case h == nil:
			return e.keep(t), nil
		}
		t.handler = h
	case kindTimeout:
		n := timeoutIndex(t.key.Receiver)
		of := spec.Timeouts[t.rec.Status]
		switch {
		case machine.TimerIsVoid(t.rec, t.key.Version) || n < 0:
			return e.nothing(t), nil
		case t.rec.RunState == backend.RunStatePaused && t.heldTimer: // still: the resume gives it its time back
			return letGo(t), nil
		case t.rec.RunState == backend.RunStatePaused:
			// The resume gives it its time back. The due time is for a stop between the resume and this commit: it is read when the role
			// is taken next.
			return e.postpone(t, spec.Clock.Now().Add(heldAgain), backend.DeliveryHeld), nil
		case t.heldTimer: // resumed before it was held: its row has to say so before its handler runs
			t.heldTimer = false
			return e.postpone(t, spec.Clock.Now(), backend.DeliveryTimer), nil
		case n >= len(of) && !spec.knows(t.rec.Status): // the run is about to be paused, and its timer comes back with the resume
			return e.postpone(t, spec.Clock.Now().Add(heldAgain), backend.DeliveryHeld), nil
		case n >= len(of): // the program has dropped it
			return e.nothing(t), nil
		}
		t.handler = &of[n].Handler
	case kindSignal:
		return e.placeSignal(t)
	case kindDelete:
		if t.rec.RunState != backend.RunStateRequestedDataDeleted {
			return e.nothing(t), nil
		}
	case kindHook: // the hook is told of the run as of its event
		entries, err := e.b.History(t.role.flow.ctx, t.key.RunID, t.key.Version-1, 1)
		if err != nil {
			return nil, err
		}
		if len(entries) > 0 {
			t.rec = entries[0].Record
		}
	}
	return nil, nil
}

// keep leaves a step that this program lacks to one that has it: its row stays, due, and is read by whoever takes the role next.
func (e *Engine) keep(t *task) *member {
	m := letGo(t)
	if !t.stored {
		m.change = e.postpone(t, t.role.flow.spec.Clock.Now(), backend.DeliveryBackingOff).change
	}
	return m
}

// own does what the engine itself has to do: resume a run, set the timers of a visit, or give held timers their time back.
func (e *Engine) own(t *task) (*member, error) {
	spec := t.role.flow.spec
	now := spec.Clock.Now()
	switch t.kind {
	case kindRearm:
		return e.rearm(t, now)
	case kindDeadline:
		return e.expire(t, now), nil
	case kindTimers:
		if machine.TimerIsVoid(t.rec, t.key.Version) {
			return e.nothing(t), nil
		}
		if next, err := machine.Complete(t.rec, spec.Graph, now); err == nil { // who forced it there did not know that it is an end
			c := &backend.Change{Record: next}
			t.role.flow.timersOf(c, t.rec)
			return e.advance(t, c), nil
		}
		rows, err := t.role.flow.timers(t.rec, now)
		if err != nil {
			t.handler = &Handler{Policy: spec.Retry}
			if of := spec.Timeouts[t.rec.Status]; len(of) > 0 {
				t.handler.Policy = of[0].Policy
			}
			m := e.failed(t, err)
			return &m, nil
		}
		return &member{task: t, kind: kindAdvance, change: &backend.Change{Hold: rows, Done: []backend.DeliveryKey{t.key}}}, nil
	}
	if t.rec.Meta.Version != t.key.Version {
		return e.nothing(t), nil
	}
	next, err := machine.Resume(t.rec, backend.PausedByEngine, "", now)
	if err != nil {
		return e.nothing(t), nil
	}
	return e.advance(t, &backend.Change{Record: next}), nil
}

// rearm gives the timers that were held while the run was paused their due time back, and one to the earliest signal that the status
// accepts. It is guarded by the run's version: what it has seen waiting must not be brought back after it was done with.
func (e *Engine) rearm(t *task, now time.Time) (*member, error) {
	spec := t.role.flow.spec
	held, err := e.b.Held(t.role.flow.ctx, t.key.RunID)
	if err != nil {
		return nil, err
	}
	m := e.nothing(t)
	if !t.rec.RunState.Moving() {
		return m, nil
	}
	c := &backend.Change{Expect: t.rec.Meta.Version}
	for _, d := range held {
		if (timeoutIndex(d.Receiver) >= 0 || d.Receiver == ReceiverTimers) && d.State == backend.DeliveryHeld {
			d.State, d.Due = backend.DeliveryTimer, now
			c.Hold = append(c.Hold, d)
		}
	}
	if t.rec.Meta.Version == t.key.Version { // else the newer version's own entry sees to it
		if d, ok := armSignal(spec, t.rec, held, now); ok {
			c.Hold = append(c.Hold, d)
		}
	}
	if len(c.Hold) > 0 {
		m.change = c
	}
	return m, nil
}
