package sqlite

import (
	"context"
	"database/sql"

	"github.com/stillwater-go/workflow/backend"
)

// Transact hands over the statements of a step that are to be committed together with it: fn runs inside the step's commit, after the step
// has returned, and is bound by what [TxFunc] says. r is the *workflow.Run that the step was called with.
//
//	return Paid, sqlite.Transact(r, func(ctx context.Context, tx *sql.Tx) error {
//		_, err := tx.ExecContext(ctx, "INSERT INTO ledger (order_id, cents) VALUES (?, ?)", id, cents)
//		return err
//	})
//
// An attempt hands over one function. The error wraps ErrTxUnsupported for a second one, outside an attempt, for a nil function, and where
// the workflow does not run on this store.
func Transact(r backend.Transactional, fn func(ctx context.Context, tx *sql.Tx) error) error {
	return r.Transact(fn)
}
