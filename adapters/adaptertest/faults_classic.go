package adaptertest

import (
	"context"

	"github.com/stillwater-go/workflow/backend"
)

// FaultyRecordStore is a classic store that fails on purpose. What it does not break it hands to the store inside.
//
// It looks like a plain store: it says whether the store inside checks versions, and keeps its snapshots, but not that it notifies, so an
// engine on it looks for outbox events at the pace of the outbox's polling frequency, as it does on most stores of third parties.
//
// All methods may be called concurrently. With one caller at a time, the same seed and the same calls give the same faults.
type FaultyRecordStore struct {
	injector
	inner backend.RecordStore
}

var (
	_ backend.TestingRecordStore = (*FaultyRecordStore)(nil)
	_ backend.CheckingStore      = (*FaultyRecordStore)(nil)
)

// NewFaultyRecordStore wraps a store. Nothing fails until Set is called.
func NewFaultyRecordStore(inner backend.RecordStore, seed uint64) *FaultyRecordStore {
	return &FaultyRecordStore{injector: newInjector(seed), inner: inner}
}

// Unwrap returns the store inside, which does not lie.
func (f *FaultyRecordStore) Unwrap() backend.RecordStore { return f.inner }

// Store stores, or does not, or does and says that it did not. Stored twice, the second time with a copy, a versioned record conflicts with itself,
// which nobody learns of.
func (f *FaultyRecordStore) Store(ctx context.Context, record *backend.Record) error {
	again := record.Clone() // before the first: a store may keep what it was given
	calls := 0
	return f.fails(ctx, MethodStore, func() error {
		if calls++; calls > 1 {
			record = again
		}
		return f.inner.Store(ctx, record)
	})
}

// Lookup looks a run up in the store inside.
func (f *FaultyRecordStore) Lookup(ctx context.Context, runID string) (*backend.Record, error) {
	return faulty(ctx, &f.injector, MethodLookup, func() (*backend.Record, error) { return f.inner.Lookup(ctx, runID) })
}

// Latest looks a foreign id up in the store inside.
func (f *FaultyRecordStore) Latest(ctx context.Context, workflowName, foreignID string) (*backend.Record, error) {
	return faulty(ctx, &f.injector, MethodLatest, func() (*backend.Record, error) { return f.inner.Latest(ctx, workflowName, foreignID) })
}

// List lists the runs of the store inside.
func (f *FaultyRecordStore) List(ctx context.Context, workflowName string, offsetID int64, limit int, order backend.OrderType, filters ...backend.RecordFilter) ([]backend.Record, error) {
	return faulty(ctx, &f.injector, MethodList, func() ([]backend.Record, error) {
		return f.inner.List(ctx, workflowName, offsetID, limit, order, filters...)
	})
}

// ListOutboxEvents lists the events of the store inside.
func (f *FaultyRecordStore) ListOutboxEvents(ctx context.Context, workflowName string, limit int64) ([]backend.OutboxEvent, error) {
	return faulty(ctx, &f.injector, MethodListOutboxEvents, func() ([]backend.OutboxEvent, error) {
		return f.inner.ListOutboxEvents(ctx, workflowName, limit)
	})
}

// DeleteOutboxEvent deletes an event of the store inside.
func (f *FaultyRecordStore) DeleteOutboxEvent(ctx context.Context, id string) error {
	return f.fails(ctx, MethodDeleteOutboxEvent, func() error { return f.inner.DeleteOutboxEvent(ctx, id) })
}

// Snapshots returns what the store inside keeps, which is the present version where that is no store for tests. It never fails on purpose.
func (f *FaultyRecordStore) Snapshots(workflowName, foreignID, runID string) []*backend.Record {
	if t, ok := f.inner.(backend.TestingRecordStore); ok {
		return t.Snapshots(workflowName, foreignID, runID)
	}
	rec, err := f.inner.Lookup(context.Background(), runID)
	if err != nil {
		return nil
	}
	return []*backend.Record{rec}
}

// ChecksVersions reports what the store inside says of itself.
func (f *FaultyRecordStore) ChecksVersions() bool {
	c, ok := f.inner.(backend.CheckingStore)
	return ok && c.ChecksVersions()
}

// fails calls one method that gives an error alone.
func (f *FaultyRecordStore) fails(ctx context.Context, m Method, call func() error) error {
	_, err := faulty(ctx, &f.injector, m, func() (struct{}, error) { return struct{}{}, call() })
	return err
}
