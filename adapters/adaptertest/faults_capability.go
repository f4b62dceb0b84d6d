package adaptertest

import (
	"context"
	"fmt"
	"time"

	"github.com/stillwater-go/workflow/backend"
)

// lacking is what a method fails with whose capability the Backend inside lacks.
func (f *Faulty) lacking(capability string) error {
	return fmt.Errorf("%w: %T is no %s", backend.ErrUnsupported, f.inner, capability)
}

// Find finds runs in the Backend inside.
func (f *Faulty) Find(ctx context.Context, q backend.Query) ([]backend.Found, error) {
	inner, ok := f.inner.(backend.Finder)
	if !ok {
		return nil, f.lacking("Finder")
	}
	return faulty(ctx, &f.injector, MethodFind, func() ([]backend.Found, error) { return inner.Find(ctx, q) })
}

// Count counts the runs of the Backend inside.
func (f *Faulty) Count(ctx context.Context, workflowName string, filters ...backend.RecordFilter) ([]backend.Count, error) {
	inner, ok := f.inner.(backend.Finder)
	if !ok {
		return nil, f.lacking("Finder")
	}
	return faulty(ctx, &f.injector, MethodCount, func() ([]backend.Count, error) { return inner.Count(ctx, workflowName, filters...) })
}

// ListHeld lists what was given up in the Backend inside.
func (f *Faulty) ListHeld(ctx context.Context, workflowName string, after backend.DeliveryKey, limit int) ([]backend.Delivery, error) {
	inner, ok := f.inner.(backend.HeldLister)
	if !ok {
		return nil, f.lacking("HeldLister")
	}
	return faulty(ctx, &f.injector, MethodListHeld, func() ([]backend.Delivery, error) { return inner.ListHeld(ctx, workflowName, after, limit) })
}

// Erase erases runs in the Backend inside, or does not, or does and does not say so, or does so twice: a second time they are not found,
// which the caller is not told.
func (f *Faulty) Erase(ctx context.Context, runs []*backend.Erasure) error {
	inner, ok := f.inner.(backend.Eraser)
	if !ok {
		return failErasures(runs, f.lacking("Eraser"))
	}
	p, err := f.draw(ctx, MethodErase)
	if err != nil {
		return failErasures(runs, err)
	}
	if err := inner.Erase(ctx, runs); err != nil {
		return err
	}
	if p.twice {
		var again []*backend.Erasure
		for _, x := range runs {
			again = append(again, &backend.Erasure{RunID: x.RunID, Version: x.Version})
		}
		_ = inner.Erase(ctx, again) // the answer to a repetition is lost
	}
	if p.after {
		return failErasures(runs, fmt.Errorf("%w after %s: %w", ErrInjected, MethodErase, backend.ErrOutcomeUnknown))
	}
	return nil
}

// failErasures gives every run the error, as a transaction that failed as a whole does.
func failErasures(runs []*backend.Erasure, err error) error {
	for _, x := range runs {
		x.Err = err
	}
	return err
}

// Ended returns ended runs of the Backend inside.
func (f *Faulty) Ended(ctx context.Context, workflowName string, mark int64, before time.Time) (backend.EndedPage, error) {
	inner, ok := f.inner.(backend.Eraser)
	if !ok {
		return backend.EndedPage{}, f.lacking("Eraser")
	}
	return faulty(ctx, &f.injector, MethodEnded, func() (backend.EndedPage, error) { return inner.Ended(ctx, workflowName, mark, before) })
}

// WatchDue watches the Backend inside; it never fails. Over one that is no DueWatcher there is nothing to tell of.
func (f *Faulty) WatchDue(changed func()) (stop func()) {
	if inner, ok := f.inner.(backend.DueWatcher); ok {
		return inner.WatchDue(changed)
	}
	return func() {}
}
