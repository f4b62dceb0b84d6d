package adaptertest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/stillwater-go/workflow/backend"
)

// hookPrefix begins the receiver of a delivery to a hook.
const hookPrefix = "hook:"

func (w *walker) checkDeliveries() error {
	held := make(map[backend.DeliveryKey]backend.Delivery)
	w.held = held
	for _, f := range w.order {
		ds, err := w.b.Held(w.ctx, f.record.RunID)
		if err != nil {
			return fmt.Errorf("deliveries of run %s: %w", f.record.RunID, err)
		}
		f.holds = len(ds) > 0
		for _, d := range ds {
			if _, twice := held[d.DeliveryKey]; twice || d.RunID != f.record.RunID {
				w.broken("I4", f.record.RunID, "delivery %+v is held twice, or belongs to another run", d.DeliveryKey)
			}
			if have := f.record.Meta.Version; d.Version > have && !d.Receiver.IsSignal() {
				w.broken("I4", f.record.RunID, "delivery %+v is of a version that the run, at %d, does not have", d.DeliveryKey, have)
			}
			if strings.HasPrefix(string(d.Receiver), hookPrefix) {
				f.hook = min(f.hook, d.Version)
			}
			held[d.DeliveryKey] = d
		}
	}
	waiting := maps.Clone(held)
	for name := range w.cursors {
		if err := w.checkDue(name, waiting); err != nil {
			return err
		}
	}
	for _, d := range waiting {
		if !d.Due.IsZero() {
			w.broken("I9", d.RunID, "delivery %+v is held with a due time, and never due", d.DeliveryKey)
		}
	}
	return nil
}

// checkDue takes out of held what is due in one workflow.
func (w *walker) checkDue(name string, held map[backend.DeliveryKey]backend.Delivery) error {
	due, err := readDue(w.ctx, w.b, name, readPage)
	if err != nil {
		return err
	}
	for i, d := range due {
		if i > 0 && compareDue(due[i-1], d) >= 0 {
			w.broken("I9", d.RunID, "delivery %+v due %v is listed after %+v due %v", d.DeliveryKey, d.Due, due[i-1].DeliveryKey, due[i-1].Due)
		}
		h, found := held[d.DeliveryKey]
		switch {
		case !found:
			w.broken("I4", d.RunID, "delivery %+v is due, and not held by its run", d.DeliveryKey)
		case diffDelivery(d, h) != "":
			w.broken("I4", d.RunID, "delivery %+v is not the same when due as when held: %s", d.DeliveryKey, diffDelivery(d, h))
		case d.Due.IsZero():
			w.broken("I9", d.RunID, "delivery %+v is listed as due and has no due time", d.DeliveryKey)
		}
		delete(held, d.DeliveryKey)
	}
	return nil
}

// checkPages compares what pages by key and counts say with the listing.
func (w *walker) checkPages() error {
	f, ok := w.b.(backend.Finder)
	if !ok {
		return nil
	}
	var found []string
	for q := (backend.Query{Limit: readPage}); ; {
		page, err := f.Find(w.ctx, q)
		if errors.Is(err, backend.ErrUnsupported) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("find runs: %w", err)
		}
		for _, one := range page {
			if one.Key <= q.After {
				w.broken("I2", one.Record.RunID, "has key %d, the run before it has %d", one.Key, q.After)
			}
			q.After = max(q.After, one.Key)
			found = append(found, one.Record.RunID)
		}
		if len(page) < q.Limit {
			break
		}
	}
	by := make(map[backend.Point]int64)
	for i, f := range w.order {
		by[pointOf(f.record)]++
		if i >= len(found) || found[i] != f.record.RunID {
			w.broken("I2", f.record.RunID, "is number %d of the listing, and not in the pages", i+1)
			break
		}
	}
	if len(found) != len(w.order) {
		w.broken("I2", "", "%d runs are listed, %d are in the pages", len(w.order), len(found))
	}
	counts, err := f.Count(w.ctx, "")
	if err != nil {
		return fmt.Errorf("count runs: %w", err)
	}
	counted := make(map[backend.Point]int64)
	for _, c := range counts {
		counted[backend.Point{RunState: c.RunState, Status: c.Status}] += c.Runs
	}
	if !maps.Equal(by, counted) {
		w.broken("I2", "", "the runs of the listing are not those that are counted: %v", counts)
	}
	return nil
}

// checkGivenUp compares what is listed as given up with what the runs hold.
func (w *walker) checkGivenUp() error {
	l, ok := w.b.(backend.HeldLister)
	if !ok {
		return nil
	}
	for name := range w.cursors {
		var want, got []backend.Delivery
		for _, d := range w.held {
			if d.State == backend.DeliveryHeld && d.Due.IsZero() && d.WorkflowName == name {
				want = append(want, d)
			}
		}
		slices.SortFunc(want, func(a, b backend.Delivery) int { return compareDue(a, b) })
		for after := (backend.DeliveryKey{}); ; {
			page, err := l.ListHeld(w.ctx, name, after, readPage)
			if errors.Is(err, backend.ErrUnsupported) {
				return nil
			}
			if err != nil {
				return fmt.Errorf("list held deliveries of workflow %s: %w", name, err)
			}
			if got = append(got, page...); len(page) < readPage || len(got) > len(want) {
				break
			}
			after = page[len(page)-1].DeliveryKey
		}
		if !slices.EqualFunc(got, want, func(a, b backend.Delivery) bool { return diffDelivery(a, b) == "" }) {
			w.broken("I4", "", "of workflow %s %d deliveries are listed as given up, in order or not, and %d are", name, len(got), len(want))
		}
	}
	return nil
}

func (w *walker) askStore() error {
	c, ok := w.b.(backend.Checker)
	if !ok {
		return nil
	}
	if err := c.Check(w.ctx, func(v backend.Violation) { w.broken(v.Invariant, v.RunID, "the store itself says: %s", v.Detail) }); err != nil {
		return fmt.Errorf("the store's own check: %w", err)
	}
	return nil
}
