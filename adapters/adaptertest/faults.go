package adaptertest

import (
	"context"
	"fmt"

	"github.com/stillwater-go/workflow/backend"
)

// Faulty is a [backend.Backend] that fails on purpose. What it does not break it hands to the Backend inside.
//
// It has the methods of every capability ([backend.Finder], [backend.HeldLister], [backend.Eraser], [backend.DueWatcher], [backend.SignalReader],
// [backend.Transactor]), whatever is inside. Where the Backend inside lacks one they fail with [backend.ErrUnsupported]; CheckTx with
// [backend.ErrTxUnsupported], and WatchDue never calls. So a test that wants to see what is done without a capability must hide the methods, by
// struct{ backend.Backend }.
//
// All methods may be called concurrently. With one caller at a time, the same seed and the same calls give the same faults.
type Faulty struct {
	injector
	inner backend.Backend
	slot  backend.Slot
}

var (
	_ backend.Backend      = (*Faulty)(nil)
	_ backend.Transactor   = (*Faulty)(nil)
	_ backend.Finder       = (*Faulty)(nil)
	_ backend.HeldLister   = (*Faulty)(nil)
	_ backend.Eraser       = (*Faulty)(nil)
	_ backend.DueWatcher   = (*Faulty)(nil)
	_ backend.SignalReader = (*Faulty)(nil)
)

// NewFaulty wraps a Backend. Nothing fails until Set is called.
func NewFaulty(inner backend.Backend, seed uint64) *Faulty {
	return &Faulty{injector: newInjector(seed), inner: inner}
}

// Unwrap returns the Backend inside. An oracle walks that one, which does not lie.
func (f *Faulty) Unwrap() backend.Backend { return f.inner }

// Commit commits, or does not, or does and does not say so, or does so twice.
func (f *Faulty) Commit(ctx context.Context, batch []*backend.Change) error {
	p, err := f.draw(ctx, MethodCommit)
	if err != nil {
		return failAll(batch, err)
	}
	var again []*backend.Change
	if p.twice { // copied before the first commit: what that keeps is its own
		for _, c := range batch {
			again = append(again, &backend.Change{
				Record: c.Record.Clone(), From: c.From, Cause: c.Cause, Actor: c.Actor,
				Hold: c.Hold, Done: c.Done, Attempt: c.Attempt, Scrub: c.Scrub, Tx: c.Tx,
				Expect: c.Expect, SignalID: c.SignalID, Wake: c.Wake,
			})
		}
	}
	if err := f.inner.Commit(ctx, batch); err != nil {
		return err
	}
	if p.twice {
		_ = f.inner.Commit(ctx, again) // the answer to a repetition is lost
	}
	if p.after {
		return failAll(batch, fmt.Errorf("%w after %s: %w", ErrInjected, MethodCommit, backend.ErrOutcomeUnknown))
	}
	return nil
}

// failAll gives every change the error, as a transaction that failed as a whole does.
func failAll(batch []*backend.Change, err error) error {
	for _, c := range batch {
		c.Err, c.Pos = err, 0
	}
	return err
}

// ReadLog reads the log of the Backend inside.
func (f *Faulty) ReadLog(ctx context.Context, after int64, limit int) ([]backend.Entry, error) {
	return faulty(ctx, &f.injector, MethodReadLog, func() ([]backend.Entry, error) { return f.inner.ReadLog(ctx, after, limit) })
}

// Head returns the head of the log of the Backend inside.
func (f *Faulty) Head(ctx context.Context) (int64, error) {
	return faulty(ctx, &f.injector, MethodHead, func() (int64, error) { return f.inner.Head(ctx) })
}

// Watch watches the Backend inside; it never fails.
func (f *Faulty) Watch(changed func()) (stop func()) { return f.inner.Watch(changed) }

// Lookup looks a run up in the Backend inside.
func (f *Faulty) Lookup(ctx context.Context, runID string) (*backend.Record, error) {
	return faulty(ctx, &f.injector, MethodLookup, func() (*backend.Record, error) { return f.inner.Lookup(ctx, runID) })
}

