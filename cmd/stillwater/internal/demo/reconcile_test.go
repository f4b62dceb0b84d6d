package demo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stillwater-go/workflow/backend"
)

// idsByGateway returns an id that the gateway accepts and one that it declines.
func idsByGateway(t *testing.T) (accepted, declined string) {
	t.Helper()
	for i := 0; accepted == "" || declined == ""; i++ {
		switch id := Generate(1, i).ID; {
		case i > 10_000:
			t.Fatal("the gateway decides always the same")
		case gatewayDeclines(id):
			declined = id
		default:
			accepted = id
		}
	}
	return accepted, declined
}

func ran(id, runID string, s Status, state backend.RunState) *backend.Record {
	return &backend.Record{ForeignID: id, RunID: runID, Status: int(s), RunState: state, Meta: backend.Meta{RunStateReason: "because"}}
}

// these is a source of a few orders.
func these(orders ...*Order) *source {
	return &source{
		orders: len(orders),
		load:   func(i int) (*Order, error) { return orders[i], nil },
		holds: func(id string) (bool, error) {
			return slices.ContainsFunc(orders, func(o *Order) bool { return o.ID == id }), nil
		},
	}
}

// testimony is evidence in memory.
type testimony struct {
	records []*backend.Record
	ledger  []charge
	failed  int // attempts of every run
	fail    error
}

func (e testimony) runs(_ context.Context, ids []string, see func(*backend.Record) error) error {
	for _, rec := range e.records {
		if ids == nil || slices.Contains(ids, rec.ForeignID) {
			if err := see(rec); err != nil {
				return err
			}
		}
	}
	return e.fail
}

func (e testimony) charges(_ context.Context, ids []string, see func(charge) error) error {
	for _, c := range e.ledger {
		if ids == nil || slices.Contains(ids, c.OrderID) {
			if err := see(c); err != nil {
				return err
			}
		}
	}
	return nil
}

func (e testimony) totals(context.Context) (counts []backend.Count, charges int, err error) {
	for _, rec := range e.records {
		counts = append(counts, backend.Count{Status: rec.Status, RunState: rec.RunState, Runs: 1})
	}
	return counts, len(e.ledger), nil
}

func (e testimony) retries(context.Context, string) (int, error) { return e.failed, nil }

