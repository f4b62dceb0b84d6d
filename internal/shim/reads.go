package shim

import (
	"context"
	"errors"

	"github.com/stillwater-go/workflow/backend"
)

// Lookup returns the run, or backend.ErrRecordNotFound.
func (b *Backend) Lookup(ctx context.Context, runID string) (*backend.Record, error) {
	if err := b.open(ctx); err != nil {
		return nil, err
	}
	return b.lookup(ctx, runID)
}

func (b *Backend) lookup(ctx context.Context, runID string) (*backend.Record, error) {
	r, err := b.store.Lookup(ctx, runID)
	if err != nil {
		return nil, err
	}
	return b.complete(r), nil
}

// Latest returns the newest created run of the foreign id, or backend.ErrRecordNotFound.
func (b *Backend) Latest(ctx context.Context, workflowName, foreignID string) (*backend.Record, error) {
	if err := b.open(ctx); err != nil {
		return nil, err
	}
	r, err := b.store.Latest(ctx, workflowName, foreignID)
	if err != nil {
		return nil, err
	}
	return b.complete(r), nil
}

// List pages through runs; see backend.RecordStore. Filters that classic stores know nothing of are applied here, on top of the store's
// listing, which is then read from its beginning.
func (b *Backend) List(ctx context.Context, workflowName string, offsetID int64, limit int, order backend.OrderType, filters ...backend.RecordFilter) ([]backend.Record, error) {
	if err := b.open(ctx); err != nil {
		return nil, err
	}
	wanted := backend.MakeFilter(filters...)
	if !wanted.Extended() {
		return b.store.List(ctx, workflowName, offsetID, limit, order, filters...)
	}
	var out []backend.Record
	for offset := int64(0); len(out) < limit; {
		page, err := b.store.List(ctx, workflowName, offset, scanPage, order, filters...)
		if err != nil {
			return nil, err
		}
		for i := range page {
			if len(out) == limit || !wanted.Match(&page[i]) {
				continue
			}
			if offsetID--; offsetID < 0 {
				out = append(out, page[i])
			}
		}
		if len(page) < scanPage {
			break
		}
		offset += int64(len(page))
	}
	return out, nil
}

// complete fills in what an older plain store does not keep, where this process knows it: the visit, and who paused the run.
func (b *Backend) complete(r *backend.Record) *backend.Record {
	noVisit := r.Meta.Visit == 0 && r.Meta.Version > 0
	noPauser := r.RunState == backend.RunStatePaused && r.Meta.PausedBy == backend.PausedByNobody
	if !noVisit && !noPauser {
		return r
	}
	visit, pausedBy := r.Meta.Visit, r.Meta.PausedBy
	if own := b.cache.get(r.RunID, r.Meta.Version); own != nil {
		visit, pausedBy = own.Meta.Visit, own.Meta.PausedBy
	} else if noVisit {
		visit = b.held.visit(r.RunID, r.Status)
	}
	if visit == r.Meta.Visit && pausedBy == r.Meta.PausedBy {
		return r
	}
	c := *r
	c.Meta.Visit, c.Meta.PausedBy = visit, pausedBy
	return &c
}

// History returns every version from a store that keeps them for tests, else the present one, and before it those that this process committed
// and still remembers. The positions are zero.
func (b *Backend) History(ctx context.Context, runID string, after uint, limit int) ([]backend.Entry, error) {
	if err := b.open(ctx); err != nil {
		return nil, err
	}
	if limit <= 0 {
		return nil, nil
	}
	if limit == 1 {
		if own := b.cache.get(runID, after+1); own != nil {
			return []backend.Entry{{Record: own}}, nil
		}
	}
	r, err := b.lookup(ctx, runID)
	if errors.Is(err, backend.ErrRecordNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var versions []*backend.Record
	before := b.cache.get(runID, after)
	if t, ok := b.cfg.Store.(backend.TestingRecordStore); ok {
		if versions, err = b.store.snapshots(t, r); err != nil {
			return nil, err
		}
	} else {
		versions = append(b.cache.between(runID, after, r.Meta.Version), r)
	}
	var out []backend.Entry
	for _, v := range versions {
		if len(out) == limit {
			break
		}
		if v == nil {
			continue
		}
		if v.Meta.Version > after {
			e := backend.Entry{Record: v}
			if before != nil && before.Meta.Version+1 == v.Meta.Version {
				e.From = backend.Point{RunState: before.RunState, Status: before.Status}
			}
			out = append(out, e)
		}
		before = v
	}
	return out, nil
}

// Attempts returns the failed attempts that this process remembers of a run, oldest first; at most limit.
func (b *Backend) Attempts(ctx context.Context, runID string, limit int) ([]backend.Attempt, error) {
	if err := b.open(ctx); err != nil {
		return nil, err
	}
	return b.attempts.of(runID, limit), nil
}

// Due returns deliveries with a due time past the mark, in order; see backend.Deliveries.
func (b *Backend) Due(ctx context.Context, workflowName string, after backend.DueMark, limit int) ([]backend.Delivery, error) {
	if err := b.open(ctx); err != nil {
		return nil, err
	}
	if workflowName != b.cfg.WorkflowName {
		return nil, nil
	}
	return b.held.page(after, limit), nil
}

// Held returns the deliveries of a run that this process holds.
func (b *Backend) Held(ctx context.Context, runID string) ([]backend.Delivery, error) {
	if err := b.open(ctx); err != nil {
		return nil, err
	}
	return b.held.ofRun(runID), nil
}

// ListHeld returns what this process has given up, past the key, in order; see backend.HeldLister.
func (b *Backend) ListHeld(ctx context.Context, workflowName string, after backend.DeliveryKey, limit int) ([]backend.Delivery, error) {
	if err := b.open(ctx); err != nil {
		return nil, err
	}
	if workflowName != b.cfg.WorkflowName {
		return nil, nil
	}
	return b.held.givenUp(after, limit), nil
}
