package backend

import (
	"context"
	"sync"
)

// Backend is one place in which runs live, with everything that the engine needs of it. The adapters memory and sqlite
// implement it; the engine's shim builds one from plain third-party parts.
//
// All methods may be called concurrently.
type Backend interface {
	Committer
	Log
	Runs
	Deliveries
	Cursors
	Roles

	// Slot keeps the one engine that serves this Backend in this process.
	Slot() *Slot
	// Close releases what the Backend holds. Stop the workflows first: a call after Close fails with ErrClosed.
	Close() error
}

// Committer writes changes.
type Committer interface {
	// Commit writes every change of the batch in one transaction, in order, and returns when they are durable.
	//
	// Each change is judged by itself: one that fails gets its Err ([ErrVersionConflict], [ErrWorkflowInProgress],
	// [ErrInvalidID], [ErrTooLarge], [*TxError], …) and leaves no trace, while the others are stored. The version check is
	// part of the write. Two changes of one run in a batch are applied one after the other.
	//
	// The returned error is not nil when the transaction as a whole failed; then nothing is stored and every Err is set
	// (wrapping [ErrOutcomeUnknown] where the answer to the commit itself was lost).
	//
	// Commit keeps the Records it is given; the caller must not change them afterwards.
	Commit(ctx context.Context, batch []*Change) error
}

// Log reads what was committed, in order.
type Log interface {
	// ReadLog returns at most limit entries with a position above after, in order. It never blocks for new ones.
	ReadLog(ctx context.Context, after int64, limit int) ([]Entry, error)
	// Head returns the position of the newest entry, zero in an empty log.
	Head(ctx context.Context) (int64, error)
	// Watch calls changed whenever entries may have become visible that did not come from a Commit on this very
	// Backend: another process's, or a plain Store. changed must return at once; calls do not overlap. The returned
	// function ends the watch and waits for a running call.
	Watch(changed func()) (stop func())
}

// Runs reads runs.
type Runs interface {
	// Lookup returns the run, or ErrRecordNotFound.
	Lookup(ctx context.Context, runID string) (*Record, error)
	// Latest returns the newest created run of the foreign id, or ErrRecordNotFound.
	Latest(ctx context.Context, workflowName, foreignID string) (*Record, error)
	// List pages through runs in the order of their creation; see RecordStore.List.
	List(ctx context.Context, workflowName string, offsetID int64, limit int, order OrderType, filters ...RecordFilter) ([]Record, error)
	// History returns the versions of a run above after, in order, at most limit. A backend that keeps only the present
	// version returns that one.
	History(ctx context.Context, runID string, after uint, limit int) ([]Entry, error)
	// Attempts returns the failed attempts kept of a run, and operators' orders to try again, oldest first; at most limit.
	Attempts(ctx context.Context, runID string, limit int) ([]Attempt, error)
}

// Deliveries reads what was held.
type Deliveries interface {
	// Due returns at most limit stored deliveries of the workflow that have a due time, past the mark, in the order of
	// (due, run id, receiver, version).
	Due(ctx context.Context, workflowName string, after DueMark, limit int) ([]Delivery, error)
	// Held returns the stored deliveries of a run.
	Held(ctx context.Context, runID string) ([]Delivery, error)
}

// Cursors keeps how far each role has come.
type Cursors interface {
	// LoadCursors returns one position per bucket. A role without a stored cursor stands just before the first event of its workflow.
	LoadCursors(ctx context.Context, workflowName string, buckets int) ([]int64, error)
	// SaveCursors moves cursors forward, all in one commit. A position behind the stored one is ignored.
	SaveCursors(ctx context.Context, cursors []Cursor) error
}

// Roles decides which process works on which runs.
type Roles interface {
	// Join enters the contest for the roles of a workflow and returns at once. granted is called, never concurrently, each
	// time this process gets roles. It goes on until leave is called, which gives back what is held; leave waits for a
	// running granted.
	//
	// When a process dies its roles go to another at once where an operating-system lock guards them, and within the
	// lease's time where they are leases.
	Join(ctx context.Context, workflowName string, buckets int, granted func(Grant)) (leave func(), err error)
}

// PromptCursors is implemented by backends that want every move of a cursor at once, because somebody waits for an
// acknowledgement. Others get them bundled, about once a second.
type PromptCursors interface {
	PromptCursors() bool
}

// Transactor is implemented by backends that run a user's function of the transaction inside the commit. Without it a
// transactional step fails with [ErrTxUnsupported].
type Transactor interface {
	// CheckTx reports whether fn is of a type that Commit can run.
	CheckTx(fn any) error
}

// Checker is implemented by stores that can prove their own soundness.
type Checker interface {
	// Check walks the store and reports every broken invariant. The error says that the walk itself failed.
	Check(ctx context.Context, report func(Violation)) error
}

// Violation is one broken invariant.
type Violation struct {
	// Invariant is its id, such as "I2".
	Invariant string
	RunID     string
	Detail    string
}

// String puts the parts in one line.
func (v Violation) String() string {
	if v.RunID == "" {
		return v.Invariant + ": " + v.Detail
	}
	return v.Invariant + ": run " + v.RunID + ": " + v.Detail
}

// Slot keeps the one engine that serves a Backend in a process, so that all workflows built on the same Backend share a
// dispatcher. The zero value is ready.
type Slot struct {
	mu    sync.Mutex
	value any
}

// Get returns what the slot keeps, making it on first use.
func (s *Slot) Get(make func() any) any {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.value == nil {
		s.value = make()
	}
	return s.value
}

// Transactional is the run that a step works on, as the typed helpers of the adapters see it.
type Transactional interface {
	// Transact hands over a function of the transaction that will run inside the step's commit. It returns ErrTxUnsupported where
	// the workflow's backend cannot run it, or where no attempt is under way.
	Transact(fn any) error
}
