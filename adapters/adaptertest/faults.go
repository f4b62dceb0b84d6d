package adaptertest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"

	"github.com/stillwater-go/workflow/backend"
)

// ErrInjected is wrapped by every error that a [Faulty] makes up.
var ErrInjected = errors.New("injected fault")

// Method names a method of a [backend.Backend] that can be made to fail.
type Method string

// The methods.
const (
	MethodCommit      Method = "Commit"
	MethodReadLog     Method = "ReadLog"
	MethodHead        Method = "Head"
	MethodLookup      Method = "Lookup"
	MethodLatest      Method = "Latest"
	MethodList        Method = "List"
	MethodHistory     Method = "History"
	MethodAttempts    Method = "Attempts"
	MethodDue         Method = "Due"
	MethodHeld        Method = "Held"
	MethodLoadCursors Method = "LoadCursors"
	MethodSaveCursors Method = "SaveCursors"
	MethodJoin        Method = "Join"
	MethodFind        Method = "Find"
	MethodCount       Method = "Count"
	MethodListHeld    Method = "ListHeld"
	MethodErase       Method = "Erase"
	MethodEnded       Method = "Ended"
)

// Fault says how often, and how, a method fails. The zero value never does.
type Fault struct {
	// Before is the share of calls, from 0 to 1, that fail before anything is done.
	Before float64
	// After is the share of calls that do their work and then fail. A Commit that fails so says [backend.ErrOutcomeUnknown].
	After float64
	// Twice is the share of calls that do their work twice, as after a lost answer; the caller gets the first result. A
	// second Commit is made with changes of its own, so that what is versioned conflicts with itself.
	Twice float64
	// Delay is called before each call, outside of all locks; nil for none. Its error fails the call.
	Delay func(ctx context.Context) error
}

// Faulty is a [backend.Backend] that fails on purpose. What it does not break it hands to the Backend inside.
//
// It has the methods of every capability ([backend.Finder], [backend.HeldLister], [backend.Eraser], [backend.DueWatcher],
// [backend.Transactor]), whatever is inside. Where the Backend inside lacks one they fail with [backend.ErrUnsupported]; CheckTx with
// [backend.ErrTxUnsupported], and WatchDue never calls. So a test that wants to see what is done without a capability must hide the methods, by
// struct{ backend.Backend }.
//
// All methods may be called concurrently. With one caller at a time, the same seed and the same calls give the same faults.
type Faulty struct {
	inner backend.Backend
	slot  backend.Slot

	mu     sync.Mutex
	rng    *rand.Rand
	faults map[Method]Fault
	counts map[Method]int
}

var (
	_ backend.Backend    = (*Faulty)(nil)
	_ backend.Transactor = (*Faulty)(nil)
	_ backend.Finder     = (*Faulty)(nil)
	_ backend.HeldLister = (*Faulty)(nil)
	_ backend.Eraser     = (*Faulty)(nil)
	_ backend.DueWatcher = (*Faulty)(nil)
)

// NewFaulty wraps a Backend. Nothing fails until [Faulty.Set] is called.
func NewFaulty(inner backend.Backend, seed uint64) *Faulty {
	return &Faulty{
		inner: inner, rng: rand.New(rand.NewPCG(seed, seed^0x9e3779b97f4a7c15)),
		faults: make(map[Method]Fault), counts: make(map[Method]int),
	}
}

// Set makes a method fail from now on; the zero Fault heals it.
func (f *Faulty) Set(m Method, fault Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults[m] = fault
}

// Heal ends all faults.
func (f *Faulty) Heal() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.faults)
}

// Injected returns how many faults a method has had so far, duplicates included and delays not.
func (f *Faulty) Injected(m Method) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.counts[m]
}

// Unwrap returns the Backend inside. An oracle walks that one, which does not lie.
func (f *Faulty) Unwrap() backend.Backend { return f.inner }

// plan is what is to happen to one call.
type plan struct{ before, after, twice bool }

// draw decides what happens to a call of m, and lets its delay pass.
func (f *Faulty) draw(ctx context.Context, m Method) (plan, error) {
	f.mu.Lock()
	fault := f.faults[m]
	roll := func(share float64) bool { return f.rng.Float64() < share }
	p := plan{before: roll(fault.Before), after: roll(fault.After), twice: roll(fault.Twice)}
	if p.before || p.after || p.twice {
		f.counts[m]++
	}
	f.mu.Unlock()
	if fault.Delay != nil {
		if err := fault.Delay(ctx); err != nil {
			return plan{}, err
		}
	}
	if p.before {
		return plan{}, fmt.Errorf("%w before %s", ErrInjected, m)
	}
	return p, nil
}

