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
	wake chan struct{}
}

// maxUnseen bounds what a waiter keeps; beyond, it reads the history again.
const maxUnseen = 64

// tell hands a new version to those who await its run; e.mu is held.
func (e *Engine) tell(rec *backend.Record) {
	if len(e.waiters) == 0 {
		return
	}
	for _, w := range e.waiters[rec.RunID] {
		w.mu.Lock()
		if len(w.recs) < maxUnseen {
			w.recs = append(w.recs, rec)
		} else {
			w.lost = true
		}
		w.mu.Unlock()
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
}

// Follow shows see every version of a run, oldest first, each once, until see says that it has seen enough or ctx ends. It begins with what
// is stored and goes on with what is committed, without a receiver and without polling; poll, where positive, is how often it
// also looks by itself, for stores that tell nothing of other processes' commits. A backend without history shows the
// present version only.
func (e *Engine) Follow(ctx context.Context, runID string, poll time.Duration, see func(*backend.Record) (enough bool, err error)) error {
	if err := e.enter(ctx); err != nil {
		return err
	}
	defer e.leave()
	w := &waiter{wake: make(chan struct{}, 1)}
	e.register(runID, w)
	defer e.unregister(runID, w)
	seen := uint(0)
	for {
		enough, err := e.showStored(ctx, runID, &seen, see)
		if enough || err != nil {
			return err
		}
		for gap := false; !gap; {
			var tick <-chan time.Time
			var timer *time.Timer
			if poll > 0 {
				timer = time.NewTimer(poll)
				tick = timer.C
			}
			select {
			case <-ctx.Done():
				err = ctx.Err()
			case <-w.wake:
			case <-tick:
				gap = true
			}
			if timer != nil {
				timer.Stop()
			}
			if err != nil {
				return err
			}
			recs, lost := w.take()
			gap = gap || lost
			for _, rec := range recs {
				switch {
				case rec.Meta.Version == seen+1:
					seen++
					if enough, err := see(rec); enough || err != nil {
						return err
					}
				case rec.Meta.Version > seen:
					gap = true
				}
			}
		}
	}
}

// showStored shows what is stored past seen.
func (e *Engine) showStored(ctx context.Context, runID string, seen *uint, see func(*backend.Record) (bool, error)) (bool, error) {
	for {
		entries, err := e.b.History(ctx, runID, *seen, readChunk)
		if err != nil {
			return false, err
		}
		for _, en := range entries {
			*seen = en.Record.Meta.Version
			if enough, err := see(en.Record); enough || err != nil {
				return enough, err
			}
		}
		if len(entries) < readChunk {
			return false, nil
		}
	}
}

// take empties the waiter; lost says that some records were not kept.
func (w *waiter) take() (recs []*backend.Record, lost bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	recs, lost = w.recs, w.lost
	w.recs, w.lost = nil, false
	return recs, lost
}

func (e *Engine) register(runID string, w *waiter) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.waiters[runID] = append(e.waiters[runID], w)
}

func (e *Engine) unregister(runID string, w *waiter) {
	e.mu.Lock()
	defer e.mu.Unlock()
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
