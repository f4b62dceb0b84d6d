package demo

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/sqlite"
	"github.com/stillwater-go/workflow/backend"
)

// small is a demo of few orders in a folder of its own.
func small(t *testing.T, orders int) Options {
	t.Helper()
	return Options{DB: filepath.Join(t.TempDir(), "demo.db"), Orders: orders, Seed: 1, Messages: &screen{}, Quiet: true}
}

func mustRun(t *testing.T, o Options) *Summary {
	t.Helper()
	s, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// expect compares a summary with what generator and gateway say.
func expect(t *testing.T, s *Summary, seed int64, orders int) {
	t.Helper()
	declined, retries := 0, 0
	cents := map[string]int64{}
	for i := range orders {
		o := Generate(seed, i)
		for attempt := 1; gatewayFails(o.ID, attempt); attempt++ {
			retries++
		}
		if gatewayDeclines(o.ID) {
			declined++
		} else {
			cents[o.Currency] += o.TotalCents
		}
	}
	if !s.Reconciled || s.MismatchCount != 0 || s.Interrupted || s.Left != 0 {
		t.Errorf("does not reconcile: %+v", s)
	}
	if s.Orders != orders || s.Statuses["Declined"] != declined || s.Statuses["Shipped"] != orders-declined || s.Charges != orders-declined {
		t.Errorf("%d of %d orders are declined: %+v", declined, orders, s)
	}
	if s.Retries != retries {
		t.Errorf("%d retries, want %d", s.Retries, retries)
	}
	for currency, want := range cents {
		if s.LedgerCents[currency] != want {
			t.Errorf("the ledger has %s %d, want %d", currency, s.LedgerCents[currency], want)
		}
	}
}

func TestDemo(t *testing.T) {
	o := small(t, 300)
	s := mustRun(t, o)
	expect(t, s, 1, 300)
	// Three steps for an order that is shipped, two for one that is declined.
	if want := int64(3*s.Statuses["Shipped"] + 2*s.Statuses["Declined"]); s.Steps != want || s.StepsPerSecond <= 0 || s.AlreadyThere != 0 {
		t.Errorf("%d steps, want %d: %+v", s.Steps, want, s)
	}

	again := mustRun(t, o) // nothing is left to do
	expect(t, again, 1, 300)
	if again.Steps != 0 || again.AlreadyThere != 300 || again.StepsPerSecond != 0 {
		t.Errorf("again: %+v", again)
	}
	checkClean(t, o.DB)
}

func checkClean(t *testing.T, db string) {
	t.Helper()
	store, err := sqlite.OpenReadOnly(db)
	if err != nil {
		t.Fatal(err)
	}
	err = store.Check(t.Context(), func(v backend.Violation) { t.Error(v) })
	if err := errors.Join(err, store.Close()); err != nil {
		t.Error(err)
	}
}

// trip cancels when a text is written.
type trip struct {
	text   string
	cancel context.CancelFunc
	once   sync.Once
}

func (w *trip) Write(p []byte) (int, error) {
	if strings.Contains(string(p), w.text) {
		w.once.Do(w.cancel)
	}
	return len(p), nil
}

// TestInterruptedAndResumed ends the context while orders are on their way, and goes on.
func TestInterruptedAndResumed(t *testing.T) {
	o := small(t, 1500)
	ctx, cancel := context.WithCancel(t.Context())
	o.Messages, o.Quiet = &trip{text: "Stop it at any moment", cancel: cancel}, false
	s, err := Run(ctx, o)
	if err != nil && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if err == nil && (!s.Interrupted || s.Reconciled || s.Left == 0) {
		t.Errorf("%+v", s)
	}
	o.Messages, o.Quiet = &screen{}, true
	expect(t, mustRun(t, o), 1, 1500)
}

// TestResumeTakesUpPausedRuns has an operator pause a run that the demo then finds.
func TestResumeTakesUpPausedRuns(t *testing.T) {
	o := small(t, 20)
	order := Generate(o.Seed, 3)
	src := generated(o.Seed, o.Orders)
	store, books, err := open(t.Context(), o.DB, src)
	if err != nil {
		t.Fatal(err)
	}
	w, err := newFlow(store, backend.RealClock{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	runID, err := w.Trigger(t.Context(), order.ID, workflow.WithInitialValue[Order, Status](order))
	if err == nil {
		err = w.RunStateController(runID).Pause(t.Context(), "lunch")
	}
	if err := errors.Join(err, books.close(), store.Close()); err != nil {
		t.Fatal(err)
	}
	s := mustRun(t, o)
	expect(t, s, 1, 20)
	if s.AlreadyThere != 1 {
		t.Errorf("%+v", s)
	}
}

func TestInputWithBadLines(t *testing.T) {
	sample, err := os.ReadFile(samplePath())
	if err != nil {
		t.Fatal(err)
	}
	o := small(t, 0)
	messages := &screen{}
	o.Messages, o.Input = messages, "-"
	o.Stdin = strings.NewReader(string(sample) + "what is this?\n" + line("last"))
	s := mustRun(t, o)
	if !s.Reconciled || s.Orders != sampleOrders+1 || s.BadLines != 1 {
		t.Errorf("%+v", s)
	}
	if !strings.Contains(messages.String(), "line 201: not JSON") {
		t.Errorf("messages: %s", messages)
	}

	file := filepath.Join(t.TempDir(), "sample.jsonl")
	if err := os.WriteFile(file, sample, 0o600); err != nil {
		t.Fatal(err)
	}
	o = small(t, 0)
	o.Input = file
	expect(t, mustRun(t, o), DefaultSeed, sampleOrders)
}

// TestTamperedLedgerIsFound changes the books behind the demo's back.
func TestTamperedLedgerIsFound(t *testing.T) {
	o := small(t, 50)
	mustRun(t, o)
	store, books, err := open(t.Context(), o.DB, generated(o.Seed, o.Orders))
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{
		"UPDATE demo_ledger SET amount_cents = amount_cents + 1 WHERE order_id = (SELECT min(order_id) FROM demo_ledger)",
		"DELETE FROM demo_ledger WHERE order_id = (SELECT max(order_id) FROM demo_ledger)",
		"INSERT INTO demo_ledger VALUES ('nobody', 'r', 1, '')",
	} {
		if _, err := books.db.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(books.close(), store.Close()); err != nil {
		t.Fatal(err)
	}
	s := mustRun(t, o)
	if s.Reconciled || s.MismatchCount != 3 {
		t.Errorf("%+v", s)
	}
}

// TestRunsThatNobodyOrderedAreFound places a run for no order, and a second one for an order; more than a page of runs must be searched.
func TestRunsThatNobodyOrderedAreFound(t *testing.T) {
	o := small(t, listPage+50)
	mustRun(t, o)
	store, books, err := open(t.Context(), o.DB, generated(o.Seed, o.Orders))
	if err != nil {
		t.Fatal(err)
	}
	w, err := newFlow(store, backend.RealClock{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range []int{3, o.Orders} { // the second is the first that was not ordered
		order := Generate(o.Seed, i)
		runID, err := w.Trigger(t.Context(), order.ID, workflow.WithInitialValue[Order, Status](order))
		if err == nil {
			err = w.RunStateController(runID).Cancel(t.Context(), "by mistake")
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(books.close(), store.Close()); err != nil {
		t.Fatal(err)
	}
	s := mustRun(t, o)
	first, last := Generate(o.Seed, 3).ID, Generate(o.Seed, o.Orders).ID
	if s.Reconciled || s.Mismatches[0] != (Mismatch{first, "has 2 runs instead of one"}) || s.AlreadyThere != o.Orders+2 {
		t.Errorf("%+v", s)
	}
	m := s.Mismatches[len(s.Mismatches)-1]
	if m.OrderID != last || !strings.Contains(m.Problem, "no such order was placed") {
		t.Errorf("%+v", s)
	}
}

// TestRetriesAreThoseOfTheStore compares the retries that were counted when they were stored with those that the store keeps.
func TestRetriesAreThoseOfTheStore(t *testing.T) {
	o := small(t, 400)
	counted := mustRun(t, o)
	if again := mustRun(t, o); counted.Retries == 0 || counted.Retries != again.Retries {
		t.Errorf("%d retries were counted, the store has %d", counted.Retries, again.Retries)
	}
}

// TestLedgerRefusesASecondCharge is the last line of defence: the table's own key.
func TestLedgerRefusesASecondCharge(t *testing.T) {
	o := small(t, 5)
	mustRun(t, o)
	store, books, err := open(t.Context(), o.DB, generated(o.Seed, o.Orders))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := errors.Join(books.close(), store.Close()); err != nil {
			t.Error(err)
		}
	}()
	var tx *sql.Tx
	if tx, err = books.db.BeginTx(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	var first charge
	if err := tx.QueryRow("SELECT order_id, run_id, amount_cents FROM demo_ledger LIMIT 1").Scan(&first.OrderID, &first.RunID, &first.Cents); err != nil {
		t.Fatal(err)
	}
	if err := writeCharge(t.Context(), tx, first.OrderID, "another run", first.Cents, backend.RealClock{}.Now()); err == nil {
		t.Error("an order was charged twice")
	}
}
