package memory

import (
	"context"
	"fmt"
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

// History returns the kept versions of a run above after, in order, at most limit; none of a run that does not exist. The last 1,000
// versions are kept.
func (b *Backend) History(ctx context.Context, runID string, after uint, limit int) ([]backend.Entry, error) {
	if err := b.table.read(ctx, "history"); err != nil {
		return nil, err
	}
	defer b.table.mu.RUnlock()
	r := b.table.runs[runID]
	if r == nil || limit <= 0 {
		return nil, nil
	}
	n := r.versions.len()
	from := sort.Search(n, func(i int) bool { return r.versions.at(i).Record.Meta.Version > after })
	out := make([]backend.Entry, 0, min(limit, n-from))
	for i := from; i < n && len(out) < limit; i++ {
		out = append(out, *r.versions.at(i))
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
			return f.runs[len(f.runs)-1].record, nil
		}
	}
	return nil, fmt.Errorf("%w: workflow %s, foreign id %s", backend.ErrRecordNotFound, backend.Quote(workflowName), backend.Quote(foreignID))
}

// list returns a page of runs. The objects are those of the store.
func (t *table) list(ctx context.Context, workflowName string, offset int64, limit int, order backend.OrderType, filters []backend.RecordFilter) ([]backend.Record, error) {
	if err := t.read(ctx, "list"); err != nil {
		return nil, err
	}
	filter := backend.MakeFilter(filters...)
	from := t.candidates(workflowName, filter)
	t.mu.RUnlock()
	if limit <= 0 {
		return nil, nil
	}
	offset = max(offset, 0)
	if len(filters) == 0 { // every run matches: go to the place
		offset = min(offset, int64(len(from)))
		if order == backend.OrderTypeDescending {
			from = from[:int64(len(from))-offset]
		} else {
			from = from[offset:]
		}
		offset = 0
	}
	var out []backend.Record
	for len(from) > 0 && len(out) < limit {
		stride := from
		if n := min(listStride, len(from)); order == backend.OrderTypeDescending {
			from, stride = from[:len(from)-n], from[len(from)-n:]
		} else {
			from, stride = from[n:], from[:n]
		}
		if err := t.read(ctx, "list"); err != nil {
			return nil, err
		}
		out, offset = match(out, stride, offset, limit, order, filter)
		t.mu.RUnlock()
	}
	return out, nil
}

// match appends those of a stride that pass the filter, after skipping offset of them, until out holds limit.
func match(out []backend.Record, stride []*run, offset int64, limit int, order backend.OrderType, filter *backend.RecordFilters) ([]backend.Record, int64) {
	for i := range stride {
		if order == backend.OrderTypeDescending {
			i = len(stride) - 1 - i
		}
		switch rec := stride[i].record; {
		case !filter.Match(rec):
		case offset > 0:
			offset--
		default:
			if out = append(out, *rec); len(out) == limit {
				return out, offset
			}
		}
	}
	return out, offset
}

// candidates returns the runs that a listing has to look at, in the order of their creation. The slices only ever grow at
// their ends, so what is returned may be walked without the lock.
func (t *table) candidates(workflowName string, filter *backend.RecordFilters) []*run {
	if workflowName == "" {
		return t.order
	}
	w := t.workflows[workflowName]
	if w == nil {
		return nil
	}
	by := filter.ByForeignID()
	ids := by.MultiValues()
	if !by.Enabled || len(ids) != 1 {
		return w.order
	}
	if f := w.foreign[ids[0]]; f != nil {
		return f.runs
	}
	return nil
}
