package workflow

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/stillwater-go/workflow/backend"
	"github.com/stillwater-go/workflow/internal/engine"
	"github.com/stillwater-go/workflow/internal/machine"
)

// MaxPayloadBytes bounds a callback's payload: 1 MiB.
const MaxPayloadBytes = 1 << 20

// Callback hands a payload to the callbacks of the status that the newest run of the foreign id is in, and returns when what they answered is
// durable. The payload is read first, whole; every callback of the status gets its own copy, in the order in which they were added, until
// one of them moves the run.
//
// Errors: [ErrNoCallback]; [ErrRecordNotFound]; [ErrNotInStatus] (a [CallbackError] says where the run is, and matches
// [ErrRunFinished] or [ErrRunPaused] too); [ErrVersionConflict] when something else moved the run meanwhile; [ErrTooLarge]; the
// callback's own error.
func (w *Workflow[Type, Status]) Callback(ctx context.Context, foreignID string, status Status, payload io.Reader) error {
	fns := w.callbacks[status]
	fail := func(runID string, err error) error {
		return &Error{Op: "callback", Workflow: w.name, RunID: runID, Err: err}
	}
	if len(fns) == 0 {
		return fail("", fmt.Errorf("%w: %s", ErrNoCallback, w.describe(int(status))))
	}
	body, err := readPayload(payload)
	if err != nil {
		return fail("", err)
	}
	rec, err := w.flow.Engine().Backend().Latest(ctx, w.name, foreignID)
	if err != nil {
		return fail("", err)
	}
	if rec.Status != int(status) || !rec.RunState.Moving() {
		return fail(rec.RunID, &CallbackError{RunID: rec.RunID, Want: int(status), Status: rec.Status, RunState: rec.RunState})
	}
	h := w.opts.defaults.handler()
	if h.Deadline <= 0 {
		h.Deadline = engine.DefaultDeadline
	}
	for _, fn := range fns {
		moved := false
		h.Run = func(ctx context.Context, a *engine.Attempt) (machine.Answer, error) {
			r, err := w.attemptRun(a)
			if err != nil {
				return machine.Answer{}, err
			}
			to, err := fn(ctx, r, bytes.NewReader(body))
			answer, err := r.answer(to, err)
			moved = err == nil && answer.Verb != machine.Skip
			return answer, err
		}
		if err := w.flow.Act(ctx, rec, backend.CauseCallback, &h); err != nil {
			return fail(rec.RunID, err)
		}
		if moved {
			return nil
		}
	}
	return nil
}

// readPayload reads a payload to its end or to the limit.
func readPayload(payload io.Reader) ([]byte, error) {
	if payload == nil {
		return nil, nil
	}
	body, err := io.ReadAll(io.LimitReader(payload, MaxPayloadBytes+1))
	if err != nil {
		return nil, errors.Join(errors.New("read payload"), err)
	}
	if len(body) > MaxPayloadBytes {
		return nil, fmt.Errorf("%w: payload exceeds %d bytes", ErrTooLarge, MaxPayloadBytes)
	}
	return body, nil
}
