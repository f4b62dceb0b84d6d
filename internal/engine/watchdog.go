package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/stillwater-go/workflow/backend"
)

// watchdog looks after what takes long: attempts past a second or their deadline, handlers that ignore their end, changes that the
// store did not take, cursors that moved. It uses real time. With nothing to watch it is parked.
func (e *Engine) watchdog(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-e.watch:
		}
		for {
			if !pause(ctx, e.untilNextLook()) {
				return
			}
			if !e.look() {
				break
			}
		}
	}
}

// armWatchdog starts the watch if it is not running; e.mu is held.
func (e *Engine) armWatchdog() {
	if !e.watching {
		e.watching = true
		select {
		case e.watch <- struct{}{}:
		default:
		}
	}
}

// untilNextLook is the usual interval, or less where a deadline is nearer.
func (e *Engine) untilNextLook() time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	d, now := watchEvery, time.Now()
	for t := e.running.head; t != nil; t = t.nextRun {
		if t.ended == nil && t.attempt != nil && t.phase.Load() == phaseRunning {
			d = min(d, max(t.deadline.Sub(now), time.Millisecond))
		}
	}
	return d
}

// look does one round; it reports whether another is needed.
func (e *Engine) look() bool {
	var members []*member
	e.mu.Lock()
	now := time.Now()
	for t := e.running.head; t != nil; {
		next := t.nextRun
		if m := e.lookAt(t, now); m != nil {
			members = append(members, m)
		}
		t = next
	}
	members = append(members, e.stalled...)
	e.stalled = nil
	for _, t := range e.unread {
		if t.overtaken && t.kind == kindStep {
			t.role.drop(t)
			continue
		}
		t.role.push(t)
	}
	e.unread = nil
	if len(e.stale) > 0 {
		members = append(members, &member{change: &backend.Change{Done: e.stale}})
		e.stale = nil
	}
	e.kick(false)
	cursors := e.movedCursors(now, false)
	again := e.running.n > 0 || len(members) > 0 || e.unsaved()
	e.watching = again
	e.mu.Unlock()
	for _, m := range members {
		if m.change.Err != nil {
			m.change.Err = nil
		}
		e.submitAsync(m)
	}
	e.saveCursors(cursors)
	e.say()
	return again
}

// lookAt judges one attempt in work; e.mu is held.
func (e *Engine) lookAt(t *task, now time.Time) *member {
	if t.phase.Load() != phaseRunning || t.attempt == nil {
		return nil // not in the hands of user code
	}
	switch {
	case t.ended == nil && now.After(t.deadline):
		e.end(t, ErrDeadline)
	case t.ended != nil && now.Sub(t.endedAt) > abandonAfter:
		if t.attempt == nil || !t.attempt.taken.CompareAndSwap(false, true) {
			return nil
		}
		e.abandoned++ // its goroutine is lost until the handler returns; work goes on without it
		e.workers--
		t.role.flow.logError(&backend.Error{Op: "attempt " + string(t.key.Receiver), Workflow: t.role.flow.spec.Name, RunID: t.key.RunID, Err: t.ended,
			Hint: fmt.Sprintf("the handler ignores its context; %d such handlers, at %d nothing new starts", e.abandoned, maxAbandoned)})
		t.phase.Store(phaseCommitting)
		switch t.ended {
		case ErrDeadline:
			m := e.failed(t, fmt.Errorf("%w, and its handler ignored the end of its context", ErrDeadline))
			return &m
		case ErrSuperseded:
			if m := e.nothing(t); m.change != nil {
				return m
			}
			e.finish(t)
		default:
			e.finishUnsafe(t)
		}
	case t.claim == claimNone && t.ended == nil && now.Sub(t.started) > claimAfter && e.claims < maxClaims:
		e.submitAsync(e.claimOf(t, now)) // still under the lock: the attempt's own change must come behind it
	}
	return nil
}

// claimOf makes the due row of a long attempt.
func (e *Engine) claimOf(t *task, now time.Time) *member {
	t.claim, t.rowAsked = claimAsked, true
	if e.claims++; e.claims == maxClaims {
		e.logError(&backend.Error{Op: "claim", Err: fmt.Errorf("%d handlers run for long", maxClaims), Hint: "further slow handlers keep their slots, and their roles stop receiving"})
	}
	return &member{task: t, kind: kindClaim, change: claimChange(t, now)}
}

