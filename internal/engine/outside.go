package engine

import (
	"context"
	"time"

	"github.com/stillwater-go/workflow/backend"
	"github.com/stillwater-go/workflow/internal/machine"
)

// Failure is what an error of user code says of itself. Asking it is safe, whatever the error's methods do.
type Failure struct {
	// Text is the error's text, cut.
	Text string
	// Stack is the goroutine's, where it was a panic.
	Stack string
	// Permanent says that trying again is useless.
	Permanent bool
	// After is how long to wait before the next attempt; zero leaves it to the policy.
	After time.Duration
}

// Explain reads an error of user code that is called outside of a run.
func Explain(err error) Failure {
	f := Failure{Text: backend.Cut(safeText(err))}
	f.Permanent, f.After, f.Stack = classify(err)
	return f
}

// Panicked makes the error of a panic's value.
func Panicked(value any) error { return newPanicError(value) }

// Guard calls user code that belongs to no run: under recover and a deadline, on a goroutine of its own, so that one that ignores the end of
// its context keeps nobody.
func (f *Flow) Guard(ctx context.Context, deadline time.Duration, call func(ctx context.Context) error) error {
	h := &Handler{Deadline: deadline, Run: func(ctx context.Context, _ *Attempt) (machine.Answer, error) {
		return machine.Answer{}, call(ctx)
	}}
	h.setDefaults()
	_, err := f.callApart(ctx, h, &Attempt{Number: 1})
	return err
}
