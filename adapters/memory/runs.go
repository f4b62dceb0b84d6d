package memory

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sort"

	"github.com/stillwater-go/workflow/backend"
)

// listStride is how many runs a listing looks at before it lets writers in.
const listStride = 1024

// ReadLog returns at most limit entries with a position above after, in order. What every cursor of its workflow has passed may
// have been forgotten.
func (b *Backend) ReadLog(ctx context.Context, after int64, limit int) ([]backend.Entry, error) {
	if err := b.table.read(ctx, "read log"); err != nil {
		return nil, err
	}
	defer b.table.mu.RUnlock()
	return b.table.log.read(after, limit), nil
}

// Head returns the position of the newest entry, zero in an empty log.
func (b *Backend) Head(ctx context.Context) (int64, error) {
	if err := b.table.read(ctx, "head of the log"); err != nil {
		return 0, err
	}
	defer b.table.mu.RUnlock()
	return b.table.log.head, nil
}

// Lookup returns the run's present record, which is immutable, or backend.ErrRecordNotFound.
func (b *Backend) Lookup(ctx context.Context, runID string) (*backend.Record, error) {
	return b.table.lookup(ctx, runID)
}

// Latest returns the immutable record of the newest created run of the foreign id, or backend.ErrRecordNotFound.
func (b *Backend) Latest(ctx context.Context, workflowName, foreignID string) (*backend.Record, error) {
	return b.table.latest(ctx, workflowName, foreignID)
}

// List pages through runs in the order of their creation, descending from the newest, skipping the first offset that match; an
// empty workflow name lists all workflows. The objects that the records point to are immutable. A long listing lets writers in between, so
// a record may be newer than one listed before it.
func (b *Backend) List(ctx context.Context, workflowName string, offset int64, limit int, order backend.OrderType, filters ...backend.RecordFilter) ([]backend.Record, error) {
	return b.table.list(ctx, workflowName, offset, limit, order, filters)
}

// History returns the kept versions of a run above after, in order, at most limit; none of a run that does not exist. See
// [WithHistory] for how many are kept.
func (b *Backend) History(ctx context.Context, runID string, after uint, limit int) ([]backend.Entry, error) {
	if err := b.table.read(ctx, "history"); err != nil {
		return nil, err
	}
	defer b.table.mu.RUnlock()
	r := b.table.runs[runID]
	if r == nil || limit <= 0 {
		return nil, nil
	}
	n := len(r.versions)
	from := sort.Search(n, func(i int) bool { return r.versions[i].Record.Meta.Version > after })
	out := make([]backend.Entry, 0, min(limit, n-from))
	for i := from; i < n && len(out) < limit; i++ {
		out = append(out, *r.versions[i])
	}
	return out, nil
}

// Attempts returns the failed attempts of a run, oldest first, at most limit; none of a run that does not exist. The last 100 are kept.
func (b *Backend) Attempts(ctx context.Context, runID string, limit int) ([]backend.Attempt, error) {
	if err := b.table.read(ctx, "attempts"); err != nil {
		return nil, err
	}
	defer b.table.mu.RUnlock()
	r := b.table.runs[runID]
	if r == nil {
		return nil, nil
	}
	out := make([]backend.Attempt, 0, max(0, min(limit, r.attempts.len())))
	for i := range cap(out) {
		out = append(out, r.attempts.at(i))
	}
	return out, nil
}

func (t *table) lookup(ctx context.Context, runID string) (*backend.Record, error) {
	if err := t.read(ctx, "lookup"); err != nil {
		return nil, err
	}
	defer t.mu.RUnlock()
	if r := t.runs[runID]; r != nil {
		return r.record, nil
	}
	return nil, errNoRun(runID)
}

func (t *table) latest(ctx context.Context, workflowName, foreignID string) (*backend.Record, error) {
	if err := t.read(ctx, "latest"); err != nil {
		return nil, err
	}
	defer t.mu.RUnlock()
	if w := t.workflows[workflowName]; w != nil {
		if f := w.foreign[foreignID]; f != nil {
			return f.runs.newest().record, nil
		}
	}
	return nil, fmt.Errorf("%w: workflow %s, foreign id %s", backend.ErrRecordNotFound, backend.Quote(workflowName), backend.Quote(foreignID))
}

