package sqlite

import (
	"context"
	"fmt"

	"github.com/stillwater-go/workflow/backend"
)

// checkGuards reports whether the run has another version than the change expects, or has had its signal. It is a verdict, so it comes
// before the change's first write; the write lock is held, so it stays true until then.
func (t *txn) checkGuards(c *backend.Change) error {
	if c.Expect == 0 && c.SignalID == "" {
		return nil
	}
	runID := c.RunID()
	info, found, err := t.find(runID, c.Expect != 0) // another process may have moved the run since it was remembered
	switch {
	case err != nil:
		return err
	case !found && c.Expect == 0 && c.Record != nil:
		return nil // it comes into being with the change
	case !found:
		return fmt.Errorf("%w: run %s", backend.ErrRecordNotFound, backend.Quote(runID))
	case c.Expect != 0 && info.version != int64(c.Expect):
		return &backend.ConflictError{RunID: runID, Want: c.Expect, Have: uint(info.version)}
	case c.SignalID == "":
		return nil
	}
	_, had, err := t.c.queryInt(context.Background(), "SELECT 1 FROM sw_signals WHERE run = ? AND id = ?", info.id, c.SignalID)
	if err == nil && had {
		err = fmt.Errorf("%w: run %s", backend.ErrDuplicateSignal, backend.Quote(runID))
	}
	return err
}

// SignalSeen reports whether the run remembers the signal id. A run that does not exist remembers none.
func (b *Backend) SignalSeen(ctx context.Context, runID, signalID string) (seen bool, err error) {
	err = b.read(ctx, "look for a signal of run "+backend.Quote(runID), func(c *conn) (err error) {
		_, seen, err = c.queryInt(ctx, "SELECT 1 FROM sw_signals WHERE run = (SELECT id FROM sw_runs WHERE run_id = ?) AND id = ?", runID, signalID)
		return err
	})
	return seen, err
}

// remember keeps the id of the change's signal, and counts a wake for the other processes, once per transaction.
func (t *txn) remember(c *backend.Change) error {
	ctx := context.Background()
	if c.SignalID != "" {
		info, found, err := t.find(c.RunID(), false)
		if err != nil || !found {
			return err
		}
		t.dirty = true
		if _, err := t.c.exec(ctx, "INSERT INTO sw_signals (run, id) VALUES (?, ?)", info.id, c.SignalID); err != nil {
			return err
		}
	}
	if !c.Wake || t.now.wakes != t.base.wakes {
		return nil
	}
	t.dirty = true
	t.now.wakes++
	_, err := t.c.exec(ctx, "UPDATE sw_marks SET wakes = wakes + 1 WHERE id = 1")
	return err
}
