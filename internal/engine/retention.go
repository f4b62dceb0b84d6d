package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/stillwater-go/workflow/backend"
	"github.com/stillwater-go/workflow/internal/machine"
)

// Retention says when finished runs are erased.
type Retention struct {
	// After is how long after its last version a finished run is kept.
	After time.Duration
	// CleanUp is called before a run is erased; its Run nil for nothing to do. A run whose clean-up fails is kept and tried again.
	CleanUp Handler
}

// The bounds of the retention duty.
const (
	eraseBatch     = 100         // runs erased in one commit
	retentionAgain = time.Minute // the soonest that what could not be erased is tried again; a hundredth of After where that is longer
)

// retain is the duty that erases runs whose time is up: of the roles that this process holds, in small batches, and asleep until the next
// run's time. It runs while the flow does.
func (f *Flow) retain(ctx context.Context, eraser backend.Eraser) {
	for {
		wait, err := f.retainOnce(ctx, eraser)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			f.logError(&backend.Error{Op: "erase finished runs", Workflow: f.spec.Name, Err: err, Hint: "tried again by itself"})
			f.engine.say()
		}
		if !f.sleep(ctx, wait) {
			return
		}
	}
}

// retainOnce erases what is due and says how long nothing will be.
func (f *Flow) retainOnce(ctx context.Context, eraser backend.Eraser) (wait time.Duration, err error) {
	r := f.spec.Retention
	again := max(retentionAgain, r.After/100)
	now := f.spec.Clock.Now()
	kept := 0
	var failed error
	for mark := int64(0); ; {
		page, err := eraser.Ended(ctx, f.spec.Name, mark, now.Add(-r.After))
		if err != nil {
			return again, err
		}
		var batch []*backend.Erasure
		for _, rec := range page.Runs {
			ready, err := f.readyToErase(ctx, rec)
			if err != nil {
				failed = err
			}
			if !ready {
				kept++
				continue
			}
			if batch = append(batch, &backend.Erasure{RunID: rec.RunID, Version: rec.Meta.Version}); len(batch) == eraseBatch {
				if err := f.engine.eraseAll(ctx, eraser, batch); err != nil {
					return again, err
				}
				batch = nil
			}
		}
		if err := f.engine.eraseAll(ctx, eraser, batch); err != nil {
			return again, err
		}
		if mark = page.Mark; mark != 0 {
			continue
		}
		switch {
		case kept > 0 || failed != nil:
			return again, failed
		case page.Next.IsZero():
			return r.After, nil // what ends from now on is due no sooner
		}
		return max(page.Next.Add(r.After).Sub(now), time.Millisecond), nil
	}
}

// readyToErase reports whether nothing is to be done for the run any more, after its clean-up. A run of a role that another process holds
// is that one's to erase.
func (f *Flow) readyToErase(ctx context.Context, rec *backend.Record) (bool, error) {
	if !f.atRest(rec.RunID) {
		return false, nil
	}
	held, err := f.engine.b.Held(ctx, rec.RunID)
	if err != nil {
		return false, err
	}
	for _, d := range held {
		if d.State != backend.DeliveryHeld && (d.Receiver == backend.ReceiverDelete || f.tells(d.Receiver)) {
			return false, nil // a hook has yet to be told
		}
	}
	if f.spec.Retention.CleanUp.Run == nil {
		return true, nil
	}
	if err := f.cleanUp(ctx, rec); err != nil {
		return false, fmt.Errorf("clean up after run %s: %w", rec.RunID, err)
	}
	return true, nil
}

// tells reports whether the receiver is a hook that this program has: one that it has dropped keeps no run.
func (f *Flow) tells(r backend.Receiver) bool {
	return slices.ContainsFunc(f.spec.Hooks, func(h *Hook) bool { return h.Receiver() == r })
}

// cleanUp calls the clean-up of a run, unless the last one hangs still: it is tried again for ever, and must not add up.
func (f *Flow) cleanUp(ctx context.Context, rec *backend.Record) error {
	if _, hangs := f.cleaning.LoadOrStore(rec.RunID, nil); hangs {
		return errors.New("the last one ignores the end of its context, and has not returned")
	}
	h := f.spec.Retention.CleanUp
	h.Run = func(ctx context.Context, a *Attempt) (machine.Answer, error) {
		defer f.cleaning.Delete(rec.RunID)
		return f.spec.Retention.CleanUp.Run(ctx, a)
	}
	_, err := f.callApart(ctx, &h, &Attempt{Record: rec, Number: 1, engine: f.engine})
	if errors.Is(err, ErrStuckHandlers) {
		f.cleaning.Delete(rec.RunID) // it was not called
	}
	return err
}

// atRest reports whether this process holds the run's role, has received all that it may have to tell of the run, and has nothing of it
// in hand.
func (f *Flow) atRest(runID string) bool {
	f.engine.mu.Lock()
	defer f.engine.mu.Unlock()
	r := f.roleOf(runID)
	if r == nil || r.lagging || f.engine.behind || r.steps[runID] != nil {
		return false
	}
	for k := range r.lanes {
		if k.run == runID {
			return false
		}
	}
	return true
}

// eraseAll erases runs for good. What was erased, or has moved or gone meanwhile, is settled; the error joins what else was refused.
func (e *Engine) eraseAll(ctx context.Context, eraser backend.Eraser, batch []*backend.Erasure) error {
	if len(batch) == 0 {
		return nil
	}
	if err := eraser.Erase(ctx, batch); err != nil {
		return err
	}
	var refused []error
	for _, x := range batch {
		switch {
		case x.Err == nil:
			e.Erased(x.RunID)
		case !errors.Is(x.Err, backend.ErrVersionConflict) && !errors.Is(x.Err, backend.ErrRecordNotFound):
			refused = append(refused, x.Err)
		}
	}
	return errors.Join(refused...)
}
