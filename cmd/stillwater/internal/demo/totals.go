package demo

import (
	"context"
	"fmt"

	"github.com/stillwater-go/workflow/backend"
)

// totals is what the reconciliation has found, a chunk of orders at a time: however many there are, it needs memory for one chunk.
type totals struct {
	runs, charges, retries int
	statuses               map[Status]int
	cents                  map[string]int64 // by currency
	mismatches             int
	first                  []Mismatch
}

func newTotals() *totals { return &totals{statuses: map[Status]int{}, cents: map[string]int64{}} }

// add takes over a chunk.
func (t *totals) add(r *reconciliation) {
	for status, n := range r.Statuses {
		t.runs += n
		t.statuses[status] += n
	}
	for currency, n := range r.Cents {
		t.cents[currency] += n
	}
	t.charges += r.Charges
	count, first := r.verdict()
	t.mismatches += count
	t.first = append(t.first, first[:min(len(first), maxListed-len(t.first))]...)
}

// reconcile reads everything back from the disk and compares it with the orders.
func (d *session) reconcile(ctx context.Context) (*totals, error) {
	t := newTotals()
	for i := 0; i < d.src.n; i += chunkOrders {
		chunk := d.src.expectations(i, chunkOrders)
		r, err := d.compare(ctx, chunk, chunk, func(string) bool { return true })
		if err != nil {
			return nil, err
		}
		if err := d.countRetries(ctx, r, t); err != nil {
			return nil, err
		}
		t.add(r)
	}
	return t, d.strangers(ctx, t)
}

// compare reads the runs and charges of some orders, or all where of is nil, and tells a reconciliation those whose order is wanted.
func (d *session) compare(ctx context.Context, orders, of []expected, wanted func(orderID string) bool) (*reconciliation, error) {
	r := newReconciliation(orders)
	err := eachRun(ctx, d.store, of, func(rec *backend.Record) {
		if wanted(rec.ForeignID) {
			r.run(rec)
		}
	})
	if err == nil {
		err = d.books.charges(ctx, of, func(c charge) {
			if wanted(c.OrderID) {
				r.charge(c)
			}
		})
	}
	return r, err
}

// strangers looks for runs and charges of orders that were never placed. There are none where the numbers agree.
func (d *session) strangers(ctx context.Context, t *totals) error {
	counts, err := d.store.Count(ctx, workflowName)
	if err != nil {
		return fmt.Errorf("count the runs: %w", err)
	}
	runs := 0
	for _, c := range counts {
		runs += int(c.Runs)
	}
	lines, err := d.books.lines(ctx)
	if err != nil || runs == t.runs && lines == t.charges {
		return err
	}
	ours := make(map[string]bool, d.src.n)
	for i := range d.src.n {
		ours[d.src.expect(i).ID] = true
	}
	r, err := d.compare(ctx, nil, nil, func(orderID string) bool { return !ours[orderID] })
	if err == nil {
		t.add(r)
	}
	return err
}

// countRetries adds up the failed attempts that the store keeps, of all starts.
func (d *session) countRetries(ctx context.Context, r *reconciliation, t *totals) error {
	for _, id := range r.ids {
		o := r.orders[id]
		if o.runs == 0 {
			continue
		}
		attempts, err := d.store.Attempts(ctx, o.runID, listPage)
		if err != nil {
			return fmt.Errorf("count the retries: %w", err)
		}
		t.retries += len(attempts)
	}
	return nil
}

func idsOf(orders []expected) []string {
	ids := make([]string, len(orders))
	for i, o := range orders {
		ids[i] = o.ID
	}
	return ids
}
