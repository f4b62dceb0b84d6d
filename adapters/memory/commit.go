package memory

import (
	"context"
	"fmt"

	"github.com/stillwater-go/workflow/backend"
)

// Commit stores every change of the batch that the rules allow, in order. See [backend.Committer] for the contract.
//
// A change fails alone with backend.ErrVersionConflict, ErrWorkflowInProgress, ErrInvalidID (also where the run belongs to
// another workflow or foreign id), ErrTooLarge, ErrRecordNotFound (a delivery, an attempt, an expected version or a signal of an unknown
// run), ErrDuplicateSignal, ErrTxUnsupported or *backend.TxError. The call as a whole fails with the context's error, when it ended before anything was stored, and with
// backend.ErrClosed.
//
// Other commits wait while a function of the transaction runs, readers do not. Members of the batch that come before it can
// be read meanwhile; nothing undoes them.
func (b *Backend) Commit(ctx context.Context, batch []*backend.Change) error {
	for _, c := range batch {
		c.Pos, c.Err = 0, nil
		if c.Record != nil {
			c.Err = backend.ValidateRecord(c.Record)
		}
	}
	t := b.table
	t.commits.Lock()
	defer t.commits.Unlock()
	if err := t.write(ctx, "commit"); err != nil {
		for _, c := range batch {
			c.Err = err
		}
		return err
	}
	for _, c := range batch {
		if c.Err == nil {
			c.Err = t.change(ctx, c)
		}
	}
	t.mu.Unlock()
	return nil
}

// change stores one change, or says why not. commits and mu are held; mu is released while a function of the transaction runs.
func (t *table) change(ctx context.Context, c *backend.Change) error {
	v, err := t.allow(c)
	if err != nil {
		return err
	}
	if c.Tx != nil {
		fn, err := txFunc(c.Tx)
		if err != nil {
			return err
		}
		t.mu.Unlock()
		err = runTx(ctx, fn)
		t.mu.Lock()
		if err != nil {
			return err
		}
	}
	if c.Record != nil {
		e := t.put(v, c.Record, c.From, c.Cause, c.Actor)
		c.Pos = e.Pos
		if c.Scrub {
			t.scrub(t.runs[c.Record.RunID])
		}
	}
	if c.SignalID != "" {
		t.runs[c.RunID()].remember(c.SignalID)
	}
	for i := range c.Hold {
		t.hold(t.runs[c.Hold[i].RunID], &c.Hold[i])
	}
	for _, key := range c.Done {
		t.done(key)
	}
	if c.Attempt != nil {
		t.runs[c.Attempt.RunID].attempts.push(*c.Attempt, keptAttempts)
	}
	return nil
}

// allow judges a whole change, so that what follows cannot fail.
func (t *table) allow(c *backend.Change) (v verdict, err error) {
	if c.Record != nil {
		if v, err = t.judge(c.Record); err != nil {
			return v, err
		}
	}
	if err := t.guard(c); err != nil {
		return v, err
	}
	for i := range c.Hold {
		if err := t.knows(c.Hold[i].RunID, c); err != nil {
			return v, err
		}
	}
	if c.Attempt != nil {
		return v, t.knows(c.Attempt.RunID, c)
	}
	return v, nil
}

// guard says whether the run is as the change expects it, and has not had its signal.
func (t *table) guard(c *backend.Change) error {
	if c.Expect == 0 && c.SignalID == "" {
		return nil
	}
	runID := c.RunID()
	r := t.runs[runID]
	switch {
	case c.Expect != 0 && r == nil:
		return errNoRun(runID)
	case c.Expect != 0 && r.record.Meta.Version != c.Expect:
		return &backend.ConflictError{RunID: runID, Want: c.Expect, Have: r.record.Meta.Version}
	case c.SignalID == "":
		return nil
	case r == nil:
		return t.knows(runID, c)
	}
	if _, had := r.signals[c.SignalID]; had {
		return fmt.Errorf("%w: run %s", backend.ErrDuplicateSignal, backend.Quote(runID))
	}
	return nil
}

// remember keeps the id of a signal that the run has had.
func (r *run) remember(signalID string) {
	if r.signals == nil {
		r.signals = make(map[string]struct{})
	}
	r.signals[signalID] = struct{}{}
}

// write takes mu for a change, unless the context has ended or the Backend is closed. The caller unlocks.
func (t *table) write(ctx context.Context, op string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		return fmt.Errorf("%s: %w", op, backend.ErrClosed)
	}
	return nil
}

// read takes mu for reading, unless the context has ended or the Backend is closed. The caller unlocks.
func (t *table) read(ctx context.Context, op string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	t.mu.RLock()
	if t.closed {
		t.mu.RUnlock()
		return fmt.Errorf("%s: %w", op, backend.ErrClosed)
	}
	return nil
}
