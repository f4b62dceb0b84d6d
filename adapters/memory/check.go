package memory

import (
	"context"
	"fmt"

	"github.com/stillwater-go/workflow/backend"
)

// maxViolations bounds how many violations one walk collects; a broken store breaks everything at once.
const maxViolations = 1000

// Check walks the Backend and reports every broken invariant, at most a thousand:
//
//   - I2: a run's versions follow each other without gap or repeat, and its record is the newest of them; each is in the log at its position;
//   - I3: each version comes from where the one before it stood, and nothing leaves a finished state but to have its data deleted, by a
//     plain Store, or by an operator;
//   - I4: every delivery belongs to a run that exists and to a version that it has (those of signals have numbers of their own), and those with
//     a due time, no others, are due;
//   - I5: no cursor is beyond the log;
//   - I6: only the oldest versions have lost their object, no more than the bound says, and none that a hook is to be told of;
//   - I7: at most one versioned run per foreign id is unfinished.
//
// Of an erased run there is nothing left in any of them.
//
// Writers wait meanwhile, so that what it sees is of one moment; report is called afterwards.
func (b *Backend) Check(ctx context.Context, report func(backend.Violation)) error {
	t := b.table
	if err := t.read(ctx, "check"); err != nil {
		return err
	}
	c := &checker{table: t}
	err := c.walk(ctx)
	t.mu.RUnlock()
	for _, v := range c.found {
		report(v)
	}
	return err
}

// checker is one walk.
type checker struct {
	table *table
	found []backend.Violation
	held  int // deliveries met
	due   int // those with a due time
	// givenUp are the deliveries met that wait for an operator.
	givenUp int
}

func (c *checker) broken(invariant string, r *run, format string, args ...any) {
	if len(c.found) == maxViolations {
		return
	}
	v := backend.Violation{Invariant: invariant, Detail: fmt.Sprintf(format, args...)}
	if r != nil && r.record != nil {
		v.RunID = r.record.RunID
	}
	c.found = append(c.found, v)
}

func (c *checker) walk(ctx context.Context) error {
	for i, r := range c.table.order.runs {
		if i%listStride == 0 && ctx.Err() != nil {
			return fmt.Errorf("check: %w", ctx.Err())
		}
		if !r.erased {
			c.history(r)
			c.deliveries(r)
		}
	}
	c.list("all runs", &c.table.order)
	if n := len(c.table.runs); n != c.table.order.len() {
		c.broken("I2", nil, "%d runs are listed, %d can be looked up", c.table.order.len(), n)
	}
	if n := len(c.table.held.byKey); n != c.held {
		c.broken("I4", nil, "%d deliveries are stored, their runs hold %d", n, c.held)
	}
	indexed, listed, givenUp := 0, 0, 0
	for _, w := range c.table.workflows {
		indexed += w.due.count
		givenUp += w.givenUp.count
		listed += w.order.len()
		c.workflow(w)
	}
	if listed != c.table.order.len() {
		c.broken("I2", nil, "%d runs are listed, those of their workflows are %d", c.table.order.len(), listed)
	}
	if givenUp != c.givenUp {
		c.broken("I4", nil, "%d deliveries are listed as given up, %d are", givenUp, c.givenUp)
	}
	if indexed != c.due {
		c.broken("I4", nil, "%d deliveries are due, %d have a due time", indexed, c.due)
	}
	c.entries()
	return nil
}

// list looks at one list of runs: in the order of keys, and each of them there or erased.
func (c *checker) list(what string, l *runList) {
	dead, last := 0, int64(0)
	for _, r := range l.runs {
		if r.key <= last || r.key > c.table.lastKey {
			c.broken("I2", nil, "%s: key %d follows key %d", what, r.key, last)
		}
		last = r.key
		if r.erased {
			dead++
		} else if c.table.runs[r.record.RunID] != r {
			c.broken("I2", r, "is listed and cannot be looked up")
		}
	}
	if dead != l.dead {
		c.broken("I2", nil, "%s: %d are erased, %d are said to be", what, dead, l.dead)
	}
}

// history looks at the versions of one run.
func (c *checker) history(r *run) {
	n := len(r.versions)
	if n == 0 {
		c.broken("I2", r, "has no history")
		return
	}
	if r.versions[n-1].Record != r.record {
		c.broken("I2", r, "its record is not the newest of its history")
	}
	if v := r.versions[0].Record.Meta.Version; v > 1 && n < c.table.keep.versions {
		c.broken("I2", r, "its history begins with version %d and holds only %d", v, n)
	}
	for i := 1; i < n; i++ {
		c.move(r, r.versions[i-1], r.versions[i])
	}
	c.objects(r)
}

// objects looks at which versions of a run have lost their object: the oldest, which nobody needs.
func (c *checker) objects(r *run) {
	if r.bare > 0 && r.bare > len(r.versions)-c.table.keep.objects {
		c.broken("I6", r, "%d of %d versions have lost their object", r.bare, len(r.versions))
	}
	hook := r.oldestHook()
	for i, e := range r.versions {
		switch v := e.Record.Meta.Version; {
		case e.Trimmed != (i < r.bare) || e.Trimmed && e.Record.Object != nil:
			c.broken("I6", r, "version %d says that its object is dropped: %t; %d have lost it", v, e.Trimmed, r.bare)
		case e.Trimmed && v >= hook:
			c.broken("I6", r, "version %d has lost its object, and a hook is still to be told of version %d", v, hook)
		}
	}
}

