package backend

import (
	"context"
	"time"
)

// The capabilities below are found by assertion. Our own backends have them all; each says what the engine does without it.

// Finder reads runs in pages that stay right while runs come and go. Without it the engine pages by List and filters by itself, which
// may skip or repeat a run that is created or erased meanwhile.
type Finder interface {
	// Find returns at most q.Limit runs that match, in the order of their creation, past q.After.
	Find(ctx context.Context, q Query) ([]Found, error)
	// Count counts the runs that match, by status and run state, in the order of (status, run state). An empty workflow name counts
	// those of all workflows.
	Count(ctx context.Context, workflowName string, filters ...RecordFilter) ([]Count, error)
}

// Query says which runs to find.
type Query struct {
	// WorkflowName narrows to one workflow; empty means all.
	WorkflowName string
	// After is the Key of the last run of the page before; zero begins at the oldest run, descending at the newest.
	After int64
	// Order is descending for the newest first; anything else is ascending.
	Order OrderType
	// Limit bounds the page; zero or less finds nothing.
	Limit   int
	Filters []RecordFilter
}

// Found is a run on a page.
type Found struct {
	// Key is the run's place in the order of creation: positive, unique in its store, for good the same, and never that of another
	// run, not even after the run is erased.
	Key    int64
	Record *Record
}

// Count is how many runs are in a status and run state.
type Count struct {
	Status   int
	RunState RunState
	Runs     int64
}

// HeldLister lists what was given up. Without it such deliveries are found run by run, through Held.
type HeldLister interface {
	// ListHeld returns at most limit deliveries of the workflow that are given up (state [DeliveryHeld], no due time), past the key,
	// in the order of (run id, receiver, version).
	ListHeld(ctx context.Context, workflowName string, after DeliveryKey, limit int) ([]Delivery, error)
}

// Eraser removes runs for good. Without it a run's data can be scrubbed, but the run stays, and retention is refused.
type Eraser interface {
	// Erase removes runs with everything about them: record, history, log entries, deliveries, attempts, remembered signal ids, outbox
	// events. Each is judged by itself, in order: Err is nil where the run is gone, [ErrRecordNotFound] (also for one named a second
	// time), [ErrVersionConflict] where it has another version, else [ErrUnfinished] where it has not ended. All that are erased are
	// erased in one transaction, durable on return; the returned error says that nothing was, and is every Err then. Positions of the
	// log stay empty, and Head does not go back. Foreign id and run id are free again.
	Erase(ctx context.Context, runs []*Erasure) error
	// Ended returns finished runs of the workflow whose last version was made before the time, oldest version first, from a
	// bounded stretch of what is stored that begins at the mark of the page before (zero: the beginning).
	Ended(ctx context.Context, workflowName string, mark int64, before time.Time) (EndedPage, error)
}

// Erasure names a run to erase.
type Erasure struct {
	RunID string
	// Version is the one that the run must have.
	Version uint
	// Err is set by Erase.
	Err error
}

// EndedPage is what Ended found in one stretch.
type EndedPage struct {
	Runs []*Record
	// Mark is where the next stretch begins; zero when there is nothing before the time beyond this one.
	Mark int64
	// Next is the time of the oldest version that Ended stopped at because it is not before the time; zero where there is none, or
	// where Mark is not zero. Nothing becomes due for erasure before it does.
	Next time.Time
}

// DueWatcher tells of due deliveries that other processes stored without a log entry (see Change.Wake). Without it the engine takes it
// that there are none, as where one process has the data to itself.
type DueWatcher interface {
	// WatchDue calls changed whenever a change with Wake may have become visible that did not come from a Commit on this very
	// Backend. changed must return at once; calls do not overlap. The returned function ends the watch and waits for a running call.
	WatchDue(changed func()) (stop func())
}

// VolatileDeliveries is implemented by backends that may lose stored deliveries, so that what has to last is refused there instead of
// promised. Without it deliveries are as durable as runs.
type VolatileDeliveries interface {
	VolatileDeliveries() bool
}

// SignalReader says which signals a run has had. Without it signals with an id are refused.
type SignalReader interface {
	// SignalSeen reports whether the run remembers the signal id; see Change.SignalID. A run that does not exist remembers none.
	SignalSeen(ctx context.Context, runID, signalID string) (bool, error)
}
