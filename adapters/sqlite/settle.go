package sqlite

import (
	"bytes"
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"

	"github.com/stillwater-go/workflow/backend"
)

// settleCommit finds out what became of a transaction whose COMMIT failed. Most failures mean that it was rolled back. But when
// the disk failed while the log was forced out, the commit may already be in the file and come back to life after a crash. So
// the connection is replaced, and one more small transaction is made durable behind the doubtful one: what it sees is final.
func (w *writer) settleCommit(t *txn, cause error) error {
	t.rollback()
	if c := code(cause); c == codeFull || c == codeBusy || c == codeReadOnly {
		return cause // the commit record itself was never written
	}
	w.reopenLater()
	ctx := context.Background()
	stored, err := w.settled(ctx, t)
	switch {
	case err != nil:
		w.reopenLater()
		return fmt.Errorf("%w: %w", backend.ErrOutcomeUnknown, errors.Join(cause, err))
	case !stored:
		return cause
	}
	t.committed()
	return nil
}

// settled reports whether the transaction is in the file, and makes that answer durable. A transaction without a log row leaves
// nothing to know it by, which is an error here.
func (w *writer) settled(ctx context.Context, t *txn) (stored bool, err error) {
	proof, ok := t.proof()
	if !ok {
		return false, errors.New("the transaction wrote no log entry to look for")
	}
	if err := w.ready(ctx); err != nil {
		return false, err
	}
	if w.settle.reopened != nil {
		w.settle.reopened()
	}
	again, err := w.begin(ctx)
	if err != nil {
		return false, err
	}
	stored, err = w.holds(ctx, proof)
	if err == nil {
		_, err = w.c.exec(ctx, "UPDATE sw_settle SET count = count + 1 WHERE id = 1")
	}
	if err == nil {
		_, err = w.c.exec(ctx, "COMMIT")
	}
	if err != nil {
		again.rollback()
		return false, err
	}
	return stored, nil
}

// proof returns a log row by which the transaction can be known: one of a run that it did not go on to erase.
func (t *txn) proof() (logRow, bool) {
	for _, r := range t.rows {
		if !slices.Contains(t.erased, r.run) {
			return r, true
		}
	}
	return logRow{}, false
}

// holds reports whether the file has this very log row; a transaction's rows are there together or not at all.
func (w *writer) holds(ctx context.Context, r logRow) (bool, error) {
	found := false
	err := w.c.query(ctx, func(row []driver.Value) error {
		found = asText(row[0]) == r.rec.RunID && asInt(row[1]) == r.version && asInt(row[2]) == int64(r.rec.Status) &&
			asInt(row[3]) == int64(r.rec.RunState) && asInt(row[4]) == r.updatedAt && bytes.Equal(asBlob(row[5]), r.rec.Object)
		return nil
	}, `SELECT r.run_id, l.version, l.status, l.state, l.updated_at, l.object
		FROM sw_log l JOIN sw_runs r ON r.id = l.run WHERE l.pos = ?`, r.pos)
	return found, err
}