// Latest looks a foreign id up in the Backend inside.
func (f *Faulty) Latest(ctx context.Context, workflowName, foreignID string) (*backend.Record, error) {
	return faulty(ctx, &f.injector, MethodLatest, func() (*backend.Record, error) { return f.inner.Latest(ctx, workflowName, foreignID) })
}

// List lists the runs of the Backend inside.
func (f *Faulty) List(ctx context.Context, workflowName string, offsetID int64, limit int, order backend.OrderType, filters ...backend.RecordFilter) ([]backend.Record, error) {
	return faulty(ctx, &f.injector, MethodList, func() ([]backend.Record, error) {
		return f.inner.List(ctx, workflowName, offsetID, limit, order, filters...)
	})
}

// History returns a run's history from the Backend inside.
func (f *Faulty) History(ctx context.Context, runID string, after uint, limit int) ([]backend.Entry, error) {
	return faulty(ctx, &f.injector, MethodHistory, func() ([]backend.Entry, error) { return f.inner.History(ctx, runID, after, limit) })
}

// Attempts returns a run's attempts from the Backend inside.
func (f *Faulty) Attempts(ctx context.Context, runID string, limit int) ([]backend.Attempt, error) {
	return faulty(ctx, &f.injector, MethodAttempts, func() ([]backend.Attempt, error) { return f.inner.Attempts(ctx, runID, limit) })
}

// Due returns due deliveries of the Backend inside.
func (f *Faulty) Due(ctx context.Context, workflowName string, after backend.DueMark, limit int) ([]backend.Delivery, error) {
	return faulty(ctx, &f.injector, MethodDue, func() ([]backend.Delivery, error) { return f.inner.Due(ctx, workflowName, after, limit) })
}

// Held returns a run's deliveries from the Backend inside.
func (f *Faulty) Held(ctx context.Context, runID string) ([]backend.Delivery, error) {
	return faulty(ctx, &f.injector, MethodHeld, func() ([]backend.Delivery, error) { return f.inner.Held(ctx, runID) })
}

// LoadCursors loads the cursors of the Backend inside.
func (f *Faulty) LoadCursors(ctx context.Context, workflowName string, buckets int) ([]int64, error) {
	return faulty(ctx, &f.injector, MethodLoadCursors, func() ([]int64, error) { return f.inner.LoadCursors(ctx, workflowName, buckets) })
}

// SaveCursors saves cursors in the Backend inside.
func (f *Faulty) SaveCursors(ctx context.Context, cursors []backend.Cursor) error {
	_, err := faulty(ctx, &f.injector, MethodSaveCursors, func() (struct{}, error) { return struct{}{}, f.inner.SaveCursors(ctx, cursors) })
	return err
}

// Join joins the contest of the Backend inside. It fails before it has joined, or not at all.
func (f *Faulty) Join(ctx context.Context, workflowName string, buckets int, granted func(backend.Grant)) (leave func(), err error) {
	if _, err := f.draw(ctx, MethodJoin); err != nil {
		return nil, err
	}
	return f.inner.Join(ctx, workflowName, buckets, granted)
}

// SignalSeen asks the Backend inside; one that is no SignalReader gives ErrUnsupported.
func (f *Faulty) SignalSeen(ctx context.Context, runID, signalID string) (bool, error) {
	r, ok := f.inner.(backend.SignalReader)
	if !ok {
		return false, fmt.Errorf("%w: %T is no signal reader", backend.ErrUnsupported, f.inner)
	}
	return faulty(ctx, &f.injector, MethodSignalSeen, func() (bool, error) { return r.SignalSeen(ctx, runID, signalID) })
}

// CheckTx asks the Backend inside; one that is no Transactor runs no function.
func (f *Faulty) CheckTx(fn any) error {
	if t, ok := f.inner.(backend.Transactor); ok {
		return t.CheckTx(fn)
	}
	return fmt.Errorf("%w: %T is no transactor", backend.ErrTxUnsupported, f.inner)
}

// Slot keeps the engine of this wrapper, which is another one than that of the Backend inside.
func (f *Faulty) Slot() *backend.Slot { return &f.slot }

// Close closes the Backend inside; it never fails on purpose.
func (f *Faulty) Close() error { return f.inner.Close() }
