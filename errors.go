package workflow

import (
	"errors"
	"fmt"
	"time"

	"github.com/stillwater-go/workflow/backend"
	"github.com/stillwater-go/workflow/internal/engine"
	"github.com/stillwater-go/workflow/internal/machine"
)

// The errors of this package. They come wrapped: match them with errors.Is.
var (
	// ErrRecordNotFound says that no run has that run id, or none that foreign id.
	ErrRecordNotFound = backend.ErrRecordNotFound
	// ErrTimeoutNotFound says that no timeout has that id.
	ErrTimeoutNotFound = backend.ErrTimeoutNotFound
	// ErrWorkflowInProgress says that an unfinished run of the foreign id is in the way; as an [InProgressError] it names it.
	ErrWorkflowInProgress = backend.ErrWorkflowInProgress
	// ErrOutboxRecordNotFound says that no outbox event has that id.
	ErrOutboxRecordNotFound = backend.ErrOutboxRecordNotFound
	// ErrInvalidTransition says that a run may not change as asked.
	ErrInvalidTransition = machine.ErrInvalidTransition
	// ErrVersionConflict says that somebody else's commit came first.
	ErrVersionConflict = backend.ErrVersionConflict
	// ErrInvalidID says that a name or id is empty, too long, not UTF-8, or holds a NUL byte.
	ErrInvalidID = backend.ErrInvalidID
	// ErrTooLarge says that an object or a payload exceeds its limit.
	ErrTooLarge = backend.ErrTooLarge
	// ErrRunFinished says that the run has ended.
	ErrRunFinished = machine.ErrFinished
	// ErrRunPaused says that the run is paused.
	ErrRunPaused = machine.ErrPaused
	// ErrOutcomeUnknown says that a commit was started and its answer never came.
	ErrOutcomeUnknown = backend.ErrOutcomeUnknown
	// ErrTxUnsupported says that the backend cannot run a transactional step of that kind.
	ErrTxUnsupported = backend.ErrTxUnsupported
	// ErrUnknownCodec says that an object or payload was encoded by a codec that this program was not given.
	ErrUnknownCodec = errors.New("unknown codec")
	// ErrNewerObject says that an object was stored in a later version than this program knows.
	ErrNewerObject = errors.New("object is of a later version")
	// ErrUnknownStatus says that a status is not part of the workflow.
	ErrUnknownStatus = errors.New("status is not part of the workflow")
	// ErrRunEnded says that an awaited run ended without reaching the status; as an [AwaitError] it says how.
	ErrRunEnded = errors.New("run ended otherwise")
	// ErrNotInStatus says that a callback came for a status that the run is not in; as a [CallbackError] it says where it is.
	ErrNotInStatus = errors.New("run is not in that status")
	// ErrNoCallback says that the workflow has no callback for the status.
	ErrNoCallback = errors.New("status has no callback")
	// ErrPayloadTimeout says that a payload could not be read within ten seconds.
	ErrPayloadTimeout = errors.New("payload took too long to read")
	// ErrUnsupported says that the parts that the workflow is built on cannot do what was asked; the text says which and why.
	ErrUnsupported = backend.ErrUnsupported
	// ErrStartKeyReused says that a start key was used before, for another foreign id.
	ErrStartKeyReused = errors.New("start key was used for another run")
	// ErrAbsurdTime says that a timer, start or deadline lies further away than any real one.
	ErrAbsurdTime = machine.ErrAbsurdTime
	// ErrUnfinished says that a run cannot be erased because it has not ended.
	ErrUnfinished = backend.ErrUnfinished
	// ErrNothingToRetry says that nothing of a run waits for another attempt.
	ErrNothingToRetry = engine.ErrNothingToRetry
	// ErrAttemptRunning says that the attempt to be made anew is running.
	ErrAttemptRunning = engine.ErrInHand
	// ErrVersionNotFound says that the run has no such version, or that it is no longer kept.
	ErrVersionNotFound = errors.New("the run has no such version")
	// ErrObjectGone says that the object of a version is no longer kept: the run has had so many versions since.
	ErrObjectGone = errors.New("the object of that version is no longer kept")
	// ErrPageToken says that a page's token is not one of this listing.
	ErrPageToken = errors.New("not a page of this listing")
	// ErrGraph says that the workflow's graph has a status that no run reaches, or statuses that no run leaves.
	ErrGraph = errors.New("status graph")
)

