package memory

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/stillwater-go/workflow/backend"
)

// deliveries finds stored deliveries by key. Those of one run are chained, those with a due time are in the index of their
// workflow.
type deliveries struct {
	byKey map[backend.DeliveryKey]*delivery
	most  int // since byKey was made
}

// delivery is a stored delivery.
type delivery struct {
	backend.Delivery
	run        *run
	prev, next *delivery // of the same run
}

// hookPrefix begins the receiver of a delivery to a hook.
const hookPrefix = "hook:"

func (d *delivery) isHook() bool { return strings.HasPrefix(string(d.Receiver), hookPrefix) }

// index is where the delivery is found by what it waits for; nil where it need not be.
func (d *delivery) index() *dueIndex {
	switch {
	case !d.Due.IsZero():
		return &d.run.workflow.due
	case d.State == backend.DeliveryHeld:
		return &d.run.workflow.givenUp
	}
	return nil
}

func (d *delivery) mark() backend.DueMark { return backend.DueMark{Due: d.Due, Key: d.DeliveryKey} }

// copy returns the delivery with bytes of its own.
func (d *delivery) copy() backend.Delivery {
	out := d.Delivery
	out.Data = bytes.Clone(d.Data)
	return out
}

// hold writes a delivery of a run, new or known.
func (t *table) hold(r *run, given *backend.Delivery) {
	d := t.held.byKey[given.DeliveryKey]
	if d == nil {
		d = &delivery{run: r, next: r.held}
		if r.held != nil {
			r.held.prev = d
		}
		r.held = d
		t.held.byKey[given.DeliveryKey] = d
		t.held.most = max(t.held.most, len(t.held.byKey))
		if strings.HasPrefix(string(given.Receiver), hookPrefix) {
			r.hooks++
		}
	} else if x := d.index(); x != nil {
		x.remove(d)
	}
	d.Delivery = *given
	d.WorkflowName = r.workflow.name
	d.Due = given.Due.Round(0) // without the monotonic part, which would take part in comparisons
	d.Data = bytes.Clone(given.Data)
	if x := d.index(); x != nil {
		x.insert(d)
	}
}

// done removes a delivery; one that is not there is no error.
func (t *table) done(key backend.DeliveryKey) {
	d := t.held.byKey[key]
	if d == nil {
		return
	}
	if x := d.index(); x != nil {
		x.remove(d)
	}
	if d.prev != nil {
		d.prev.next = d.next
	} else {
		d.run.held = d.next
	}
	if d.next != nil {
		d.next.prev = d.prev
	}
	delete(t.held.byKey, key)
	if len(t.held.byKey) == 0 && t.held.most > manyKeys { // a map never gives its memory back
		t.held = deliveries{byKey: make(map[backend.DeliveryKey]*delivery)}
	}
	if d.isHook() {
		d.run.hooks--
		t.forget(d.run)
	}
}

// manyKeys is the size from which a map that became empty is made anew.
const manyKeys = 4096

// Due returns at most limit deliveries of the workflow that have a due time, past the mark, in the order of (due, run id,
// receiver, version).
func (b *Backend) Due(ctx context.Context, workflowName string, after backend.DueMark, limit int) ([]backend.Delivery, error) {
	after.Due = after.Due.Round(0)
	return b.indexed(ctx, "due deliveries", workflowName, func(w *workflow) *dueIndex { return &w.due }, after, limit)
}

// ListHeld returns at most limit deliveries of the workflow that are given up (state backend.DeliveryHeld, no due time), past the key, in the
// order of (run id, receiver, version).
func (b *Backend) ListHeld(ctx context.Context, workflowName string, after backend.DeliveryKey, limit int) ([]backend.Delivery, error) {
	return b.indexed(ctx, "list held deliveries", workflowName, func(w *workflow) *dueIndex { return &w.givenUp }, backend.DueMark{Key: after}, limit)
}

// indexed returns at most limit deliveries past the mark from one of the workflow's indexes.
func (b *Backend) indexed(ctx context.Context, op, workflowName string, index func(*workflow) *dueIndex, after backend.DueMark, limit int) ([]backend.Delivery, error) {
	if err := b.table.read(ctx, op); err != nil {
		return nil, err
	}
	defer b.table.mu.RUnlock()
	w := b.table.workflows[workflowName]
	if w == nil || limit <= 0 {
		return nil, nil
	}
	var out []backend.Delivery
	index(w).after(after, func(d *delivery) bool {
		out = append(out, d.copy())
		return len(out) < limit
	})
	return out, nil
}

// Held returns the stored deliveries of a run, by receiver and version; none of a run that does not exist.
func (b *Backend) Held(ctx context.Context, runID string) ([]backend.Delivery, error) {
	if err := b.table.read(ctx, "held deliveries"); err != nil {
		return nil, err
	}
	defer b.table.mu.RUnlock()
	r := b.table.runs[runID]
	if r == nil {
		return nil, nil
	}
	var out []backend.Delivery
	for d := r.held; d != nil; d = d.next {
		out = append(out, d.copy())
	}
	slices.SortFunc(out, func(x, y backend.Delivery) int { return compareKeys(x.DeliveryKey, y.DeliveryKey) })
	return out, nil
}

// knows reports that a change may hold something for the run: it exists, or comes into being with the change.
func (t *table) knows(runID string, c *backend.Change) error {
	if c.Record != nil && c.Record.RunID == runID || t.runs[runID] != nil {
		return nil
	}
	return errNoRun(runID)
}

func errNoRun(runID string) error {
	return fmt.Errorf("%w: run %s", backend.ErrRecordNotFound, backend.Quote(runID))
}
