package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stillwater-go/workflow/backend"
)

// txStore is a store with a table of the user's own.
func txStore(t *testing.T) (*Backend, *sql.DB) {
	t.Helper()
	b := openTest(t)
	db := otherDB(t, b.Path())
	if _, err := db.Exec("CREATE TABLE payments (id TEXT PRIMARY KEY, cents INTEGER NOT NULL) STRICT"); err != nil {
		t.Fatal(err)
	}
	return b, db
}

func payments(t *testing.T, db *sql.DB) string {
	t.Helper()
	rows, err := db.Query("SELECT id FROM payments ORDER BY id")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var ids []string
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	return strings.Join(ids, " ")
}

func pay(id string) TxFunc {
	return func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO payments (id, cents) VALUES (?, ?)", id, 100)
		return err
	}
}

// TestTxStepCommitsWithTheChange: the user's own statements are in the commit, in order, and see what came before them (G7).
func TestTxStepCommitsWithTheChange(t *testing.T) {
	b, db := txStore(t)
	first, second := change("r1", "f1", 1), change("r2", "f2", 1)
	first.Tx = pay("p1")
	second.Tx = func(ctx context.Context, tx *sql.Tx) error {
		st, err := tx.PrepareContext(ctx, "SELECT count(*) FROM payments WHERE id = ?")
		if err != nil {
			return err
		}
		var n int
		if err := st.QueryRowContext(ctx, "p1").Scan(&n); err != nil || n != 1 {
			return fmt.Errorf("%d rows of the first member, err %w", n, err)
		}
		// What is left open is closed by the store.
		if _, err := tx.QueryContext(ctx, "SELECT id FROM payments"); err != nil {
			return err
		}
		return pay("p2")(ctx, tx)
	}
	commit(t, b, first, second)
	if got := payments(t, db); got != "p1 p2" {
		t.Errorf("payments are %q, want p1 p2", got)
	}
}