func mustReconcile(t *testing.T, src *source, e testimony) *reconciliation {
	t.Helper()
	r, err := reconcile(t.Context(), src, e, true)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestReconcile(t *testing.T) {
	good, bad := idsByGateway(t)
	const done, paused, running = backend.RunStateCompleted, backend.RunStatePaused, backend.RunStateRunning
	type runs []*backend.Record
	type charges []charge
	shipped, declined := ran(good, "r1", StatusShipped, done), ran(bad, "r2", StatusDeclined, done)
	paid := charge{good, "r1", 300}
	for _, c := range []struct {
		name    string
		runs    runs
		charges charges
		want    []string
	}{
		{"all is well", runs{shipped, declined}, charges{paid}, nil},
		{"no run", runs{declined}, nil, []string{"0 runs instead of one"}},
		{"two runs", runs{shipped, declined, ran(good, "r1", StatusShipped, done)}, charges{paid}, []string{"2 runs instead of one"}},
		{"not paid", runs{shipped, declined}, nil, []string{"never charged"}},
		{"paid twice", runs{shipped, declined}, charges{paid, {good, "r1", 0}}, []string{"charged 2 times"}},
		{"paid twice in full", runs{shipped, declined}, charges{paid, paid}, []string{"charged 2 times", "600 cents instead of 300"}},
		{"wrong amount", runs{shipped, declined}, charges{{good, "r1", 299}}, []string{"299 cents instead of 300"}},
		{"paid by another run", runs{shipped, declined}, charges{{good, "r9", 300}}, []string{"charged by run r9"}},
		{"declined and paid", runs{shipped, declined}, charges{paid, {bad, "r2", 500}}, []string{"was charged, but is not shipped"}},
		{"paid without a run", runs{declined}, charges{paid}, []string{"0 runs", "was charged, but is not shipped"}},
		{"paused", runs{ran(good, "r1", StatusReserved, paused), declined}, nil, []string{"Paused in status Reserved: because"}},
		{"on its way", runs{ran(good, "r1", StatusPaid, running), declined}, charges{paid}, []string{"Running in status Paid"}},
		{"cancelled at the end", runs{ran(good, "r1", StatusShipped, backend.RunStateCancelled), declined}, charges{paid}, []string{"Cancelled"}},
		{"ended half way", runs{ran(good, "r1", StatusReserved, done), declined}, nil, []string{"ended in status Reserved"}},
		{"declined without a reason", runs{ran(good, "r1", StatusDeclined, done), declined}, nil, []string{"the gateway accepted it"}},
		{"shipped without a right", runs{shipped, ran(bad, "r2", StatusShipped, done)}, charges{paid, {bad, "r2", 500}}, []string{"the gateway declined it"}},
		{"run without an order", runs{shipped, declined, ran("who", "r3", StatusShipped, done)}, charges{paid}, []string{"has run r3, but no such order"}},
		{"charge without an order", runs{shipped, declined}, charges{paid, {"who", "r3", 1}}, []string{"was charged, but no such order"}},
		{"both without an order", runs{ran("who", "r3", StatusShipped, done), shipped, declined}, charges{{"who", "r3", 1}, paid}, []string{"has run r3", "was charged, but no"}},
		{"run of another in place of its own", runs{declined, ran("who", "r3", StatusShipped, done)}, nil, []string{"0 runs instead of one", "has run r3"}},
		{"charge of another in place of its own", runs{shipped, declined}, charges{{"who", "r1", 300}}, []string{"never charged", "was charged, but no such order"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			src := these(&Order{ID: good, TotalCents: 300, Currency: "EUR"}, &Order{ID: bad, TotalCents: 500, Currency: "USD"})
			r := mustReconcile(t, src, testimony{records: c.runs, ledger: c.charges})
			if r.Count != len(c.want) || len(r.First) != len(c.want) {
				t.Fatalf("%d mismatches %v, want %v", r.Count, r.First, c.want)
			}
			for i, m := range r.First {
				if !strings.Contains(m.Problem, c.want[i]) {
					t.Errorf("%q, want %q", m.Problem, c.want[i])
				}
			}
		})
	}
}

// TestReconcileListsTheFirstTwenty also goes past the end of a chunk.
func TestReconcileListsTheFirstTwenty(t *testing.T) {
	var orders []*Order
	for i := range 3*chunkOrders + 1 {
		orders = append(orders, &Order{ID: fmt.Sprintf("o%04d", i), TotalCents: 1, Currency: "EUR"})
	}
	r := mustReconcile(t, these(orders...), testimony{})
	if r.Count != len(orders) || len(r.First) != 20 || r.First[0].OrderID != "o0000" || r.First[19].OrderID != "o0019" {
		t.Errorf("%d mismatches, the first %d: %v", r.Count, len(r.First), r.First)
	}
}

func TestReconcileAddsUp(t *testing.T) {
	good, bad := idsByGateway(t)
	r := mustReconcile(t, these(&Order{ID: good, TotalCents: 300, Currency: "EUR"}, &Order{ID: bad, TotalCents: 500, Currency: "USD"}), testimony{
		records: []*backend.Record{ran(good, "r1", StatusShipped, backend.RunStateCompleted), ran(bad, "r2", StatusDeclined, backend.RunStateCompleted)},
		// The second has no order, no currency: it is counted, and a mismatch, but in no sum.
		ledger: []charge{{good, "r1", 300}, {"who", "r9", 9_000}},
		failed: 3,
	})
	s := &Summary{}
	s.fill(r)
	if s.Charges != 2 || s.LedgerCents["EUR"] != 300 || len(s.LedgerCents) != 1 || s.Statuses["Shipped"] != 1 || s.Statuses["Declined"] != 1 || r.Retries != 6 {
		t.Errorf("%+v", s)
	}
	if s.Reconciled || s.MismatchCount != 1 {
		t.Errorf("%+v", s)
	}
}

// TestReconcileNeedsItsEvidence does not take what it cannot read for what is not there.
func TestReconcileNeedsItsEvidence(t *testing.T) {
	lost := errors.New("lost")
	if _, err := reconcile(t.Context(), these(&Order{ID: "a"}), testimony{fail: lost}, false); !errors.Is(err, lost) {
		t.Errorf("store: %v", err)
	}
	src := these()
	src.holds = func(string) (bool, error) { return false, lost }
	if _, err := reconcile(t.Context(), src, testimony{ledger: []charge{{}}}, false); !errors.Is(err, lost) {
		t.Errorf("source: %v", err)
	}
}
