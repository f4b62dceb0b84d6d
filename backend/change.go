package backend

import (
	"context"
	"strings"
	"time"
)

// Change is one atomic alteration: of a run (a new version with its log entry), of deliveries, or of both. Everything in
// it is committed together or not at all.
//
// The engine makes it from the rules, a [Committer] fills in the results. A Change is used once.
type Change struct {
	// Record is the run as it will be stored, with Meta.Version one above the version that it replaces (1 for a new
	// run). Nil where only deliveries change.
	Record *Record
	// From is where the run came from; the zero Point for a new run.
	From Point
	// Cause says what made the change.
	Cause Cause
	// Actor names who asked for it, where somebody did.
	Actor string

	// Hold writes deliveries: new ones, or new attempts and due times of existing ones (same key).
	Hold []Delivery
	// Done removes deliveries. A key that is not there is no error.
	Done []DeliveryKey
	// Attempt is a failed attempt, kept in the history beside the versions.
	Attempt *Attempt
	// Scrub deletes the run's data: the object in every earlier version is replaced by the one in Record, the reasons of earlier
	// versions, the errors and stacks of attempts, and the errors and data of deliveries are emptied, deliveries of signals and
	// remembered signal ids are removed. What is left says that the run was there, and when it moved where. What the change itself
	// brings (Hold, Attempt, SignalID) is written after that, as it is. Without a Record it does nothing.
	Scrub bool
	// Expect, where it is not zero, is the version that the run must have now; another one refuses the change with
	// [ErrVersionConflict] (as [*ConflictError]), and a run that does not exist with [ErrRecordNotFound]. It guards a change without a
	// Record. One with a Record is guarded by its version.
	Expect uint
	// SignalID, where it is not empty, is remembered for the run, as long as the run is kept. A change with an id that the run knows
	// already is refused with [ErrDuplicateSignal], wrapped with the run id; a run that neither exists nor comes into being with the
	// change refuses it with [ErrRecordNotFound]. A change that is refused leaves its id unknown.
	SignalID string
	// Wake says that whoever holds the run's role must look at the due deliveries although no log entry tells of them: the change
	// was made by an outsider, such as an operator. See [DueWatcher].
	Wake bool
	// Tx is the user's function of the transaction, of the type that the backend documents; nil for none. It runs inside the
	// commit, under a savepoint and a deadline. Its failure fails this change alone, as [*TxError].
	Tx any

	// Pos is set by Commit: the position of the log entry, where Record was stored.
	Pos int64
	// Err is set by Commit: nil when this change is stored.
	Err error
}

// RunID returns the run that the change is about.
func (c *Change) RunID() string {
	switch {
	case c.Record != nil:
		return c.Record.RunID
	case len(c.Hold) > 0:
		return c.Hold[0].RunID
	case len(c.Done) > 0:
		return c.Done[0].RunID
	case c.Attempt != nil:
		return c.Attempt.RunID
	}
	return ""
}

// TxError is the failure of a user's function of the transaction.
type TxError struct{ Err error }

// Error returns the function's own words.
func (e *TxError) Error() string { return "transactional step: " + e.Err.Error() }

// Unwrap returns the function's error.
func (e *TxError) Unwrap() error { return e.Err }

// Point is a place in a run's life.
type Point struct {
	RunState RunState
	Status   int
}

// Cause says what made a version. The numbers are stored and never change.
type Cause int

// The causes.
const (
	CauseUnknown  Cause = 0
	CauseTrigger  Cause = 1
	CauseStep     Cause = 2
	CauseCallback Cause = 3
	CauseTimeout  Cause = 4
	CauseOperator Cause = 5
	CauseEngine   Cause = 6
	CauseStore    Cause = 7 // a plain RecordStore.Store
	CauseSignal   Cause = 8
)

// String returns the cause's name in lower case.
func (c Cause) String() string {
	names := [...]string{"unknown", "trigger", "step", "callback", "timeout", "operator", "engine", "store", "signal"}
	if c >= 0 && int(c) < len(names) {
		return names[c]
	}
	return "unknown"
}