// TestTxStepFailures: whatever goes wrong in a function fails its change alone and leaves no trace of it (G4, G8).
func TestTxStepFailures(t *testing.T) {
	sentinel := errors.New("card declined")
	cases := []struct {
		name string
		fn   TxFunc
		want error
	}{
		{"error", func(ctx context.Context, tx *sql.Tx) error { return errors.Join(pay("bad")(ctx, tx), sentinel) }, sentinel},
		{"panic", func(ctx context.Context, tx *sql.Tx) error { _ = pay("bad")(ctx, tx); panic("boom") }, nil},
		{"goexit", func(ctx context.Context, tx *sql.Tx) error { _ = pay("bad")(ctx, tx); runtime.Goexit(); return nil }, errTxExited},
		{"commit", func(ctx context.Context, tx *sql.Tx) error { return errors.Join(pay("bad")(ctx, tx), tx.Commit()) }, errTxEnded},
		{"rollback", func(ctx context.Context, tx *sql.Tx) error { return errors.Join(pay("bad")(ctx, tx), tx.Rollback()) }, errTxEnded},
		{"commit and go on", func(ctx context.Context, tx *sql.Tx) error {
			return errors.Join(tx.Commit(), pay("bad")(ctx, tx))
		}, sql.ErrTxDone},
		{"sql commit", execs("INSERT INTO payments VALUES ('bad', 1)", "COMMIT"), nil},
		{"sql rollback", execs("ROLLBACK"), nil},
		{"rollback to the store's savepoint", execs("ROLLBACK TO sw_member"), nil},
		{"release of the store's savepoint", execs("RELEASE sw_member"), nil},
		{"constraint", execs("INSERT INTO payments VALUES ('bad', NULL)"), nil},
		{"or rollback", execs("INSERT OR ROLLBACK INTO payments VALUES ('bad', NULL)"), errTxBroken},
		{"or rollback, kept quiet", func(ctx context.Context, tx *sql.Tx) error {
			_ = execs("INSERT OR ROLLBACK INTO payments VALUES ('bad', NULL)")(ctx, tx)
			_ = pay("bad")(ctx, tx) // must not become a transaction of its own
			return nil
		}, errTxBroken},
		{"the store's tables", execs("DELETE FROM sw_runs"), nil},
		{"the store's tables by a trigger", execs(`CREATE TRIGGER x AFTER INSERT ON payments BEGIN DELETE FROM sw_log; END`,
			"INSERT INTO payments VALUES ('bad', 1)"), nil},
		{"drop", execs("DROP TABLE sw_log"), nil},
		{"pragma", execs("PRAGMA synchronous = OFF"), nil},
		{"attach", execs("ATTACH ':memory:' AS other"), nil},
	}
	b, db := txStore(t)
	for i, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			before := change(fmt.Sprintf("before-%d", i), fmt.Sprintf("before-%d", i), 1)
			bad := change(fmt.Sprintf("bad-%d", i), fmt.Sprintf("bad-%d", i), 1)
			after := change(fmt.Sprintf("after-%d", i), fmt.Sprintf("after-%d", i), 1)
			bad.Tx, after.Tx = c.fn, pay(fmt.Sprintf("good-%02d", i))
			bad.Hold = []backend.Delivery{{DeliveryKey: backend.DeliveryKey{RunID: bad.Record.RunID, Receiver: "step", Version: 1}, WorkflowName: testFlow}}
			if err := b.Commit(t.Context(), []*backend.Change{before, bad, after}); err != nil {
				t.Fatalf("Commit: %v", err)
			}
			var tx *backend.TxError
			if !errors.As(bad.Err, &tx) || c.want != nil && !errors.Is(bad.Err, c.want) {
				t.Errorf("error is %v, want a TxError of %v", bad.Err, c.want)
			}
			if before.Err != nil || after.Err != nil {
				t.Errorf("the others failed: %v, %v", before.Err, after.Err)
			}
			if _, err := b.Lookup(t.Context(), bad.Record.RunID); !errors.Is(err, backend.ErrRecordNotFound) {
				t.Errorf("the failed change left its run: %v", err)
			}
			for _, ok := range []*backend.Change{before, after} {
				if r, err := b.Lookup(t.Context(), ok.Record.RunID); err != nil || r.Meta.Version != 1 {
					t.Errorf("run %s: %v", ok.Record.RunID, err)
				}
			}
		})
	}
	if got := strings.Fields(payments(t, db)); len(got) != len(cases) || strings.Contains(strings.Join(got, " "), "bad") {
		t.Errorf("payments are %v, want one of each good member", got)
	}
	if level, err := b.writer.c.pragma(t.Context(), "synchronous"); err != nil || level != "2" {
		t.Errorf("synchronous is %s (%v) afterwards, want 2", level, err)
	}
}

func execs(statements ...string) TxFunc {
	return func(ctx context.Context, tx *sql.Tx) error {
		for _, s := range statements {
			if _, err := tx.ExecContext(ctx, s); err != nil {
				return err
			}
		}
		return nil
	}
}

// shortDeadline makes functions of the transaction run out of time soon. It is set before the first commit.
func shortDeadline(b *Backend, d time.Duration) { b.cfg.txDeadline = d }

// TestTxStepHang: a function that ignores its deadline fails alone; what it does later with its tx fails and changes nothing.
func TestTxStepHang(t *testing.T) {
	b, db := txStore(t)
	shortDeadline(b, 20*time.Millisecond)
	wake, result := make(chan struct{}), make(chan error, 2)
	before, bad, after := change("before", "f1", 1), change("bad", "f2", 1), change("after", "f3", 1)
	bad.Tx = func(_ context.Context, tx *sql.Tx) error {
		_ = pay("bad")(context.Background(), tx)
		<-wake
		result <- pay("late")(context.Background(), tx)
		result <- tx.Commit()
		return nil
	}
	if err := b.Commit(t.Context(), []*backend.Change{before, bad, after}); err != nil {
		t.Fatal(err)
	}
	var tx *backend.TxError
	if !errors.As(bad.Err, &tx) || !errors.Is(bad.Err, errTxSlow) {
		t.Errorf("error is %v, want a TxError of %v", bad.Err, errTxSlow)
	}
	if before.Err != nil || after.Err != nil {
		t.Errorf("the others failed: %v, %v", before.Err, after.Err)
	}
	close(wake)
	for range 2 {
		if err := <-result; !errors.Is(err, sql.ErrTxDone) {
			t.Errorf("late use of the tx gave %v, want sql.ErrTxDone", err)
		}
	}
	if got := payments(t, db); got != "" {
		t.Errorf("payments are %q, want none", got)
	}
	commit(t, b, change("after", "f3", 2))
}

