package engine

import (
	"context"
	"sync"
	"time"

	"github.com/stillwater-go/workflow/backend"
)

// waiter is one that awaits a run. Records come in the order of their commits, as far as this process sees them.
type waiter struct {
	mu   sync.Mutex
	recs []*backend.Record
	lost bool // more came than were kept
	// told is the newest version that came while all before it had come too; zero where that is not known, and then every one wakes.
	told  uint
	wants func(rec *backend.Record) bool
	room  [4]*backend.Record
	wake  chan struct{}
	tick  *time.Timer // of who looks by itself, too; the caller's own
}

func newWaiter(wants func(*backend.Record) bool) *waiter {
	w := &waiter{wake: make(chan struct{}, 1), wants: wants}
	w.recs = w.room[:0] // mostly all that it needs
	return w
}

// eraseCheck is how often one who awaits a run looks whether another process has erased it, which nothing tells of.
const eraseCheck = 10 * time.Second

// maxUnseen bounds what a waiter keeps; beyond, it reads the history again.
const maxUnseen = 64

// tell hands a new version to those who await its run; e.mu is held.
func (e *Engine) tell(rec *backend.Record) {
	e.waitMu.Lock()
	defer e.waitMu.Unlock()
	for _, w := range e.waiters[rec.RunID] {
		if w.hear(rec) {
			w.poke()
		}
	}
}

// hear keeps a version for the one who waits, and reports whether to wake it: each wake-up on the way to what it waits for takes the
// processor from the run itself.
func (w *waiter) hear(rec *backend.Record) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.recs) < maxUnseen {
		w.recs = append(w.recs, rec)
	} else {
		w.lost = true
	}
	if v := rec.Meta.Version; w.told == 0 || v != w.told+1 {
		if v > w.told {
			w.told = 0
		}
		return true
	}
	w.told++
	return len(w.recs) == maxUnseen || w.wants(rec)
}

// poke wakes the one who waits.
func (w *waiter) poke() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// See is shown a version of a run. present says that it was the newest when it was read: what a run has ended as, an operator may have undone in
// a later one. It reports whether it has seen enough.
type See func(en backend.Entry, present bool) (enough bool, err error)

// Follow shows see every version of a run, oldest first, each once, until see says that it has seen enough or ctx ends. It begins with what
// is stored and goes on with what is committed, without a receiver and without polling; poll, where positive, is how often it
// also looks by itself, for stores that tell nothing of other processes' commits. A backend without history shows the
// present version only. A run that is erased meanwhile is backend.ErrRecordNotFound: at once where this process erases it, within eraseCheck
// where another one does. A run whose first version this process has in hand is not read at all, and what see is shown of it may wait until a
// version comes that wants says yes to; wants must be quick, and wait for nothing.
func (e *Engine) Follow(ctx context.Context, workflowName, runID string, poll time.Duration, wants func(*backend.Record) bool, see See) error {
	seen := uint(0)
	if !e.inUse() { // most likely nothing will come any more: look before making ready to wait
		if enough, err := e.showStored(ctx, runID, &seen, see); enough || err != nil {
			return err
		}
	}
	if err := e.enter(ctx); err != nil {
		return err
	}
	defer e.leave()
	if _, erases := e.b.(backend.Eraser); erases && poll <= 0 {
		poll = e.eraseCheck
	}
	w := newWaiter(wants)
	if poll > 0 {
		w.tick = time.NewTimer(poll)
		defer w.tick.Stop()
	}
	first := e.register(workflowName, runID, w)
	defer e.unregister(runID, w)
	var enough bool
	var err error
	if first != nil && seen == 0 {
		seen = 1
		enough, err = see(backend.Entry{Record: first}, true)
	} else {
		enough, err = e.showStored(ctx, runID, &seen, see)
	}
	if enough || err != nil {
		return err
	}
	return e.follow(ctx, runID, poll, seen, w, see)
}

