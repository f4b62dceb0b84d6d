package memory

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/stillwater-go/workflow/backend"
)

// endedStretch is how many runs one call of Ended looks at.
const endedStretch = 1000

// Erase removes runs with everything about them: record, history, log entries, deliveries, attempts, signal ids, outbox events. Their
// foreign ids are free, and forgotten where no other run has them; their positions in the log stay empty.
//
// Each run is judged by itself, in order: Err is backend.ErrRecordNotFound (also for a run that is named a second time),
// ErrVersionConflict or ErrUnfinished, or nil where the run is gone. The returned error is the context's, or backend.ErrClosed; then
// every Err is set, and nothing is erased.
func (b *Backend) Erase(ctx context.Context, runs []*backend.Erasure) error {
	t := b.table
	t.commits.Lock()
	defer t.commits.Unlock()
	if err := t.write(ctx, "erase"); err != nil {
		for _, e := range runs {
			e.Err = err
		}
		return err
	}
	defer t.mu.Unlock()
	posted := make(map[*workflow]bool)
	for _, e := range runs {
		r := t.runs[e.RunID]
		if e.Err = erasable(r, e); e.Err == nil {
			posted[r.workflow] = posted[r.workflow] || r.waiting > 0
			t.erase(r)
		}
	}
	for w, some := range posted {
		w.foreign = shrunk(w.foreign, &w.mostForeign)
		if some {
			t.unpostErased(w)
		}
	}
	t.runs = shrunk(t.runs, &t.mostRuns)
	t.log.trim()
	return nil
}

// erasable says why a run must not be erased.
func erasable(r *run, e *backend.Erasure) error {
	switch {
	case r == nil:
		return errNoRun(e.RunID)
	case r.record.Meta.Version != e.Version:
		return &backend.ConflictError{RunID: e.RunID, Want: e.Version, Have: r.record.Meta.Version}
	case !r.record.RunState.Finished():
		return fmt.Errorf("%w: run %s is %v", backend.ErrUnfinished, backend.Quote(e.RunID), r.record.RunState)
	}
	return nil
}

// erase removes a run, all but its outbox events.
func (t *table) erase(r *run) {
	for r.held != nil {
		t.done(r.held.DeliveryKey)
	}
	t.eachForgotten(r, func(s *slot) { *s = slot{} })
	for _, e := range r.versions {
		t.log.drop(e.Pos, r)
	}
	w, f := r.workflow, r.foreign
	delete(w.late, r)
	delete(t.runs, r.record.RunID)
	r.erased = true
	t.order.remove()
	w.order.remove()
	if f.runs.remove(); f.runs.len() == 0 {
		delete(w.foreign, f.id)
	}
	// Until it leaves the lists it must not hold on to what it was.
	r.record, r.versions, r.bare, r.attempts, r.signals = nil, nil, 0, ring[backend.Attempt]{}, nil
}

// unpostErased removes the events of erased runs.
func (t *table) unpostErased(w *workflow) {
	var next *outgoing
	for o := w.outgoing.first; o != nil; o = next {
		if next = o.next; o.run.erased {
			t.unpost(o.event.ID)
		}
	}
}

// shrunk makes a map anew when three quarters of it are gone: a map never gives its memory back. most is how many it has held.
func shrunk[V any](m map[string]V, most *int) map[string]V {
	if *most <= manyKeys || len(m) > *most/4 {
		return m
	}
	out := make(map[string]V, len(m))
	maps.Copy(out, m)
	*most = len(m)
	return out
}

// Ended returns the finished runs, among the next 1,000 of the workflow in the order of creation, whose last version was made before the
// time, that with the oldest version first. The last page has the time of the oldest version of all the others that are finished.
func (b *Backend) Ended(ctx context.Context, workflowName string, mark int64, before time.Time) (backend.EndedPage, error) {
	var page backend.EndedPage
	t := b.table
	if err := t.read(ctx, "ended runs"); err != nil {
		return page, err
	}
	w := t.workflows[workflowName]
	if w == nil {
		t.mu.RUnlock()
		return page, nil
	}
	stretch := w.order.stretch(mark, false, endedStretch)
	for _, r := range stretch {
		if !r.erased && r.record.RunState.Finished() && r.record.UpdatedAt.Before(before) {
			page.Runs = append(page.Runs, r.record)
		}
	}
	if len(stretch) == endedStretch {
		page.Mark = stretch[endedStretch-1].key
	}
	t.mu.RUnlock()
	slices.SortStableFunc(page.Runs, func(a, b *backend.Record) int { return a.UpdatedAt.Compare(b.UpdatedAt) })
	if page.Mark != 0 {
		return page, nil
	}
	err := t.walk(ctx, "ended runs", workflowName, backend.MakeFilter(), 0, false, func(r *run) bool {
		at := r.record.UpdatedAt
		if r.record.RunState.Finished() && !at.Before(before) && (page.Next.IsZero() || at.Before(page.Next)) {
			page.Next = at
		}
		return true
	})
	return page, err
}