// list returns a page of runs. The objects are those of the store.
func (t *table) list(ctx context.Context, workflowName string, offset int64, limit int, order backend.OrderType, filters []backend.RecordFilter) ([]backend.Record, error) {
	filter := backend.MakeFilter(filters...)
	if err := t.read(ctx, "list"); err != nil {
		return nil, err
	}
	key := int64(0)
	if offset = max(offset, 0); len(filters) == 0 { // every run matches: go to the place
		key, offset = t.candidates(workflowName, filter).skip(offset, descending(order))
	}
	t.mu.RUnlock()
	if limit <= 0 {
		return nil, nil
	}
	var out []backend.Record
	err := t.walk(ctx, "list", workflowName, filter, key, descending(order), func(r *run) bool {
		if offset > 0 {
			offset--
			return true
		}
		out = append(out, *r.record)
		return len(out) < limit
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Find returns at most q.Limit runs that match, in the order of their creation, past q.After. The records are immutable. Writers are
// let in between stretches, so a run is judged as it was when its turn came.
func (b *Backend) Find(ctx context.Context, q backend.Query) ([]backend.Found, error) {
	filter := backend.MakeFilter(q.Filters...)
	var out []backend.Found
	if q.Limit <= 0 {
		if err := b.table.read(ctx, "find"); err != nil {
			return nil, err
		}
		b.table.mu.RUnlock()
		return nil, nil
	}
	err := b.table.walk(ctx, "find", q.WorkflowName, filter, q.After, descending(q.Order), func(r *run) bool {
		out = append(out, backend.Found{Key: r.key, Record: r.record})
		return len(out) < q.Limit
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Count counts the runs that match, by status and run state, in the order of (status, run state). An empty workflow name counts those of
// all workflows.
func (b *Backend) Count(ctx context.Context, workflowName string, filters ...backend.RecordFilter) ([]backend.Count, error) {
	runs := make(map[backend.Point]int64)
	err := b.table.walk(ctx, "count", workflowName, backend.MakeFilter(filters...), 0, false, func(r *run) bool {
		runs[r.point()]++
		return true
	})
	if err != nil {
		return nil, err
	}
	var out []backend.Count
	for at, n := range runs {
		out = append(out, backend.Count{Status: at.Status, RunState: at.RunState, Runs: n})
	}
	slices.SortFunc(out, func(a, b backend.Count) int {
		return cmp.Or(cmp.Compare(a.Status, b.Status), cmp.Compare(a.RunState, b.RunState))
	})
	return out, nil
}

// walk calls visit with the runs past the key that match the filter, while it returns true. mu is held for a stretch at a time.
func (t *table) walk(ctx context.Context, op, workflowName string, filter *backend.RecordFilters, key int64, descending bool, visit func(*run) bool) error {
	for {
		if err := t.read(ctx, op); err != nil {
			return err
		}
		stretch := t.candidates(workflowName, filter).stretch(key, descending, listStride)
		more := len(stretch) == listStride
		for i := 0; i < len(stretch); i++ {
			r := stretch[i]
			if descending {
				r = stretch[len(stretch)-1-i]
			}
			key = r.key
			if !r.erased && filter.Match(r.record) && !visit(r) {
				more = false
				break
			}
		}
		t.mu.RUnlock()
		if !more {
			return nil
		}
	}
}

// candidates returns the runs that a listing has to look at.
func (t *table) candidates(workflowName string, filter *backend.RecordFilters) *runList {
	if workflowName == "" {
		return &t.order
	}
	w := t.workflows[workflowName]
	if w == nil {
		return &runList{}
	}
	by := filter.ByForeignID()
	ids := by.MultiValues()
	if !by.Enabled || len(ids) != 1 {
		return &w.order
	}
	if f := w.foreign[ids[0]]; f != nil {
		return &f.runs
	}
	return &runList{}
}
