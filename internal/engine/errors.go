package engine

import (
	"errors"
	"fmt"
	"time"

	"github.com/stillwater-go/workflow/backend"
)

// Why an attempt's context ended. They are causes: context.Cause(ctx) returns them.
var (
	// ErrSuperseded says that the run moved on, was paused or was cancelled while the attempt ran.
	ErrSuperseded = errors.New("the run was changed meanwhile")
	// ErrStopping says that the workflow is being stopped.
	ErrStopping = errors.New("the workflow is stopping")
	// ErrRoleLost says that another process works on the run now.
	ErrRoleLost = errors.New("the role was lost")
	// ErrDeadline says that the attempt ran past its deadline without a heartbeat.
	ErrDeadline = errors.New("attempt ran past its deadline")
	// ErrStopped says that the workflow was stopped.
	ErrStopped = errors.New("workflow was stopped")
	// ErrStoreFailing says that the store refuses to work; what waits for it is tried again by itself.
	ErrStoreFailing = errors.New("the store is failing")
	// ErrStuckHandlers says that so many handlers hang that others have to wait.
	ErrStuckHandlers = errors.New("handlers are stuck")
	// ErrGoexit says that user code ended its goroutine.
	ErrGoexit = errors.New("user code ended its goroutine (runtime.Goexit)")
)

// errVolatile refuses what would have to outlast the process.
func errVolatile(what string) error {
	return fmt.Errorf("%w: %s is kept in the store of a backend, and plain parts have no place for it", backend.ErrUnsupported, what)
}

// PanicError is a panic of user code.
type PanicError struct {
	// Value is the panic's value as text, cut.
	Value string
	// Stack is the goroutine's stack.
	Stack string
}

// Error returns the panic's value; the stack is kept apart.
func (e *PanicError) Error() string { return "panic: " + e.Value }

// Recovered makes an error of what recover returned, for callers of user code outside the engine.
func Recovered(p any) *PanicError { return newPanicError(p) }

// PermanentError marks a failure that trying again cannot mend.
type PermanentError struct{ Err error }

// Error returns the inner error's text.
func (e *PermanentError) Error() string { return e.Err.Error() }

// Unwrap returns the inner error.
func (e *PermanentError) Unwrap() error { return e.Err }

// RetryAfterError asks for a wait of its own before the next attempt.
type RetryAfterError struct {
	Err   error
	After time.Duration
}

// Error returns the inner error's text and the wait.
func (e *RetryAfterError) Error() string { return fmt.Sprintf("%v (retry after %v)", e.Err, e.After) }

// Unwrap returns the inner error.
func (e *RetryAfterError) Unwrap() error { return e.Err }

// toldError is an error of user code as a logger gets it: its text was made safe, and it matches all that the error matches.
type toldError struct {
	text string
	err  error
}

// Error returns the text.
func (e *toldError) Error() string { return e.text }

// Is asks the error, which may panic.
func (e *toldError) Is(target error) (is bool) {
	defer func() { _ = recover() }()
	return errors.Is(e.err, target)
}

// As asks the error, which may panic.
func (e *toldError) As(target any) (is bool) {
	defer func() { _ = recover() }()
	return errors.As(e.err, target)
}

// LaterError is the answer of a timeout's handler that has nothing to do yet: it is called again after the time, and nothing has failed.
type LaterError struct{ After time.Duration }

// Error says how long to wait.
func (e *LaterError) Error() string { return fmt.Sprintf("again after %v", e.After) }
