package machine

import (
	"time"

	"github.com/stillwater-go/workflow/backend"
)

// Graph is what the rules need to know of a workflow's statuses.
type Graph interface {
	// Declared reports whether a move between the two statuses was declared.
	Declared(from, to int) bool
	// Terminal reports whether nothing leads out of the status.
	Terminal(status int) bool
}

// Verb is what user code wants to happen to its run.
type Verb int

// The verbs.
const (
	// Proceed moves the run to Answer.Status.
	Proceed Verb = iota
	// Skip leaves the run as it is: no version, no event. The delivery is done.
	Skip
	// Repeat saves the object as a new version of the same visit, and the status's step runs again.
	Repeat
	// PauseRun saves the object and pauses the run, on behalf of the operator.
	PauseRun
	// CancelRun saves the object and cancels the run.
	CancelRun
)

// Answer is what user code said about its run when it succeeded.
type Answer struct {
	Verb Verb
	// Status is where to proceed to, with its Description.
	Status      int
	Description string
	// Object is the user's value as the code left it, encoded.
	Object []byte
	// Reason is said with PauseRun and CancelRun.
	Reason string
}

// At returns the record's place.
func At(rec *backend.Record) backend.Point {
	if rec == nil {
		return backend.Point{}
	}
	return backend.Point{RunState: rec.RunState, Status: rec.Status}
}

// Start is version 1 of a new run. A run that starts in a terminal status is complete at once.
func Start(rec backend.Record, g Graph, now time.Time) *backend.Record {
	rec.RunState = backend.RunStateInitiated
	if g.Terminal(rec.Status) {
		rec.RunState = backend.RunStateCompleted
	}
	rec.CreatedAt, rec.UpdatedAt = now, now
	rec.Meta.Version, rec.Meta.Visit = 1, 1
	rec.Meta.PausedBy, rec.Meta.RunStateReason = backend.PausedByNobody, ""
	return &rec
}

// Advance is what a run becomes by the answer of user code that worked on rec. A nil record with a nil error means that nothing
// changes. The errors are *TransitionError: an undeclared status, or a run that is paused or has ended.
func Advance(rec *backend.Record, g Graph, a Answer, now time.Time) (*backend.Record, error) {
	to := backend.Point{RunState: backend.RunStateRunning, Status: a.Status}
	if !rec.RunState.Moving() {
		return nil, forbidden(rec, to, "the run is not moving")
	}
	switch a.Verb {
	case Skip:
		return nil, nil
	case Repeat:
		next := follow(rec, now)
		next.RunState = backend.RunStateRunning
		next.Object = a.Object
		return next, nil
	case PauseRun:
		next, err := Pause(rec, backend.PausedByOperator, a.Reason, now)
		if err == nil {
			next.Object = a.Object
		}
		return next, err
	case CancelRun:
		next, err := Cancel(rec, a.Reason, now)
		if err == nil {
			next.Object = a.Object
		}
		return next, err
	case Proceed:
		if !g.Declared(rec.Status, a.Status) {
			return nil, forbidden(rec, to, "the status was not declared as a destination")
		}
		next := follow(rec, now)
		next.RunState = backend.RunStateRunning
		if g.Terminal(a.Status) {
			next.RunState = backend.RunStateCompleted
		}
		next.Status = a.Status
		next.Meta.StatusDescription = a.Description
		next.Meta.Visit = next.Meta.Version // also when it came back to the same status: a new visit
		next.Object = a.Object
		return next, nil
	default:
		return nil, forbidden(rec, to, "unknown verb")
	}
}

// follow is the version after rec, as it stands.
func follow(rec *backend.Record, now time.Time) *backend.Record {
	next := *rec
	next.Meta.Version++
	next.Meta.RunStateReason = ""
	next.Meta.PausedBy = backend.PausedByNobody
	next.UpdatedAt = now
	return &next
}
