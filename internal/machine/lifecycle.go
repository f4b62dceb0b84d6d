package machine

import (
	"time"

	"github.com/stillwater-go/workflow/backend"
)

// Pause stops a moving run until somebody resumes it.
func Pause(rec *backend.Record, by backend.PausedBy, reason string, now time.Time) (*backend.Record, error) {
	to := backend.Point{RunState: backend.RunStatePaused, Status: rec.Status}
	if !rec.RunState.Moving() {
		return nil, forbidden(rec, to, "only a run that is moving can be paused")
	}
	if by != backend.PausedByOperator && by != backend.PausedByEngine {
		return nil, forbidden(rec, to, "an operator or the engine has to pause it")
	}
	next := follow(rec, now)
	next.RunState = backend.RunStatePaused
	next.Meta.PausedBy = by
	next.Meta.RunStateReason = backend.Cut(reason)
	return next, nil
}

// Resume lets a paused run go on in its status, with fresh attempts. The engine (by = PausedByEngine) may only undo its own pauses.
// The reason is kept with the version that resumes.
func Resume(rec *backend.Record, by backend.PausedBy, reason string, now time.Time) (*backend.Record, error) {
	to := backend.Point{RunState: backend.RunStateRunning, Status: rec.Status}
	if rec.RunState != backend.RunStatePaused {
		return nil, forbidden(rec, to, "only a paused run can be resumed")
	}
	if by != backend.PausedByOperator && rec.Meta.PausedBy != backend.PausedByEngine {
		return nil, forbidden(rec, to, "the engine resumes only what the engine paused")
	}
	next := follow(rec, now)
	next.RunState = backend.RunStateRunning
	next.Meta.RunStateReason = backend.Cut(reason)
	return next, nil
}

// Override is where an operator, or a declared rename, puts a run against or beside the graph.
type Override struct {
	Status      int
	Description string
	// Object replaces the run's object; nil keeps it.
	Object []byte
	// Terminal says that nothing leads out of the status: the run completes there.
	Terminal bool
	Reason   string
}

// Force puts a run into a status, in a new visit, whatever the graph says, and lets it go on from there: also one that is paused,
// completed or cancelled. Only a run whose data is deleted, or about to be, stays as it is.
func Force(rec *backend.Record, o Override, now time.Time) (*backend.Record, error) {
	to := backend.Point{RunState: backend.RunStateRunning, Status: o.Status}
	if o.Terminal {
		to.RunState = backend.RunStateCompleted
	}
	switch rec.RunState {
	case backend.RunStateInitiated, backend.RunStateRunning, backend.RunStatePaused, backend.RunStateCompleted, backend.RunStateCancelled:
	default:
		return nil, forbidden(rec, to, "its data is deleted")
	}
	next := follow(rec, now)
	next.RunState, next.Status = to.RunState, o.Status
	next.Meta.StatusDescription = backend.Cut(o.Description)
	next.Meta.Visit = next.Meta.Version
	next.Meta.RunStateReason = backend.Cut(o.Reason)
	if o.Object != nil {
		next.Object = o.Object
	}
	if rec.RunState.Finished() { // its deadline was for the life that has ended
		next.Meta.Deadline = time.Time{}
	}
	return next, nil
}

// Complete ends a moving run that stands where nothing leads out of: whoever put it there did not know the graph.
func Complete(rec *backend.Record, g Graph, now time.Time) (*backend.Record, error) {
	to := backend.Point{RunState: backend.RunStateCompleted, Status: rec.Status}
	if !rec.RunState.Moving() {
		return nil, forbidden(rec, to, "only a run that is moving can be completed")
	}
	if !g.Terminal(rec.Status) {
		return nil, forbidden(rec, to, "the status is no end")
	}
	next := follow(rec, now)
	next.RunState = backend.RunStateCompleted
	next.Meta.RunStateReason = rec.Meta.RunStateReason // why it was put there stays to be read
	return next, nil
}

// Extend sets the time at which an unfinished run is cancelled if it has not ended; the zero time means never.
func Extend(rec *backend.Record, deadline time.Time, reason string, now time.Time) (*backend.Record, error) {
	if rec.RunState.Finished() || !rec.RunState.Valid() {
		return nil, forbidden(rec, At(rec), "only an unfinished run has a deadline")
	}
	next := follow(rec, now)
	next.Meta.Deadline = deadline
	next.Meta.PausedBy = rec.Meta.PausedBy
	next.Meta.RunStateReason = backend.Cut(reason)
	if rec.RunState == backend.RunStatePaused {
		next.Meta.RunStateReason = rec.Meta.RunStateReason // why it is paused stays to be read
	}
	return next, nil
}