// Why an attempt's context ended; context.Cause(ctx) returns them inside a step. And what [Workflow.Health] may report.
var (
	// ErrSuperseded says that the run moved on, was paused or was cancelled while the attempt ran.
	ErrSuperseded = engine.ErrSuperseded
	// ErrStopping says that the workflow is being stopped.
	ErrStopping = engine.ErrStopping
	// ErrStoreFailing says that the store refuses to work; what waits for it is tried again by itself. [Workflow.Health] returns it.
	ErrStoreFailing = engine.ErrStoreFailing
	// ErrStuckHandlers says that so many handlers hang that others have to wait. [Workflow.Health] returns it.
	ErrStuckHandlers = engine.ErrStuckHandlers
	// ErrAttemptDeadline says that the attempt ran past its deadline without a heartbeat.
	ErrAttemptDeadline = engine.ErrDeadline
)

// PanicError is a panic of user code, as the run's history keeps it.
type PanicError = engine.PanicError

// Permanent marks an error that trying again cannot mend: the run is paused by the engine at once. It returns nil for nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &engine.PermanentError{Err: err}
}

// RetryAfter makes the next attempt wait for d instead of the step's backoff. It returns nil for a nil error.
func RetryAfter(err error, d time.Duration) error {
	if err == nil {
		return nil
	}
	return &engine.RetryAfterError{Err: err, After: d}
}

// AwaitError says how an awaited run ended without reaching the status. It matches [ErrRunEnded].
type AwaitError struct {
	RunID string
	// Want is the status that was awaited, Others those that would have done as well.
	Want   int
	Others []int
	// Status and RunState are where the run ended; Reason is what was said about it.
	Status   int
	RunState RunState
	Reason   string
	// Unseen says that not every version of the run could be seen, because the store keeps no history of them: the run may have passed the
	// status. It may also go on, in statuses that do not lead there.
	Unseen bool
}

// Error says where the run ended.
func (e *AwaitError) Error() string {
	missed := "did not reach"
	if e.Unseen {
		missed = "was not seen in"
	}
	s := fmt.Sprintf("%v: run %s is %v in status %d and %s status %d", ErrRunEnded, e.RunID, e.RunState, e.Status, missed, e.Want)
	for _, other := range e.Others {
		s += fmt.Sprintf(" or %d", other)
	}
	if e.Reason != "" {
		s += ": " + e.Reason
	}
	return s
}

// Is makes errors.Is(err, ErrRunEnded) hold.
func (e *AwaitError) Is(target error) bool { return target == ErrRunEnded }

// CallbackError says why a callback was not applied. It matches [ErrNotInStatus], and [ErrRunFinished] or [ErrRunPaused] where
// that is the reason.
type CallbackError struct {
	RunID string
	// Want is the status that the callback came for.
	Want int
	// Status and RunState are where the run is.
	Status   int
	RunState RunState
	// Overtaken says that the run was in the status when the callback came, and something else moved it first.
	Overtaken bool
}

// Error says where the run is.
func (e *CallbackError) Error() string {
	if e.Overtaken {
		return fmt.Sprintf("%v: something else moved run %s while the callback for status %d ran; it is %v in status %d",
			ErrNotInStatus, e.RunID, e.Want, e.RunState, e.Status)
	}
	return fmt.Sprintf("%v: run %s is %v in status %d, the callback is for status %d", ErrNotInStatus, e.RunID, e.RunState, e.Status, e.Want)
}

// Is makes errors.Is hold for the sentinels that apply.
func (e *CallbackError) Is(target error) bool {
	switch target {
	case ErrNotInStatus:
		return true
	case ErrRunFinished:
		return e.RunState.Finished()
	case ErrRunPaused:
		return e.RunState == RunStatePaused
	case ErrVersionConflict:
		return e.Overtaken
	}
	return false
}
