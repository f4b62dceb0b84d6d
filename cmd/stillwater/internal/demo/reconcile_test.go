package demo

import (
	"fmt"
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
		{"run without an order", runs{shipped, declined, ran("who", "r3", StatusShipped, done)}, charges{paid}, []string{"1 run, but no such order"}},
		{"charge without an order", runs{shipped, declined}, charges{paid, {"who", "r3", 1}}, []string{"was charged, but no such order"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newReconciliation([]expected{{good, 300, "EUR"}, {bad, 500, "USD"}})
			for _, ch := range c.charges { // charges first: the order of telling must not matter
				r.charge(ch)
			}
			for _, rec := range c.runs {
				r.run(rec)
			}
			count, first := r.verdict()
			if count != len(c.want) || len(first) != len(c.want) {
				t.Fatalf("%d mismatches %v, want %v", count, first, c.want)
			}
			for i, m := range first {
				if !strings.Contains(m.Problem, c.want[i]) {
					t.Errorf("%q, want %q", m.Problem, c.want[i])
				}
			}
		})
	}
}

func TestReconcileListsTheFirstTwenty(t *testing.T) {
	var orders []expected
	for i := range 33 {
		orders = append(orders, expected{fmt.Sprintf("o%02d", i), 1, "EUR"})
	}
	count, first := newReconciliation(orders).verdict()
	if count != 33 || len(first) != 20 || first[0].OrderID != "o00" || first[19].OrderID != "o19" {
		t.Errorf("%d mismatches, the first %d: %v", count, len(first), first)
	}
}

func TestReconcileAddsUp(t *testing.T) {
	good, bad := idsByGateway(t)
	r := newReconciliation([]expected{{good, 300, "EUR"}, {bad, 500, "USD"}})
	r.charge(charge{good, "r1", 300})
	r.charge(charge{"who", "r9", 9_000}) // no order, no currency: counted, and a mismatch, but in no sum
	r.run(ran(good, "r1", StatusShipped, backend.RunStateCompleted))
	r.run(ran(bad, "r2", StatusDeclined, backend.RunStateCompleted))
	s, all := &Summary{}, newTotals()
	all.add(r)
	s.fill(all)
	if s.Charges != 2 || s.LedgerCents["EUR"] != 300 || len(s.LedgerCents) != 1 || s.Statuses["Shipped"] != 1 || s.Statuses["Declined"] != 1 {
		t.Errorf("%+v", s)
	}
	if s.Reconciled || s.MismatchCount != 1 {
		t.Errorf("%+v", s)
	}
}
