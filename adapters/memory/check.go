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
//   - I3: each version comes from where the one before it stood, and nothing leaves a finished state but to have its data deleted;
//   - I4: every delivery belongs to a run that exists and to a version that it has, and those with a due time, no others, are due;
//   - I5: no cursor is beyond the log;
//   - I7: at most one versioned run per foreign id is unfinished.
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
}

func (c *checker) broken(invariant string, r *run, format string, args ...any) {
	if len(c.found) == maxViolations {
		return
	}
	v := backend.Violation{Invariant: invariant, Detail: fmt.Sprintf(format, args...)}
	if r != nil {
		v.RunID = r.record.RunID
	}
	c.found = append(c.found, v)
}

func (c *checker) walk(ctx context.Context) error {
	for i, r := range c.table.order {
		if i%listStride == 0 && ctx.Err() != nil {
			return fmt.Errorf("check: %w", ctx.Err())
		}
		c.history(r)
		c.deliveries(r)
	}
	if n := len(c.table.runs); n != len(c.table.order) {
		c.broken("I2", nil, "%d runs are listed, %d can be looked up", len(c.table.order), n)
	}
	if n := len(c.table.held.byKey); n != c.held {
		c.broken("I4", nil, "%d deliveries are stored, their runs hold %d", n, c.held)
	}
	indexed := 0
	for _, w := range c.table.workflows {
		indexed += w.due.count
		c.workflow(w)
	}
	if indexed != c.due {
		c.broken("I4", nil, "%d deliveries are due, %d have a due time", indexed, c.due)
	}
	c.entries()
	return nil
}

// history looks at the versions of one run.
func (c *checker) history(r *run) {
	n := r.versions.len()
	if n == 0 {
		c.broken("I2", r, "has no history")
		return
	}
	if r.versions.at(n-1).Record != r.record {
		c.broken("I2", r, "its record is not the newest of its history")
	}
	if v := r.versions.at(0).Record.Meta.Version; v > 1 && n < keptVersions {
		c.broken("I2", r, "its history begins with version %d and holds only %d", v, n)
	}
	for i := 1; i < n; i++ {
		c.move(r, r.versions.at(i-1), r.versions.at(i))
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
	if a.Record.RunState.Finished() && !deletes && b.Cause != backend.CauseStore {
		c.broken("I3", r, "version %d is %v although the one before it was %v", is, b.Record.RunState, a.Record.RunState)
	}
}

// deliveries looks at what one run holds.
func (c *checker) deliveries(r *run) {
	for d := r.held; d != nil; d = d.next {
		c.held++
		if d.run != r || d.RunID != r.record.RunID || c.table.held.byKey[d.DeliveryKey] != d {
			c.broken("I4", r, "it holds a delivery of another run, or one that is not stored: %+v", d.DeliveryKey)
		}
		if d.Version > r.record.Meta.Version {
			c.broken("I4", r, "it has version %d, and a delivery of version %d", r.record.Meta.Version, d.Version)
		}
		if d.Due.IsZero() {
			continue
		}
		c.due++
		if _, _, found := r.workflow.due.seek(d.mark()); !found {
			c.broken("I4", r, "delivery %+v has a due time and is never due", d.DeliveryKey)
		}
	}
}

// workflow looks at the foreign ids, the order of what is due, and the cursors of one workflow.
func (c *checker) workflow(w *workflow) {
	for _, f := range w.foreign {
		var active *run
		for _, r := range f.runs {
			if !counts(r.record.Meta.Version, r.record.RunState) {
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
	met := make(map[*run]int, len(c.table.order))
	next := l.first
	l.each(func(s slot) bool {
		if s.entry == nil || s.entry.Pos != next || c.table.runs[s.entry.Record.RunID] != s.run {
			c.broken("I2", s.run, "position %d of the log holds another entry", next)
			return false
		}
		next++
		met[s.run]++
		return true
	})
	for _, r := range c.table.order {
		kept := 0
		for i := range r.versions.len() {
			if r.versions.at(i).Pos >= l.first {
				kept++
			}
		}
		if full := r.versions.len() == keptVersions; met[r] < kept || met[r] > kept && !full {
			c.broken("I2", r, "%d of its versions are in the log, its history says %d", met[r], kept)
		}
	}
}
