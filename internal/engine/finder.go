package engine

import (
	"cmp"
	"context"
	"slices"

	"github.com/stillwater-go/workflow/backend"
)

// finder returns the backend's own, or one that makes do with List.
func (e *Engine) finder() backend.Finder { return FinderOf(e.b) }

// FinderOf returns how to find runs in a backend: by its own capability, or by listing and filtering, which may skip or repeat a run that
// is created or erased meanwhile.
func FinderOf(b backend.Backend) backend.Finder {
	if f, ok := b.(backend.Finder); ok {
		return f
	}
	return lister{b}
}

// lister finds by List. The key of a run is its place in the listing, counted from one.
type lister struct{ b backend.Backend }

// listPage is how many runs are read at once.
const listPage = 200

// Find returns runs past a place in the listing of the query's order.
func (l lister) Find(ctx context.Context, q backend.Query) ([]backend.Found, error) {
	var found []backend.Found
	err := l.each(ctx, q, func(key int64, rec *backend.Record) bool {
		found = append(found, backend.Found{Key: key, Record: rec})
		return len(found) < q.Limit
	})
	return found, err
}

// Count counts by listing all.
func (l lister) Count(ctx context.Context, workflowName string, filters ...backend.RecordFilter) ([]backend.Count, error) {
	var counts []backend.Count
	at := make(map[backend.Point]int)
	err := l.each(ctx, backend.Query{WorkflowName: workflowName, Limit: 1, Filters: filters}, func(_ int64, rec *backend.Record) bool {
		p := backend.Point{RunState: rec.RunState, Status: rec.Status}
		i, known := at[p]
		if !known {
			i = len(counts)
			at[p] = i
			counts = append(counts, backend.Count{Status: rec.Status, RunState: rec.RunState})
		}
		counts[i].Runs++
		return true
	})
	slices.SortFunc(counts, func(a, b backend.Count) int {
		return cmp.Or(cmp.Compare(a.Status, b.Status), cmp.Compare(a.RunState, b.RunState))
	})
	return counts, err
}

// each shows every run of the query past its place, while show returns true.
func (l lister) each(ctx context.Context, q backend.Query, show func(key int64, rec *backend.Record) bool) error {
	filters := backend.MakeFilter(q.Filters...)
	for offset := q.After; q.Limit > 0; {
		page, err := l.b.List(ctx, q.WorkflowName, offset, listPage, q.Order, q.Filters...)
		if err != nil {
			return err
		}
		for i := range page {
			offset++
			if filters.Match(&page[i]) && !show(offset, &page[i]) {
				return nil
			}
		}
		if len(page) < listPage {
			return nil
		}
	}
	return nil
}
