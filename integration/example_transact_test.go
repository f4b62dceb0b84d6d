package integration

import (
	"context"
	"database/sql"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/sqlite"
)

// Payment is the object of the example.
type Payment struct{ Cents int }

// PaymentStatus is its status.
type PaymentStatus int

// The statuses of a payment.
const (
	Due PaymentStatus = iota + 1
	Booked
)

func (s PaymentStatus) String() string { return [...]string{"", "Due", "Booked"}[s] }

// The row in the ledger and the run's new status are committed together, or neither is.
func Example_transactionalStep() {
	dir, err := os.MkdirTemp("", "payments")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "payments.db")
	store, err := sqlite.Open(path)
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	db, err := sql.Open("sqlite", path+"?_pragma=busy_timeout(5000)") // your own tables, in the same file
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("CREATE TABLE ledger (run_id TEXT PRIMARY KEY, cents INTEGER)"); err != nil {
		log.Fatal(err)
	}

	b := workflow.NewBuilder[Payment, PaymentStatus]("payment")
	b.AddStep(Due, func(ctx context.Context, r *workflow.Run[Payment, PaymentStatus]) (PaymentStatus, error) {
		return Booked, sqlite.Transact(r, func(ctx context.Context, tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, "INSERT INTO ledger (run_id, cents) VALUES (?, ?)", r.RunID, r.Object.Cents)
			return err
		})
	}, Booked)
	payments, err := b.BuildOn(store)
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	payments.Run(ctx)
	defer payments.Stop()
	id, err := payments.Trigger(ctx, "payment-1", workflow.WithInitialValue[Payment, PaymentStatus](&Payment{Cents: 4200}))
	if err != nil {
		log.Fatal(err)
	}
	run, err := payments.AwaitEnd(ctx, "payment-1", id)
	if err != nil {
		log.Fatal(err)
	}
	var cents int
	err = db.QueryRow("SELECT cents FROM ledger WHERE run_id = ?", id).Scan(&cents)
	fmt.Println(run.Status, cents, err)
	// Output: Booked 4200 <nil>
}