const endless = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x FROM c WHERE x = 1 OR x < 0"

// TestTxStepSlowStatement: a statement that does not end is interrupted.
func TestTxStepSlowStatement(t *testing.T) {
	b, _ := txStore(t)
	shortDeadline(b, 20*time.Millisecond)
	bad := change("bad", "f1", 1)
	bad.Tx = func(_ context.Context, tx *sql.Tx) error {
		var n int
		return tx.QueryRow("SELECT count(*) FROM (" + endless + ")").Scan(&n)
	}
	good := change("good", "f2", 1)
	if err := b.Commit(t.Context(), []*backend.Change{bad, good}); err != nil || good.Err != nil {
		t.Fatal(err, good.Err)
	}
	if !errors.Is(bad.Err, errTxSlow) {
		t.Errorf("error is %v, want %v", bad.Err, errTxSlow)
	}
}

// TestTxStepUninterruptible: the driver cannot interrupt a step to the next row. The connection is given up, the others are
// committed on a new one as soon as the old one lets go, and the store is as good as before.
func TestTxStepUninterruptible(t *testing.T) {
	b, db := txStore(t)
	shortDeadline(b, 50*time.Millisecond)
	b.writer.guard.grace = time.Millisecond
	b.cfg.busyTimeout = time.Minute // the statement holds the lock until it ends, on a busy machine for long
	bad, good := change("bad", "f1", 1), change("good", "f2", 1)
	bad.Tx = func(_ context.Context, tx *sql.Tx) error {
		_ = pay("bad")(context.Background(), tx)
		rows, err := tx.Query(strings.Replace(endless, "FROM c)", fmt.Sprintf("FROM c WHERE x < %d)", slowRows), 1))
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() { // the second call takes its time
		}
		return rows.Err()
	}
	if err := b.Commit(t.Context(), []*backend.Change{bad, good}); err != nil || good.Err != nil {
		t.Fatal(err, good.Err)
	}
	if !errors.Is(bad.Err, errTxSlow) || !errors.Is(bad.Err, errTxLost) {
		t.Errorf("error is %v, want %v", bad.Err, errTxLost)
	}
	commit(t, b, change("good", "f2", 2))
	if got := payments(t, db); got != "" {
		t.Errorf("payments are %q, want none", got)
	}
}

// TestTxStepTooManyHanging: beyond the bound no new function is started.
func TestTxStepTooManyHanging(t *testing.T) {
	b, _ := txStore(t)
	shortDeadline(b, time.Millisecond)
	wake := make(chan struct{})
	defer close(wake)
	var last error
	for i := range maxAbandoned + 1 {
		bad := change(fmt.Sprint("bad-", i), "f", 1)
		bad.Tx = TxFunc(func(context.Context, *sql.Tx) error { <-wake; return nil })
		if err := b.Commit(t.Context(), []*backend.Change{bad}); err != nil {
			t.Fatal(err)
		}
		last = bad.Err
	}
	if !errors.Is(last, errTxTooMany) {
		t.Errorf("error is %v, want %v", last, errTxTooMany)
	}
}

type namedTx func(context.Context, *sql.Tx) error

func TestCheckTx(t *testing.T) {
	b := openTest(t)
	for _, fn := range []any{pay("x"), func(context.Context, *sql.Tx) error { return nil }, namedTx(pay("x"))} {
		if err := b.CheckTx(fn); err != nil {
			t.Errorf("CheckTx(%T): %v", fn, err)
		}
	}
	for _, fn := range []any{nil, 7, func() {}, TxFunc(nil), func(context.Context) error { return nil }} {
		if err := b.CheckTx(fn); !errors.Is(err, backend.ErrTxUnsupported) {
			t.Errorf("CheckTx(%T): %v, want ErrTxUnsupported", fn, err)
		}
		c := change("r", "f", 1)
		if c.Tx = fn; fn == nil {
			continue
		}
		if err := b.Commit(t.Context(), []*backend.Change{c}); err != nil || !errors.Is(c.Err, backend.ErrTxUnsupported) {
			t.Errorf("Commit with a Tx of type %T: %v, %v", fn, err, c.Err)
		}
	}
}