// Edit replaces the object of an unfinished run, which stays where it is and as it is: in its visit, moving or paused.
func Edit(rec *backend.Record, object []byte, reason string, now time.Time) (*backend.Record, error) {
	if rec.RunState.Finished() || !rec.RunState.Valid() {
		return nil, forbidden(rec, At(rec), "only an unfinished run can be edited")
	}
	next := follow(rec, now)
	next.Object = object
	next.Meta.PausedBy = rec.Meta.PausedBy
	next.Meta.RunStateReason = backend.Cut(reason)
	if rec.RunState == backend.RunStatePaused {
		next.Meta.RunStateReason = rec.Meta.RunStateReason // why it is paused stays to be read
	}
	return next, nil
}

// Cancel ends a run for good.
func Cancel(rec *backend.Record, reason string, now time.Time) (*backend.Record, error) {
	to := backend.Point{RunState: backend.RunStateCancelled, Status: rec.Status}
	if rec.RunState.Finished() || !rec.RunState.Valid() {
		return nil, forbidden(rec, to, "only an unfinished run can be cancelled")
	}
	next := follow(rec, now)
	next.RunState = backend.RunStateCancelled
	next.Meta.RunStateReason = backend.Cut(reason)
	return next, nil
}

// RequestDelete asks for the data of an ended run to be scrubbed. It may be asked again after the data was deleted.
func RequestDelete(rec *backend.Record, reason string, now time.Time) (*backend.Record, error) {
	to := backend.Point{RunState: backend.RunStateRequestedDataDeleted, Status: rec.Status}
	switch rec.RunState {
	case backend.RunStateCompleted, backend.RunStateCancelled, backend.RunStateDataDeleted:
	default:
		return nil, forbidden(rec, to, "only a run that was completed or cancelled can have its data deleted")
	}
	next := follow(rec, now)
	next.RunState = backend.RunStateRequestedDataDeleted
	next.Meta.RunStateReason = backend.Cut(reason)
	return next, nil
}

// DeleteData is the run with its data scrubbed: object is what is left of it.
func DeleteData(rec *backend.Record, object []byte, now time.Time) (*backend.Record, error) {
	to := backend.Point{RunState: backend.RunStateDataDeleted, Status: rec.Status}
	if rec.RunState != backend.RunStateRequestedDataDeleted {
		return nil, forbidden(rec, to, "its deletion was not requested")
	}
	next := follow(rec, now)
	next.RunState = backend.RunStateDataDeleted
	next.Meta.RunStateReason = rec.Meta.RunStateReason
	next.Object = object
	return next, nil
}

// Verdict says what to do with an event of a run when it comes to a step.
type Verdict int

// The verdicts.
const (
	// Deliver: the event is of the present version and the run is moving.
	Deliver Verdict = iota
	// Superseded: the run has moved on; the event is done.
	Superseded
	// Stopped: the run is paused or has ended; the event is done, and a resume makes a new one.
	Stopped
	// Ahead: the event is of a version that the store does not show yet; look again.
	Ahead
)

// Judge compares an event of a version with the run as it is now.
func Judge(now *backend.Record, version uint) Verdict {
	switch {
	case now.Meta.Version > version:
		return Superseded
	case now.Meta.Version < version:
		return Ahead
	case !now.RunState.Moving():
		return Stopped
	default:
		return Deliver
	}
}

// TimerIsVoid reports whether a timer set in a visit has nothing to say any more: the run has left that visit, or ended.
// A timer of a paused run is not void; it waits for the resume.
func TimerIsVoid(now *backend.Record, visit uint) bool {
	return now.RunState.Finished() || now.Meta.Visit != visit
}

// maxTimer bounds how far in the future a timer may lie.
const maxTimer = 200 * 365 * 24 * time.Hour

// Timer judges the time that a user's TimerFunc returned: zero means no timer, the past means at once, and a time that no clock
// of ours will reach is ErrAbsurdTime.
func Timer(at, now time.Time) (due time.Time, set bool, err error) {
	switch {
	case at.IsZero():
		return time.Time{}, false, nil
	case at.Before(now):
		return now, true, nil
	case at.Sub(now) >= maxTimer:
		return time.Time{}, false, ErrAbsurdTime
	default:
		return at, true, nil
	}
}
