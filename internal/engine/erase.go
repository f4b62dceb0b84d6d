package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/stillwater-go/workflow/backend"
)

// Erase removes a run for good, whatever version it has by now. Its errors match backend.ErrUnsupported where the backend cannot,
// ErrRecordNotFound, and ErrUnfinished. Whoever awaits the run in this process learns of it at once.
func (e *Engine) Erase(ctx context.Context, o Operation) error {
	eraser, ok := e.b.(backend.Eraser)
	if !ok {
		return fmt.Errorf("%w: the backend removes no runs", backend.ErrUnsupported)
	}
	for try := 0; ; try++ {
		rec, err := e.find(ctx, o)
		if err != nil {
			return err
		}
		if !rec.RunState.Finished() {
			return fmt.Errorf("%w: it is %v", backend.ErrUnfinished, rec.RunState)
		}
		x := &backend.Erasure{RunID: o.RunID, Version: rec.Meta.Version}
		if err = eraser.Erase(ctx, []*backend.Erasure{x}); err == nil {
			err = x.Err
		}
		if err == nil {
			e.Erased(o.RunID)
		}
		if !errors.Is(err, backend.ErrVersionConflict) || !reread(ctx, try) {
			return err
		}
	}
}

// Erased tells those who await the runs that they are gone: an erasure makes no entry. It is called after every erasure of this process.
func (e *Engine) Erased(runIDs ...string) {
	e.waitMu.Lock()
	defer e.waitMu.Unlock()
	for _, id := range runIDs {
		for _, w := range e.waiters[id] {
			w.mu.Lock()
			w.lost = true // it reads again, and finds nothing
			w.mu.Unlock()
			w.poke()
		}
	}
}