// faulty calls one method that gives a value and an error.
func faulty[V any](ctx context.Context, f *Faulty, m Method, call func() (V, error)) (V, error) {
	var none V
	p, err := f.draw(ctx, m)
	if err != nil {
		return none, err
	}
	v, err := call()
	if p.twice {
		_, _ = call() // the answer to a repetition is lost
	}
	if err != nil {
		return none, err
	}
	if p.after {
		return none, fmt.Errorf("%w after %s", ErrInjected, m)
	}
	return v, nil
}

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
	return faulty(ctx, f, MethodReadLog, func() ([]backend.Entry, error) { return f.inner.ReadLog(ctx, after, limit) })
}

// Head returns the head of the log of the Backend inside.
func (f *Faulty) Head(ctx context.Context) (int64, error) {
	return faulty(ctx, f, MethodHead, func() (int64, error) { return f.inner.Head(ctx) })
}

// Watch watches the Backend inside; it never fails.
func (f *Faulty) Watch(changed func()) (stop func()) { return f.inner.Watch(changed) }

// Lookup looks a run up in the Backend inside.
func (f *Faulty) Lookup(ctx context.Context, runID string) (*backend.Record, error) {
	return faulty(ctx, f, MethodLookup, func() (*backend.Record, error) { return f.inner.Lookup(ctx, runID) })
}

// Latest looks a foreign id up in the Backend inside.
func (f *Faulty) Latest(ctx context.Context, workflowName, foreignID string) (*backend.Record, error) {
	return faulty(ctx, f, MethodLatest, func() (*backend.Record, error) { return f.inner.Latest(ctx, workflowName, foreignID) })
}

// List lists the runs of the Backend inside.
func (f *Faulty) List(ctx context.Context, workflowName string, offsetID int64, limit int, order backend.OrderType, filters ...backend.RecordFilter) ([]backend.Record, error) {
	return faulty(ctx, f, MethodList, func() ([]backend.Record, error) {
		return f.inner.List(ctx, workflowName, offsetID, limit, order, filters...)
	})
}

// History returns a run's history from the Backend inside.
func (f *Faulty) History(ctx context.Context, runID string, after uint, limit int) ([]backend.Entry, error) {
	return faulty(ctx, f, MethodHistory, func() ([]backend.Entry, error) { return f.inner.History(ctx, runID, after, limit) })
}

// Attempts returns a run's attempts from the Backend inside.
func (f *Faulty) Attempts(ctx context.Context, runID string, limit int) ([]backend.Attempt, error) {
	return faulty(ctx, f, MethodAttempts, func() ([]backend.Attempt, error) { return f.inner.Attempts(ctx, runID, limit) })
}

// Due returns due deliveries of the Backend inside.
func (f *Faulty) Due(ctx context.Context, workflowName string, after backend.DueMark, limit int) ([]backend.Delivery, error) {
	return faulty(ctx, f, MethodDue, func() ([]backend.Delivery, error) { return f.inner.Due(ctx, workflowName, after, limit) })
}

// Held returns a run's deliveries from the Backend inside.
func (f *Faulty) Held(ctx context.Context, runID string) ([]backend.Delivery, error) {
	return faulty(ctx, f, MethodHeld, func() ([]backend.Delivery, error) { return f.inner.Held(ctx, runID) })
}

// LoadCursors loads the cursors of the Backend inside.
func (f *Faulty) LoadCursors(ctx context.Context, workflowName string, buckets int) ([]int64, error) {
	return faulty(ctx, f, MethodLoadCursors, func() ([]int64, error) { return f.inner.LoadCursors(ctx, workflowName, buckets) })
}

// SaveCursors saves cursors in the Backend inside.
func (f *Faulty) SaveCursors(ctx context.Context, cursors []backend.Cursor) error {
	_, err := faulty(ctx, f, MethodSaveCursors, func() (struct{}, error) { return struct{}{}, f.inner.SaveCursors(ctx, cursors) })
	return err
}

// Join joins the contest of the Backend inside. It fails before it has joined, or not at all.
func (f *Faulty) Join(ctx context.Context, workflowName string, buckets int, granted func(backend.Grant)) (leave func(), err error) {
	if _, err := f.draw(ctx, MethodJoin); err != nil {
		return nil, err
	}
	return f.inner.Join(ctx, workflowName, buckets, granted)
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
