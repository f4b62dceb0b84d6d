package backend

import (
	"errors"
	"fmt"
	"strings"
)

// The sentinels that stores, streamers and the engine return, wrapped. Match them with errors.Is.
var (
	// ErrRecordNotFound says that no run has that run id, or none that foreign id.
	ErrRecordNotFound = errors.New("record not found")
	// ErrTimeoutNotFound says that no timeout has that id.
	ErrTimeoutNotFound = errors.New("timeout not found")
	// ErrWorkflowInProgress says that an unfinished run of that workflow and foreign id is in the way; as an
	// [InProgressError] it names that run.
	ErrWorkflowInProgress = errors.New("current workflow still in progress - retry once complete")
	// ErrOutboxRecordNotFound says that no outbox event has that id.
	ErrOutboxRecordNotFound = errors.New("outbox record not found")
	// ErrVersionConflict says that the run has moved since it was read: somebody else's commit won. Read it again.
	ErrVersionConflict = errors.New("version conflict")
	// ErrClosed says that the store, streamer, receiver or sender was closed.
	ErrClosed = errors.New("closed")
	// ErrInvalidID says that a workflow name, foreign id or run id is empty, too long, not UTF-8, or holds a NUL byte.
	ErrInvalidID = errors.New("invalid id")
	// ErrTooLarge says that an object or text exceeds the limit that the error names.
	ErrTooLarge = errors.New("too large")
	// ErrOutcomeUnknown says that a commit was started and its answer never came: it may or may not be stored. Read
	// the run to learn which.
	ErrOutcomeUnknown = errors.New("outcome unknown")
	// ErrDuplicateSignal says that the run has had a signal of that id.
	ErrDuplicateSignal = errors.New("duplicate signal")
	// ErrUnfinished says that a run cannot be erased because it has not ended.
	ErrUnfinished = errors.New("run is not finished")
	// ErrUnsupported says that the parts at hand cannot do what was asked; the text says which and why.
	ErrUnsupported = errors.New("not supported by these parts")
	// ErrTxUnsupported says that the backend cannot run a transactional step of that kind.
	ErrTxUnsupported = errors.New("transactional step not supported")
	// ErrNotOurs says that the file or database exists and is not a Stillwater store.
	ErrNotOurs = errors.New("not a stillwater store")
	// ErrNewerSchema says that a newer version of this library has migrated the store.
	ErrNewerSchema = errors.New("schema is newer than this library")
	// ErrUnsafeStore says that the store sits where it cannot be kept safely: a network file system, or a database
	// library with a known corruption bug.
	ErrUnsafeStore = errors.New("unsafe store")
	// ErrLocked says that another process held the store's write lock for too long.
	ErrLocked = errors.New("store is locked")
	// ErrReadOnly says that the store, or its folder, cannot be written.
	ErrReadOnly = errors.New("store is read-only")
	// ErrCorrupt says that the store's bytes are damaged.
	ErrCorrupt = errors.New("store is corrupt")
	// ErrFull says that the disk is full.
	ErrFull = errors.New("no space left for the store")
)

// InProgressError is an [ErrWorkflowInProgress] that names the run in the way.
type InProgressError struct {
	WorkflowName string
	ForeignID    string
	// RunID is the unfinished run; empty where the store could not tell.
	RunID string
}

// Error says which run is in the way.
func (e *InProgressError) Error() string {
	s := ErrWorkflowInProgress.Error() + ": workflow " + Quote(e.WorkflowName) + ", foreign id " + Quote(e.ForeignID)
	if e.RunID != "" {
		s += ", run " + e.RunID
	}
	return s
}

// Is makes errors.Is(err, ErrWorkflowInProgress) hold.
func (e *InProgressError) Is(target error) bool { return target == ErrWorkflowInProgress }

// ConflictError is an [ErrVersionConflict] that says which version was expected and which was found.
type ConflictError struct {
	RunID string
	// Want is the version that the change was made for.
	Want uint
	// Have is the version that the store holds; zero where the run does not exist or the store could not tell.
	Have uint
}

// Error says what was expected and what was found.
func (e *ConflictError) Error() string {
	return fmt.Sprintf("%v: run %s: change was made for version %d, store holds %d", ErrVersionConflict, e.RunID, e.Want, e.Have)
}

// Is makes errors.Is(err, ErrVersionConflict) hold.
func (e *ConflictError) Is(target error) bool { return target == ErrVersionConflict }

// Error adds to an error what was being done, to which run, and what the reader can do about it. Payloads never appear in it.
type Error struct {
	// Op is what was being done, such as "trigger" or "open".
	Op string
	// Workflow is the workflow's name; empty where the operation has none.
	Workflow string
	// RunID is the run; empty where the operation has none.
	RunID string
	// Err is what went wrong.
	Err error
	// Hint tells the reader what to do next; empty where there is nothing to say.
	Hint string
}

// Error joins the parts in one line.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	if e.Workflow != "" {
		b.WriteString(" " + Quote(e.Workflow))
	}
	if e.RunID != "" {
		b.WriteString(" run " + e.RunID)
	}
	b.WriteString(": ")
	if e.Err != nil {
		b.WriteString(e.Err.Error())
	}
	if e.Hint != "" {
		b.WriteString(" (" + e.Hint + ")")
	}
	return b.String()
}

// Unwrap returns what went wrong.
func (e *Error) Unwrap() error { return e.Err }

// maxQuoted bounds how much of a user's id an error text repeats.
const maxQuoted = 80

// Quote makes a user's id safe to show in one line: quoted, escaped, and cut.
func Quote(s string) string {
	if len(s) > maxQuoted {
		return fmt.Sprintf("%q… (%d bytes)", s[:maxQuoted], len(s))
	}
	return fmt.Sprintf("%q", s)
}