// claimChange stores how long a claim is good for.
func claimChange(t *task, now time.Time) *backend.Change {
	clock := t.role.flow.spec.Clock.Now()
	first := t.firstAt
	if first.IsZero() {
		first = clock
	}
	return &backend.Change{Hold: []backend.Delivery{{
		DeliveryKey: t.key, WorkflowName: t.role.flow.spec.Name, Bucket: t.role.bucket, Attempts: t.attempts, FirstAt: first,
		State: backend.DeliveryClaimed, Due: clock.Add(t.deadline.Sub(now)), Data: t.data,
	}}}
}

// claimed frees the slot of an attempt whose claim is stored; e.mu is held.
func (e *Engine) claimed(t *task) {
	if t.claim != claimAsked || t.phase.Load() == phaseGone {
		return // it ended meanwhile; its own change, behind this one, deletes the row
	}
	t.claim = claimHeld
	t.role.freeSlot(t)
	t.role.release(t)
	if t.kind != kindStep {
		t.role.storeFollowers(t)
	}
}

// end ends an attempt's context; e.mu is held.
func (e *Engine) end(t *task, cause error) {
	if t.ended != nil {
		return
	}
	t.ended, t.endedAt = cause, time.Now()
	if t.cancel != nil {
		t.cancel(cause)
	}
	e.armWatchdog()
}

// heartbeat moves an attempt's deadline on.
func (e *Engine) heartbeat(ctx context.Context, a *Attempt) error {
	t := a.task
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	e.mu.Lock()
	if t.attempt != a { // it was given up, and the next one is under way
		e.mu.Unlock()
		return ErrDeadline
	}
	if t.ended != nil || t.phase.Load() != phaseRunning {
		err := t.ended
		e.mu.Unlock()
		if err == nil {
			err = ErrStopped
		}
		return err
	}
	now := time.Now()
	t.deadline = now.Add(t.handler.Deadline)
	var m *member
	if t.claim == claimHeld {
		m = &member{change: claimChange(t, now), done: make(chan struct{})}
		e.submitAsync(m) // still under the lock: the attempt's own change must come behind it
	}
	e.mu.Unlock()
	if m == nil {
		return nil
	}
	if err := e.await(ctx, m); err != nil {
		return err
	}
	return m.change.Err
}

// unsaved reports whether cursors wait to be stored; e.mu is held.
func (e *Engine) unsaved() bool {
	for _, rt := range e.routes {
		for _, r := range rt.roles {
			if r != nil && r.dirty {
				return true
			}
		}
	}
	return false
}

// movedCursors collects the cursors to store; e.mu is held. Those of roles that received nothing are stored now and then only, to bound
// what is read again after a crash.
func (e *Engine) movedCursors(now time.Time, all bool) []backend.Cursor {
	if !all && now.Sub(e.lastFlush) < flushEvery {
		return nil
	}
	e.lastFlush = now
	var out []backend.Cursor
	for _, rt := range e.routes {
		for _, r := range rt.roles {
			if r == nil || (!all && !r.dirty && e.pos-r.saved < 20000) {
				continue
			}
			out = r.moved(out)
		}
	}
	return out
}

// moved appends the role's cursor if it has moved.
func (r *role) moved(out []backend.Cursor) []backend.Cursor {
	low := r.low()
	if _, unsafe := r.window.low(); !unsafe {
		r.dirty = false
	}
	if low <= r.saved {
		return out
	}
	r.saved = low
	return append(out, backend.Cursor{WorkflowName: r.flow.spec.Name, Bucket: r.bucket, Pos: low})
}

// promptCursors collects moved cursors for a backend that wants them at once; e.mu is held.
func (e *Engine) promptCursors() []backend.Cursor {
	if !e.prompt {
		return nil
	}
	var out []backend.Cursor
	for _, rt := range e.routes {
		for _, r := range rt.roles {
			if r != nil && r.dirty {
				out = r.moved(out)
			}
		}
	}
	return out
}

// saveCursors stores cursors. A failure is no loss: the entries come again.
func (e *Engine) saveCursors(cursors []backend.Cursor) {
	if len(cursors) == 0 {
		return
	}
	if err := e.b.SaveCursors(e.commitCtx, cursors); err != nil {
		e.storeFailing(err)
		e.mu.Lock()
		for _, c := range cursors {
			if rt := e.routes[c.WorkflowName]; rt != nil && rt.roles[c.Bucket] != nil {
				rt.roles[c.Bucket].dirty = true
				rt.roles[c.Bucket].saved = 0
			}
		}
		e.armWatchdog()
		e.mu.Unlock()
	}
}
