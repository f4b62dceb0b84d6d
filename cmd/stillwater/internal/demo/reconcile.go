package demo

import (
	"context"
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
	order   *Order
	runs    int
	runID   string
	status  Status
	state   backend.RunState
	reason  string
	charges int
	cents   int64
	payer   string // the run that the ledger names
}

// reconciliation compares the orders with the runs and with the ledger, a chunk of orders at a time, so that it takes the same memory
// whatever their number is.
type reconciliation struct {
	src  *source
	disk evidence
	// countRetries makes it add up the retries; that takes a question for every order.
	countRetries bool

	Statuses map[Status]int
	Retries  int
	Charges  int
	Cents    map[string]int64 // by currency
	// Count is how many things do not add up, First the first of them.
	Count int
	First []Mismatch

	runs, charges int // of the orders
}

// reconcile goes through all of them.
func reconcile(ctx context.Context, src *source, on evidence, countRetries bool) (*reconciliation, error) {
	r := &reconciliation{src: src, disk: on, countRetries: countRetries, Statuses: map[Status]int{}, Cents: map[string]int64{}}
	for at := 0; at < src.orders; at += chunkOrders {
		if err := r.chunk(ctx, at); err != nil {
			return nil, err
		}
	}
	return r, r.rest(ctx)
}

// chunk reconciles the next few orders.
func (r *reconciliation) chunk(ctx context.Context, at int) error {
	orders, err := r.src.chunk(at)
	if err != nil {
		return err
	}
	outcomes := make(map[string]*outcome, len(orders))
	for _, o := range orders {
		outcomes[o.ID] = &outcome{order: o}
	}
	err = r.disk.runs(ctx, idsOf(orders), func(rec *backend.Record) error {
		r.runs++
		o := outcomes[rec.ForeignID]
		o.runs++
		o.runID, o.status, o.state, o.reason = rec.RunID, Status(rec.Status), rec.RunState, rec.Meta.RunStateReason
		return nil
	})
	if err != nil {
		return err
	}
	err = r.disk.charges(ctx, idsOf(orders), func(c charge) error {
		r.charges++
		o := outcomes[c.OrderID]
		o.charges++
		o.cents += c.Cents
		o.payer = c.RunID
		r.Cents[o.order.Currency] += c.Cents
		return nil
	})
	if err != nil {
		return err
	}
	for _, order := range orders { // in their order: it is the one in which mismatches are listed
		o := outcomes[order.ID]
		o.problems(func(format string, args ...any) { r.mismatch(order.ID, format, args...) })
		if !r.countRetries || o.runs == 0 {
			continue
		}
		n, err := r.disk.retries(ctx, o.runID)
		if err != nil {
			return err
		}
		r.Retries += n
	}
	return nil
}

// idsOf returns the orders' ids.
func idsOf(orders []*Order) []string {
	ids := make([]string, len(orders))
	for i, o := range orders {
		ids[i] = o.ID
	}
	return ids
}

// rest looks for what belongs to no order. There is nothing where the totals are those of the orders, so that mostly nobody has to search.
func (r *reconciliation) rest(ctx context.Context) error {
	counts, charges, err := r.disk.totals(ctx)
	if err != nil {
		return err
	}
	runs := 0
	for _, c := range counts {
		r.Statuses[Status(c.Status)] += int(c.Runs)
		runs += int(c.Runs)
	}
	r.Charges = charges
	if runs != r.runs {
		err = r.disk.runs(ctx, nil, func(rec *backend.Record) error {
			held, err := r.src.holds(rec.ForeignID)
			if err == nil && !held {
				r.mismatch(rec.ForeignID, "has run %s, but no such order was placed", rec.RunID)
			}
			return err
		})
	}
	if err == nil && charges != r.charges {
		err = r.disk.charges(ctx, nil, func(c charge) error {
			held, err := r.src.holds(c.OrderID)
			if err == nil && !held {
				r.mismatch(c.OrderID, "was charged, but no such order was placed")
			}
			return err
		})
	}
	return err
}

// mismatch adds one thing that does not add up.
func (r *reconciliation) mismatch(id, format string, args ...any) {
	r.Count++
	if len(r.First) < maxListed {
		r.First = append(r.First, Mismatch{OrderID: id, Problem: fmt.Sprintf(format, args...)})
	}
}

// problems tells what is wrong with one order; nothing where all is well.
func (o *outcome) problems(add func(format string, args ...any)) {
	if o.runs != 1 {
		add("has %s instead of one", plural(o.runs, "run"))
	}
	if o.runs > 0 {
		o.end(add)
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
	if o.charges > 0 && o.cents != o.order.TotalCents {
		add("was charged %d cents instead of %d", o.cents, o.order.TotalCents)
	}
	if o.charges > 0 && o.runs == 1 && o.payer != o.runID {
		add("was charged by run %s, its run is %s", o.payer, o.runID)
	}
}

// end judges where the run has ended.
func (o *outcome) end(add func(format string, args ...any)) {
	switch {
	case o.state != backend.RunStateCompleted && o.reason != "":
		add("is %v in status %v: %s", o.state, o.status, o.reason)
	case o.state != backend.RunStateCompleted:
		add("is %v in status %v, not completed", o.state, o.status)
	case o.status == StatusDeclined && !gatewayDeclines(o.order.ID):
		add("is Declined, but the gateway accepted it")
	case o.status == StatusShipped && gatewayDeclines(o.order.ID):
		add("is Shipped, but the gateway declined it")
	case o.status != StatusShipped && o.status != StatusDeclined:
		add("ended in status %v", o.status)
	}
}