// follow shows what comes behind the version seen.
func (e *Engine) follow(ctx context.Context, runID string, poll time.Duration, seen uint, w *waiter, see See) error {
	var spare []*backend.Record
	for {
		for gap := false; !gap; {
			timeUp, err := w.sleep(ctx, poll)
			if err != nil {
				return err
			}
			recs, lost := w.take(spare)
			spare = recs
			gap = timeUp || lost
			for i, rec := range recs {
				switch {
				case rec.Meta.Version == seen+1:
					seen++
					if enough, err := see(backend.Entry{Record: rec}, i == len(recs)-1); enough || err != nil {
						return err
					}
				case rec.Meta.Version > seen:
					gap = true
				}
			}
		}
		if enough, err := e.showStored(ctx, runID, &seen, see); enough || err != nil {
			return err
		}
	}
}

// sleep waits until something may have happened; timeUp says that nobody said so.
func (w *waiter) sleep(ctx context.Context, poll time.Duration) (timeUp bool, err error) {
	var tick <-chan time.Time
	if poll > 0 {
		tick = w.tick.C // it runs on while versions come: to look too early does no harm
	}
	select {
	case <-ctx.Done():
		return false, ctx.Err()
	case <-w.wake:
		return false, nil
	case <-tick:
		w.tick.Reset(poll)
		return true, nil
	}
}

// showStored shows what is stored past seen. Where there is nothing, it makes sure that the run is still there.
func (e *Engine) showStored(ctx context.Context, runID string, seen *uint, see See) (bool, error) {
	var last *backend.Entry // shown when it is known whether another one follows
	show := func(present bool) (bool, error) {
		if last == nil {
			return false, nil
		}
		en := *last
		last = nil
		return see(en, present)
	}
	first := *seen
	for {
		entries, err := e.b.History(ctx, runID, *seen, readChunk)
		if err != nil {
			return false, err
		}
		for i := range entries {
			if enough, err := show(false); enough || err != nil {
				return enough, err
			}
			last = &entries[i]
			*seen = last.Record.Meta.Version
		}
		if len(entries) < readChunk {
			break
		}
	}
	if *seen == first {
		_, err := e.b.Lookup(ctx, runID)
		return false, err
	}
	return show(true)
}

// take empties the waiter, which goes on in the memory of spare; lost says that some records were not kept.
func (w *waiter) take(spare []*backend.Record) (recs []*backend.Record, lost bool) {
	clear(spare)
	w.mu.Lock()
	defer w.mu.Unlock()
	recs, lost = w.recs, w.lost
	w.recs, w.lost = spare[:0], false
	return recs, lost
}

// register makes w hear of what is committed from now on. It returns the run's first version where that is the newest that this process
// knows of: the run's step is in hand.
func (e *Engine) register(workflowName, runID string, w *waiter) *backend.Record {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.waitMu.Lock()
	e.waiters[runID] = append(e.waiters[runID], w)
	e.waitMu.Unlock()
	rt := e.routes[workflowName]
	if rt == nil {
		return nil
	}
	r := rt.roles[backend.BucketOf(runID, rt.buckets)]
	if r == nil || r.gone {
		return nil
	}
	t := r.steps[runID]
	if t == nil || t.key.Version != 1 || t.overtaken || t.next != nil || t.event == nil {
		return nil
	}
	w.told = 1
	return t.event
}

// inUse reports whether the engine's goroutines run.
func (e *Engine) inUse() bool {
	return e.users.Load() > 0
}

func (e *Engine) unregister(runID string, w *waiter) {
	e.waitMu.Lock()
	defer e.waitMu.Unlock()
	ws := e.waiters[runID]
	for i := range ws {
		if ws[i] == w {
			ws = append(ws[:i], ws[i+1:]...)
			break
		}
	}
	if len(ws) == 0 {
		delete(e.waiters, runID)
	} else {
		e.waiters[runID] = ws
	}
}
