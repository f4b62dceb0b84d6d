package workflow

import (
	"context"
	"fmt"
	"time"

	"github.com/stillwater-go/workflow/internal/engine"
	"github.com/stillwater-go/workflow/internal/machine"
)

type stepConfig[Type any, Status StatusType] struct {
	fn   ConsumerFunc[Type, Status]
	opts options
}

// stepUpdater sets a step's options.
type stepUpdater[Type any, Status StatusType] struct {
	step *stepConfig[Type, Status]
}

// WithOptions sets the step's options. What it leaves open keeps what an earlier call set, or the workflow's default.
func (s *stepUpdater[Type, Status]) WithOptions(opts ...Option) { s.step.opts.apply(opts) }

func (o *options) apply(opts []Option) {
	for _, opt := range opts {
		opt(o)
	}
}

// stepHandler wraps a step for the engine.
func (w *Workflow[Type, Status]) stepHandler(fn ConsumerFunc[Type, Status]) func(context.Context, *engine.Attempt) (machine.Answer, error) {
	return func(ctx context.Context, a *engine.Attempt) (machine.Answer, error) {
		r, err := w.attemptRun(a)
		if err != nil {
			return machine.Answer{}, err
		}
		status, err := fn(ctx, r)
		return r.answer(status, err)
	}
}

// deleteHandler scrubs a run's object: by the user's function, or entirely.
func (w *Workflow[Type, Status]) deleteHandler(custom func([]byte) ([]byte, error)) func(context.Context, *engine.Attempt) (machine.Answer, error) {
	return func(_ context.Context, a *engine.Attempt) (machine.Answer, error) {
		object, err := w.scrub(a.Record.Object, custom)
		return machine.Answer{Object: object}, err
	}
}

type timeoutConfig[Type any, Status StatusType] struct {
	timer TimerFunc[Type, Status]
	fn    TimeoutFunc[Type, Status]
	opts  options
}

// timeoutUpdater sets a timeout's options.
type timeoutUpdater[Type any, Status StatusType] struct {
	builder *Builder[Type, Status]
	timeout *timeoutConfig[Type, Status]
	from    Status
}

// WithOptions sets the timeout's options: backoff, attempts, deadline, lag alert. A parallel count or a lag is a mistake.
func (s *timeoutUpdater[Type, Status]) WithOptions(opts ...Option) {
	s.timeout.opts.apply(opts)
	s.builder.beside(fmt.Sprintf("AddTimeout(%v)", s.from), s.timeout.opts)
}

// timeoutHandler wraps what happens at an expiry for the engine.
func (w *Workflow[Type, Status]) timeoutHandler(fn TimeoutFunc[Type, Status]) func(context.Context, *engine.Attempt) (machine.Answer, error) {
	return func(ctx context.Context, a *engine.Attempt) (machine.Answer, error) {
		r, err := w.attemptRun(a)
		if err != nil {
			return machine.Answer{}, err
		}
		status, err := fn(ctx, r, w.clock.Now())
		return r.answer(status, err)
	}
}

// timer wraps a timer function for the engine. The run that it sees is a copy: what it changes is not stored.
func (w *Workflow[Type, Status]) timer(fn TimerFunc[Type, Status]) func(context.Context, *Record, time.Time) (time.Time, error) {
	return func(ctx context.Context, rec *Record, now time.Time) (time.Time, error) {
		t, err := w.typedRecord(rec)
		if err != nil {
			return time.Time{}, err
		}
		return fn(ctx, &Run[Type, Status]{TypedRecord: *t, controller: w.RunStateController(rec.RunID)}, now)
	}
}

// DurationTimerFunc makes a timer that expires a fixed time after the run entered the status.
func DurationTimerFunc[Type any, Status StatusType](duration time.Duration) TimerFunc[Type, Status] {
	return func(_ context.Context, _ *Run[Type, Status], now time.Time) (time.Time, error) {
		return now.Add(duration), nil
	}
}

// TimeTimerFunc makes a timer that expires at a fixed time.
func TimeTimerFunc[Type any, Status StatusType](t time.Time) TimerFunc[Type, Status] {
	return func(context.Context, *Run[Type, Status], time.Time) (time.Time, error) { return t, nil }
}