// move looks at two versions that follow each other.
func (c *checker) move(r *run, a, b *backend.Entry) {
	was, is := a.Record.Meta.Version, b.Record.Meta.Version
	if is != was+1 && (is != 0 || was != 0) {
		c.broken("I2", r, "version %d follows version %d", is, was)
	}
	if b.Pos <= a.Pos {
		c.broken("I2", r, "version %d has position %d, the one before it %d", is, b.Pos, a.Pos)
	}
	anew := was == 0 && b.From == (backend.Point{}) // over a row that does not count as one
	if b.From != pointOf(a.Record) && !anew {
		c.broken("I3", r, "version %d comes from %+v, the one before it stood at %+v", is, b.From, pointOf(a.Record))
	}
	deletes := b.Record.RunState == backend.RunStateRequestedDataDeleted || b.Record.RunState == backend.RunStateDataDeleted
	byHand := b.Cause == backend.CauseStore || b.Cause == backend.CauseOperator
	if a.Record.RunState.Finished() && !deletes && !byHand {
		c.broken("I3", r, "version %d is %v although the one before it was %v", is, b.Record.RunState, a.Record.RunState)
	}
}

// deliveries looks at what one run holds.
func (c *checker) deliveries(r *run) {
	hooks := 0
	for d := r.held; d != nil; d = d.next {
		c.held++
		if d.run != r || d.RunID != r.record.RunID || c.table.held.byKey[d.DeliveryKey] != d {
			c.broken("I4", r, "it holds a delivery of another run, or one that is not stored: %+v", d.DeliveryKey)
		}
		if d.Version > r.record.Meta.Version && !d.Receiver.IsSignal() {
			c.broken("I4", r, "it has version %d, and a delivery of version %d", r.record.Meta.Version, d.Version)
		}
		if d.isHook() {
			hooks++
		}
		switch {
		case !d.Due.IsZero():
			c.due++
			if _, _, found := r.workflow.due.seek(d.mark()); !found {
				c.broken("I4", r, "delivery %+v has a due time and is never due", d.DeliveryKey)
			}
		case d.State == backend.DeliveryHeld:
			c.givenUp++
			if _, _, found := r.workflow.givenUp.seek(d.mark()); !found {
				c.broken("I4", r, "delivery %+v is given up and not listed as such", d.DeliveryKey)
			}
		}
	}
	if hooks != r.hooks {
		c.broken("I4", r, "it holds %d deliveries to hooks and counts %d", hooks, r.hooks)
	}
}

// workflow looks at the foreign ids, the order of what is due, and the cursors of one workflow.
func (c *checker) workflow(w *workflow) {
	c.list("runs of workflow "+backend.Quote(w.name), &w.order)
	for r := range w.late {
		if r.erased {
			c.broken("I2", nil, "an erased run of workflow %s waits for a cursor", backend.Quote(w.name))
		}
	}
	for o := w.outgoing.first; o != nil; o = o.next {
		if o.run.erased {
			c.broken("I2", nil, "an outbox event of workflow %s belongs to an erased run", backend.Quote(w.name))
		}
	}
	for _, f := range w.foreign {
		c.list("runs of foreign id "+backend.Quote(f.id), &f.runs)
		if f.runs.len() == 0 {
			c.broken("I2", nil, "foreign id %s has no run and is not forgotten", backend.Quote(f.id))
		}
		var active *run
		for _, r := range f.runs.runs {
			if r.erased || !counts(r.record.Meta.Version, r.record.RunState) {
				continue
			}
			if active != nil {
				c.broken("I7", r, "is unfinished, and so is run %s of the same foreign id", active.record.RunID)
			}
			active = r
		}
		if f.active != active {
			c.broken("I7", active, "foreign id %s is held by another run than the unfinished one", backend.Quote(f.id))
		}
	}
	var last *delivery
	w.due.after(backend.DueMark{}, func(d *delivery) bool {
		if last != nil && compareDue(last, d.mark()) >= 0 {
			c.broken("I4", d.run, "delivery %+v is due out of order", d.DeliveryKey)
		}
		last = d
		return true
	})
	for bucket, pos := range w.cursors.stored {
		if pos > c.table.log.head {
			c.broken("I5", nil, "the cursor of workflow %s, bucket %d, is at %d, the log ends at %d", backend.Quote(w.name), bucket, pos, c.table.log.head)
		}
	}
}

// entries looks at the log: each entry stands at its position, and every kept version of a run is in it from the oldest entry on.
func (c *checker) entries() {
	l := c.table.log
	met := make(map[*run]int, c.table.order.len())
	next := l.first
	l.each(func(s *slot) bool {
		next++
		if s.entry == nil && s.run == nil {
			return true // of an erased run
		}
		if s.entry == nil || s.run.erased || s.entry.Pos != next-1 || c.table.runs[s.entry.Record.RunID] != s.run {
			c.broken("I2", s.run, "position %d of the log holds another entry", next-1)
			return false
		}
		met[s.run]++
		return true
	})
	for _, r := range c.table.order.runs {
		kept := 0
		for _, e := range r.versions {
			if e.Pos >= l.first {
				kept++
			}
		}
		if full := len(r.versions) >= c.table.keep.versions; met[r] < kept || met[r] > kept && !full {
			c.broken("I2", r, "%d of its versions are in the log, its history says %d", met[r], kept)
		}
	}
}