// Entry is one line of the log: the run as of one version, and where it came from. The log is delivery, history and audit at once.
type Entry struct {
	// Pos is the entry's place in the log; positions grow, and may have gaps.
	Pos int64
	// Record is the run as of this version. It is immutable.
	Record *Record
	From   Point
	Cause  Cause
	Actor  string

	// Current says that this was the run's present version when the entry was read. ReadLog sets it, so that nobody
	// starts on a version that has been overtaken; History need not.
	Current bool
	// Held says that the run had stored deliveries when the entry was read. ReadLog sets it; true without any is no
	// error, only slower.
	Held bool
	// Trimmed says that the object of this version is no longer kept: the run has had so many versions since.
	Trimmed bool
}

// Receiver names who a delivery is for: one per (run, receiver, version).
type Receiver string

// The receivers. Hooks add the run state, timeouts their index.
const (
	ReceiverStep   Receiver = "step"
	ReceiverResume Receiver = "resume"
	ReceiverDelete Receiver = "delete"
	// ReceiverDeadline ends a run whose time is up; its version is 1.
	ReceiverDeadline Receiver = "deadline"
)

// SignalPrefix begins the receiver of every delivery of a signal. Such a delivery's Version is a number that grows with the signals'
// arrival, and has nothing to do with the run's versions.
const SignalPrefix = "signal:"

// IsSignal reports whether the receiver is one of signals.
func (r Receiver) IsSignal() bool { return strings.HasPrefix(string(r), SignalPrefix) }

// DeliveryKey identifies a delivery.
type DeliveryKey struct {
	RunID    string
	Receiver Receiver
	// Version is the version of the event; for a timeout the visit that it belongs to.
	Version uint
}

// Delivery is an event on its way to a receiver, once it needs more than memory: it failed and backs off, it runs long and
// was claimed, it waits behind another, or it is a timer. Attempts and due time live here, not in the run.
type Delivery struct {
	DeliveryKey
	WorkflowName string
	// Bucket is the role's bucket that the run belongs to.
	Bucket int
	// Attempts counts the attempts made so far.
	Attempts int
	// Due is when it is to be delivered next; for a claim the attempt's deadline.
	Due time.Time
	// State says what it waits for.
	State DeliveryState
	// LastError is the last attempt's error, cut to [MaxTextBytes].
	LastError string
	// FirstAt is when the first attempt was made.
	FirstAt time.Time
	// Data is the receiver's own, such as a timeout's name.
	Data []byte
}

// DeliveryState says what a stored delivery waits for. The numbers are stored and never change.
type DeliveryState int

// The states of a stored delivery.
const (
	// DeliveryBackingOff waits for its due time after a failed attempt.
	DeliveryBackingOff DeliveryState = 1
	// DeliveryClaimed has an attempt running; due is that attempt's deadline.
	DeliveryClaimed DeliveryState = 2
	// DeliveryQueued waits behind an earlier delivery of the same run and receiver.
	DeliveryQueued DeliveryState = 3
	// DeliveryTimer waits for its time and has never been attempted.
	DeliveryTimer DeliveryState = 4
	// DeliveryHeld is given up after its last attempt and waits for an operator; it has no due time.
	DeliveryHeld DeliveryState = 5
)

// String returns the state's name.
func (s DeliveryState) String() string {
	names := [...]string{"unknown", "backing off", "claimed", "queued", "timer", "held"}
	if s >= 0 && int(s) < len(names) {
		return names[s]
	}
	return "unknown"
}

// Attempt is one failed try at a delivery, as the history keeps it; or an operator's order to try what waits at once, where Number is 0.
type Attempt struct {
	RunID        string
	WorkflowName string
	Receiver     Receiver
	Version      uint
	// Number is 1 for the first attempt of the delivery. It is 0 for an order: Actor gave it, and Error is what was said about it.
	Number int
	At     time.Time
	Took   time.Duration
	// Error is the failure's text, Stack the goroutine's stack where it was a panic; both cut to [MaxTextBytes].
	Error string
	Stack string
	Actor string
}

// Cursor is how far a role has come: every entry of its workflow and bucket at or before Pos is done, or its delivery is stored.
type Cursor struct {
	WorkflowName string
	Bucket       int
	Pos          int64
}

// DueMark is a place in the order of due deliveries; the zero value is before the first.
type DueMark struct {
	Due time.Time
	Key DeliveryKey
}

// Grant says that this process holds roles of a workflow.
type Grant struct {
	// Buckets are those granted.
	Buckets []int
	// Epoch grows with every grant of a role; backends whose roles are leases check it in Commit.
	Epoch int64
	// Context ends when the roles are lost.
	Context context.Context
}
