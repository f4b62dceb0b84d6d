package workflow

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/stillwater-go/workflow/backend"
	"github.com/stillwater-go/workflow/internal/engine"
	"github.com/stillwater-go/workflow/internal/machine"
)

// MaxPayloadBytes bounds the payload of a callback or signal: 1 MiB.
const MaxPayloadBytes = 1 << 20

// The defaults of callbacks, whose callers wait meanwhile. Other options are the workflow's.
const (
	callbackAttempts   = 3
	callbackBackOff    = 50 * time.Millisecond
	callbackMaxBackOff = time.Second
	payloadTimeout     = 10 * time.Second
)

// CallbackOptions sets options of the callbacks of a status: how often, and with what waits, a failing one is tried again before its error
// goes back to the caller (3 attempts by default, with waits of about 50 ms), and its deadline.
func (b *Builder[Type, Status]) CallbackOptions(from Status, opts ...Option) {
	o := b.callbackOpts[from]
	o.apply(opts)
	b.beside(fmt.Sprintf("CallbackOptions(%v)", from), o)
	b.callbackOpts[from] = o
}

// callbackHandler makes the engine's view of a callback's options.
func (w *Workflow[Type, Status]) callbackHandler(status Status) engine.Handler {
	base := w.opts.defaults
	base.pauseAfterErrCount, base.errBackOff, base.maxBackOff = callbackAttempts, callbackBackOff, callbackMaxBackOff
	h := w.callbackOpts[status].over(base).handler()
	if h.Deadline <= 0 {
		h.Deadline = engine.DefaultDeadline
	}
	return h
}

// Callback hands a payload to the callbacks of the status that the newest run of the foreign id is in, and returns when what they answered is
// durable: nil says that it was applied, never that it was lost. The payload is read first, whole, within ten seconds; every callback of the
// status gets its own copy, in the order in which they were added, until one of them moves the run. A callback follows the rules of a
// step: it is called under recover and a deadline, tried again when it fails (see [Builder.CallbackOptions]), and what it answers is
// stored only if nothing else has moved the run meanwhile. Of concurrent callbacks on one stay in a status exactly one moves the run.
//
// Errors: [ErrNoCallback]; [ErrRecordNotFound]; [ErrNotInStatus] (a [CallbackError] says where the run is, and matches
// [ErrRunFinished] or [ErrRunPaused] too, or [ErrVersionConflict] where something else moved the run while the callback ran);
// [ErrTooLarge]; [ErrPayloadTimeout]; the callback's own error after its last attempt.
func (w *Workflow[Type, Status]) Callback(ctx context.Context, foreignID string, status Status, payload io.Reader) error {
	fns := w.callbacks[status]
	fail := func(runID string, err error) error {
		return &Error{Op: "callback", Workflow: w.name, RunID: runID, Err: err}
	}
	if len(fns) == 0 {
		return fail("", fmt.Errorf("%w: %s", ErrNoCallback, w.describe(int(status))))
	}
	body, err := readPayload(ctx, payload)
	if err != nil {
		return fail("", err)
	}
	c := &calling[Type, Status]{w: w, foreignID: foreignID, status: status, body: body}
	for _, fn := range fns {
		done, err := w.flow.Act(ctx, c.act(fn))
		switch {
		case errors.Is(err, engine.ErrOvertaken):
			return fail(done.Record.RunID, &CallbackError{RunID: done.Record.RunID, Want: int(status), Status: done.Record.Status,
				RunState: done.Record.RunState, Overtaken: true})
		case err != nil && done.Record != nil:
			return fail(done.Record.RunID, err)
		case err != nil:
			return fail("", err)
		case done.Moved:
			return nil
		}
	}
	return nil
}

// calling is one call of Callback.
type calling[Type any, Status StatusType] struct {
	w         *Workflow[Type, Status]
	foreignID string
	status    Status
	body      []byte
	first     *Record // the run as it was found first: the call is for that stay in the status
}

func (c *calling[Type, Status]) act(fn CallbackFunc[Type, Status]) engine.Act {
	h := c.w.callbackHandler(c.status)
	h.Run = func(ctx context.Context, a *engine.Attempt) (machine.Answer, error) {
		r, err := c.w.attemptRun(a)
		if err != nil {
			return machine.Answer{}, err
		}
		to, err := fn(ctx, r, bytes.NewReader(c.body))
		return r.answer(to, err)
	}
	return engine.Act{
		Find: func(ctx context.Context) (*Record, error) {
			return c.w.flow.Engine().Backend().Latest(ctx, c.w.name, c.foreignID)
		},
		Accept: func(rec *Record) (*engine.Handler, error) {
			if rec.Status != int(c.status) || !rec.RunState.Moving() {
				return nil, &CallbackError{RunID: rec.RunID, Want: int(c.status), Status: rec.Status, RunState: rec.RunState,
					Overtaken: c.first != nil && c.first.Meta.Version != rec.Meta.Version}
			}
			if c.first == nil {
				c.first = rec
			}
			return &h, nil
		},
		OneVisit: true, Receiver: receiverCallback, Cause: backend.CauseCallback,
	}
}

// receiverCallback names callbacks among a run's failed attempts.
const receiverCallback backend.Receiver = "callback"

// readPayload reads a payload to its end, within its limits of size and time. A reader that blocks for ever keeps its goroutine: nothing
// in Go can end it.
func readPayload(ctx context.Context, payload io.Reader) ([]byte, error) {
	if payload == nil {
		return nil, nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, payloadTimeout, ErrPayloadTimeout)
	defer cancel()
	type result struct {
		body []byte
		err  error
	}
	out := make(chan result, 1)
	go func() {
		var r result
		defer func() {
			if p := recover(); p != nil {
				r.err = fmt.Errorf("panic: %v", p)
			}
			out <- r
		}()
		r.body, r.err = io.ReadAll(io.LimitReader(payload, MaxPayloadBytes+1))
	}()
	select {
	case <-ctx.Done():
		return nil, fmt.Errorf("read payload: %w", context.Cause(ctx))
	case r := <-out:
		switch {
		case r.err != nil:
			return nil, fmt.Errorf("read payload: %w", r.err)
		case len(r.body) > MaxPayloadBytes:
			return nil, fmt.Errorf("%w: payload exceeds %d bytes", ErrTooLarge, MaxPayloadBytes)
		}
		return r.body, nil
	}
}
