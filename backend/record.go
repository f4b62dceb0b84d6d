package backend

import (
	"strconv"
	"time"
)

// Record is a run as it is stored. A Record that was handed to or came from a Backend is immutable: whoever wants to
// change one works on a [Record.Clone].
type Record struct {
	// WorkflowName is the name that the workflow was built with.
	WorkflowName string
	// ForeignID is the user's own key for what the run is about, such as an order number.
	ForeignID string
	// RunID identifies this one execution; it is unique in its store.
	RunID string
	// RunState is the engine's lifecycle of the run.
	RunState RunState
	// Status is the user's own status, as an integer.
	Status int
	// Object is the user's value, encoded.
	Object []byte
	// CreatedAt is when the run was triggered, by the workflow's clock.
	CreatedAt time.Time
	// UpdatedAt is when this version was made, by the workflow's clock.
	UpdatedAt time.Time
	// Meta holds what the engine keeps about the run.
	Meta Meta
}

// Meta is what the engine keeps about a run beside the user's own value.
type Meta struct {
	// RunStateReason says why the run is in its RunState: the operator's words, or the error that made the engine pause it.
	RunStateReason string
	// StatusDescription is the String() of the status, kept so that a reader without the user's code can show it.
	StatusDescription string
	// Version counts the commits of the run: 1, 2, 3, … Zero marks a record that is outside the version rule
	// (imports, hand edits, tests).
	Version uint
	// TraceOrigin says where in the user's code the run was triggered.
	TraceOrigin string
	// Visit is the version that entered the present status. A save-and-repeat makes a new version of the same visit;
	// coming back to a status starts a new one. Zero where a plain third-party store did not keep it.
	Visit uint
	// PausedBy tells an operator's pause from one of the engine. It is set while the run is paused.
	PausedBy PausedBy
	// Deadline is when the run is cancelled if it has not ended by then; the zero time means never. Lost where a plain
	// third-party store does not keep it.
	Deadline time.Time
}

// PausedBy says who paused a run. The zero value means that the run is not paused, or that the store did not keep it.
type PausedBy int

const (
	// PausedByNobody is the zero value.
	PausedByNobody PausedBy = 0
	// PausedByOperator marks a pause asked for by a person or by the user's own code. The engine never undoes it.
	PausedByOperator PausedBy = 1
	// PausedByEngine marks a pause after the last attempt. Auto-resume may undo it.
	PausedByEngine PausedBy = 2
)

// String returns "nobody", "operator" or "engine".
func (p PausedBy) String() string {
	switch p {
	case PausedByNobody:
		return "nobody"
	case PausedByOperator:
		return "operator"
	case PausedByEngine:
		return "engine"
	default:
		return "PausedBy(" + strconv.Itoa(int(p)) + ")"
	}
}

// Clone returns a deep copy that shares nothing with r. A nil record clones to nil.
func (r *Record) Clone() *Record {
	if r == nil {
		return nil
	}
	c := *r
	if r.Object != nil {
		c.Object = append(make([]byte, 0, len(r.Object)), r.Object...)
	}
	return &c
}

// RunState is the engine's lifecycle of a run; the user's own statuses live in Record.Status.
type RunState int

// The run states. Their numbers are stored and never change.
const (
	RunStateUnknown              RunState = 0
	RunStateInitiated            RunState = 1
	RunStateRunning              RunState = 2
	RunStatePaused               RunState = 3
	RunStateCancelled            RunState = 4
	RunStateCompleted            RunState = 5
	RunStateDataDeleted          RunState = 6
	RunStateRequestedDataDeleted RunState = 7
)

// String returns the state's name, such as "Running".
func (rs RunState) String() string {
	switch rs {
	case RunStateUnknown:
		return "Unknown"
	case RunStateInitiated:
		return "Initiated"
	case RunStateRunning:
		return "Running"
	case RunStatePaused:
		return "Paused"
	case RunStateCancelled:
		return "Cancelled"
	case RunStateCompleted:
		return "Completed"
	case RunStateDataDeleted:
		return "DataDeleted"
	case RunStateRequestedDataDeleted:
		return "RequestedDataDeleted"
	default:
		return "RunState(" + strconv.Itoa(int(rs)) + ")"
	}
}

// Valid reports whether rs is one of the declared states other than unknown.
func (rs RunState) Valid() bool {
	return rs > RunStateUnknown && rs <= RunStateRequestedDataDeleted
}

// Finished reports whether a run in this state has ended: it takes no further step and frees its foreign id.
func (rs RunState) Finished() bool {
	switch rs {
	case RunStateCompleted, RunStateCancelled, RunStateRequestedDataDeleted, RunStateDataDeleted:
		return true
	default:
		return false
	}
}

// Stopped reports whether steps, callbacks and timeouts must leave a run in this state alone, although it may not have
// reached its end.
func (rs RunState) Stopped() bool {
	switch rs {
	case RunStatePaused, RunStateCancelled, RunStateRequestedDataDeleted, RunStateDataDeleted:
		return true
	default:
		return false
	}
}

// Moving reports whether the engine takes a run in this state further by itself.
func (rs RunState) Moving() bool {
	return rs == RunStateInitiated || rs == RunStateRunning
}
