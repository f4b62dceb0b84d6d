package demo

import (
	"fmt"

	"github.com/stillwater-go/workflow/backend"
)

// maxListed bounds how many mismatches are kept word for word; all are counted.
const maxListed = 20

// Mismatch is one thing that does not add up.
type Mismatch struct {
	// OrderID is the order, or the foreign id of a run or the key of a ledger line that has none.
	OrderID string `json:"order_id"`
	Problem string `json:"problem"`
}

// outcome is what became of one order.
type outcome struct {
	known   bool // the order is one of ours
	want    expected
	runs    int
	runID   string
	status  Status
	state   backend.RunState
	reason  string
	charges int
	cents   int64
	payer   string // the run that the ledger names
}

// reconciliation compares the orders with the runs and with the ledger. Tell it all of them, in any order, then ask for the verdict.
type reconciliation struct {
	orders map[string]*outcome
	ids    []string // in the order in which they became known

	Statuses map[Status]int
	Charges  int
	Cents    map[string]int64 // by currency
}

func newReconciliation(orders []expected) *reconciliation {
	r := &reconciliation{orders: make(map[string]*outcome, len(orders)), Statuses: map[Status]int{}, Cents: map[string]int64{}}
	for _, o := range orders {
		at := r.at(o.ID)
		at.known, at.want = true, o
	}
	return r
}

func (r *reconciliation) at(id string) *outcome {
	o := r.orders[id]
	if o == nil {
		o = &outcome{}
		r.orders[id] = o
		r.ids = append(r.ids, id)
	}
	return o
}

// run adds a run of the demo's workflow.
func (r *reconciliation) run(rec *backend.Record) {
	o := r.at(rec.ForeignID)
	o.runs++
	o.runID, o.status, o.state, o.reason = rec.RunID, Status(rec.Status), rec.RunState, rec.Meta.RunStateReason
	r.Statuses[o.status]++
}

// charge adds a line of the ledger.
func (r *reconciliation) charge(c charge) {
	o := r.at(c.OrderID)
	o.charges++
	o.cents += c.Cents
	o.payer = c.RunID
	r.Charges++
	if o.known {
		r.Cents[o.want.Currency] += c.Cents
	}
}

// verdict returns how many things do not add up, and the first of them.
func (r *reconciliation) verdict() (count int, first []Mismatch) {
	for _, id := range r.ids {
		for _, problem := range r.orders[id].problems(id) {
			count++
			if len(first) < maxListed {
				first = append(first, Mismatch{OrderID: id, Problem: problem})
			}
		}
	}
	return count, first
}

// problems returns what is wrong with one order; nothing where all is well.
func (o *outcome) problems(id string) (p []string) {
	add := func(format string, args ...any) { p = append(p, fmt.Sprintf(format, args...)) }
	if !o.known {
		if o.runs > 0 {
			add("has %s, but no such order was placed", plural(o.runs, "run"))
		}
		if o.charges > 0 {
			add("was charged, but no such order was placed")
		}
		return p
	}
	if o.runs != 1 {
		add("has %s instead of one", plural(o.runs, "run"))
	}
	if o.runs > 0 {
		o.end(id, add)
	}
	paid := o.runs > 0 && (o.status == StatusShipped || o.status == StatusPaid)
	switch {
	case paid && o.charges == 0:
		add("is %v, but was never charged", o.status)
	case !paid && o.charges > 0:
		add("was charged, but is not shipped")
	case o.charges > 1:
		add("was charged %d times", o.charges)
	}
	if o.charges > 0 && o.cents != o.want.Cents {
		add("was charged %d cents instead of %d", o.cents, o.want.Cents)
	}
	if o.charges > 0 && o.runs == 1 && o.payer != o.runID {
		add("was charged by run %s, its run is %s", o.payer, o.runID)
	}
	return p
}

// end judges where the run has ended.
func (o *outcome) end(id string, add func(string, ...any)) {
	switch {
	case o.state != backend.RunStateCompleted && o.reason != "":
		add("is %v in status %v: %s", o.state, o.status, o.reason)
	case o.state != backend.RunStateCompleted:
		add("is %v in status %v, not completed", o.state, o.status)
	case o.status == StatusDeclined && !gatewayDeclines(id):
		add("is Declined, but the gateway accepted it")
	case o.status == StatusShipped && gatewayDeclines(id):
		add("is Shipped, but the gateway declined it")
	case o.status != StatusShipped && o.status != StatusDeclined:
		add("ended in status %v", o.status)
	}
}
