package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stillwater-go/workflow/backend"
	"github.com/stillwater-go/workflow/internal/machine"
)

// maxRerun bounds how often an act calls its handler again because another commit came between.
const maxRerun = 16

// Act is work on a run in its caller's goroutine: a callback, or a signal whose run accepts it at once. It follows the rules of a step:
// recover, deadline, retry policy, version check.
type Act struct {
	// Find reads the run.
	Find func(ctx context.Context) (*backend.Record, error)
	// Accept gives the handler for the run as it is now, or says why there is none.
	Accept func(rec *backend.Record) (*Handler, error)
	// OneVisit says that the act is for the visit in which the run was found first, and for no later one.
	OneVisit bool
	// Receiver names the act where its failed attempts are kept.
	Receiver backend.Receiver
	Cause    backend.Cause
	Actor    string
	// SignalID is remembered with the act; see backend.Change.
	SignalID string
}

// Acted is what an act has led to.
type Acted struct {
	// Record is the run after the act: as stored, or as it was found where the act left it alone.
	Record *backend.Record
	// Moved says that the act made a new version.
	Moved bool
	// Attempts counts the attempts that failed.
	Attempts int
}

// ErrOvertaken says that the run has left the visit that an act was for.
var ErrOvertaken = fmt.Errorf("the run has moved on: %w", backend.ErrVersionConflict)

// Act acts. When another commit comes between, the run is read and judged again. The error is Find's, Accept's, ErrOvertaken, what the
// handler said last, or the store's; Acted holds the run as it was seen last, also with an error.
func (f *Flow) Act(ctx context.Context, act Act) (Acted, error) {
	var done Acted
	var first *backend.Record
	for conflicts := 0; ; {
		rec, err := act.Find(ctx)
		if err != nil {
			return done, err
		}
		done.Record = rec
		if first == nil {
			first = rec
		}
		if act.OneVisit && (rec.RunID != first.RunID || rec.Meta.Visit != first.Meta.Visit) {
			return done, ErrOvertaken
		}
		h, err := act.Accept(rec)
		if err != nil {
			return done, err
		}
		c, failed, err := f.tryAct(ctx, act, h, rec, done.Attempts+1)
		switch {
		case err == nil && c == nil:
			return done, nil
		case err == nil:
			done.Record, done.Moved = c.Record, true
			return done, nil
		case errors.Is(err, backend.ErrVersionConflict) && !failed:
			if conflicts++; conflicts >= maxRerun || !reread(ctx, conflicts-1) {
				return done, err
			}
			continue
		case !failed:
			return done, err
		}
		done.Attempts++
		if wait, again := f.actAgain(h, rec, act, done.Attempts, err); !again {
			return done, err
		} else if !f.sleep(ctx, wait) {
			return done, errors.Join(err, context.Cause(ctx))
		}
	}
}

// tryAct makes one attempt; failed says that it is the handler's failure, and not the store's. A nil change means that nothing had to be
// stored.
func (f *Flow) tryAct(ctx context.Context, act Act, h *Handler, rec *backend.Record, number int) (c *backend.Change, failed bool, err error) {
	a := &Attempt{Record: rec, Number: number, engine: f.engine}
	answer, err := f.callApart(ctx, h, a)
	if err != nil {
		return nil, !errors.Is(err, ErrStuckHandlers), err
	}
	if act.Cause == backend.CauseSignal {
		answer = heard(answer, rec)
	}
	next, err := machine.Advance(rec, f.spec.Graph, answer, f.spec.Clock.Now())
	if err != nil {
		return nil, true, &PermanentError{Err: err}
	}
	if next == nil {
		return nil, false, nil
	}
	c = &backend.Change{Record: next, From: machine.At(rec), Cause: act.Cause, Actor: act.Actor, SignalID: act.SignalID, Tx: a.Tx}
	f.timersOf(c, rec)
	err = f.engine.Commit(ctx, c)
	return c, isOwn(err), err
}

// actAgain keeps a failed attempt in the history and says whether, and after what, to try again.
func (f *Flow) actAgain(h *Handler, rec *backend.Record, act Act, attempts int, err error) (wait time.Duration, again bool) {
	failure := machine.Failure{Attempts: attempts}
	attempt := &backend.Attempt{
		RunID: rec.RunID, WorkflowName: f.spec.Name, Receiver: act.Receiver, Version: rec.Meta.Version,
		Number: attempts, At: f.spec.Clock.Now(), Error: backend.Cut(safeText(err)),
	}
	failure.Permanent, failure.After, attempt.Stack = classify(err)
	f.engine.submitAsync(&member{change: &backend.Change{Attempt: attempt}})
	if f.spec.Failed != nil {
		f.engine.later(func() { f.spec.Failed(err, string(act.Receiver), rec.RunID) })
		f.engine.say()
	}
	d := machine.Retry(h.Policy, failure, f.engine.chance(f.spec))
	return d.Wait, !d.GiveUp
}

// sleep waits by the workflow's clock; it reports false when ctx ended first.
func (f *Flow) sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	select {
	case <-ctx.Done():
		return false
	case <-f.spec.Clock.After(d):
		return true
	}
}

// callApart calls user code on a goroutine of its own, so that one that ignores the end of its context cannot keep the caller. It counts as
// abandoned until it returns.
func (f *Flow) callApart(ctx context.Context, h *Handler, a *Attempt) (machine.Answer, error) {
	type result struct {
		answer machine.Answer
		err    error
	}
	e := f.engine
	e.mu.Lock()
	full := e.abandoned >= maxAbandoned
	e.mu.Unlock()
	if full {
		return machine.Answer{}, ErrStuckHandlers
	}
	ctx, cancel := context.WithTimeoutCause(ctx, h.Deadline, ErrDeadline)
	defer cancel()
	out := make(chan result, 1)
	go func() {
		r := result{err: ErrGoexit}
		defer func() {
			if p := recover(); p != nil {
				r = result{err: newPanicError(p)}
			}
			out <- r
			if !a.taken.CompareAndSwap(false, true) {
				e.comeBack()
			}
		}()
		r.answer, r.err = h.Run(ctx, a)
	}()
	var r result
	select {
	case r = <-out:
	case <-ctx.Done():
		grace := time.NewTimer(abandonAfter)
		defer grace.Stop()
		select {
		case r = <-out:
		case <-grace.C:
			if !a.taken.CompareAndSwap(false, true) {
				r = <-out // it came back this very moment
				break
			}
			e.mu.Lock()
			e.abandoned++
			e.mu.Unlock()
			return machine.Answer{}, fmt.Errorf("%w, and its handler ignored the end of its context", context.Cause(ctx))
		}
	}
	if r.err != nil && errors.Is(context.Cause(ctx), ErrDeadline) {
		r.err = errors.Join(ErrDeadline, r.err)
	}
	return r.answer, r.err
}
