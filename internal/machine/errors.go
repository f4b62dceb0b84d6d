package machine

import (
	"errors"
	"fmt"

	"github.com/stillwater-go/workflow/backend"
)

// The reasons why a run may not change as asked.
var (
	// ErrInvalidTransition says that the rules forbid the move.
	ErrInvalidTransition = errors.New("invalid transition")
	// ErrFinished says that the run has ended.
	ErrFinished = errors.New("run has finished")
	// ErrPaused says that the run is paused.
	ErrPaused = errors.New("run is paused")
	// ErrAbsurdTime says that a timer lies further away than any real one.
	ErrAbsurdTime = errors.New("time is out of range")
)

// TransitionError says which move was forbidden.
type TransitionError struct {
	From backend.Point
	To   backend.Point
	// Why says what is wrong with it, in words.
	Why string
	// State is ErrFinished or ErrPaused where the run's state forbids the move; nil otherwise.
	State error
}

// Error names both ends of the move.
func (e *TransitionError) Error() string {
	return fmt.Sprintf("%v: from status %d (%v) to status %d (%v): %s",
		ErrInvalidTransition, e.From.Status, e.From.RunState, e.To.Status, e.To.RunState, e.Why)
}

// Is makes errors.Is hold for ErrInvalidTransition and for the state that forbids the move.
func (e *TransitionError) Is(target error) bool {
	return target == ErrInvalidTransition || (e.State != nil && target == e.State)
}

// forbidden makes the error of a move out of rec.
func forbidden(rec *backend.Record, to backend.Point, why string) error {
	e := &TransitionError{From: At(rec), To: to, Why: why}
	switch {
	case rec.RunState.Finished():
		e.State = ErrFinished
	case rec.RunState == backend.RunStatePaused:
		e.State = ErrPaused
	}
	return e
}
