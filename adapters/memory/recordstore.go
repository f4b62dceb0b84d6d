package memory

import (
	"context"
	"errors"
	"fmt"

	"github.com/stillwater-go/workflow/backend"
)

// RecordStore is the classic store of runs, in memory: a backend.TestingRecordStore and a backend.Notifier. It copies what it is
// given and what it hands out. An outbox event waits until it is deleted, so whoever stores has to drain it. All methods may be
// called concurrently.
type RecordStore struct {
	table *table
}

var (
	_ backend.TestingRecordStore = (*RecordStore)(nil)
	_ backend.Notifier           = (*RecordStore)(nil)
)

// NewRecordStore returns an empty store of its own, which belongs to no Backend and keeps no log.
func NewRecordStore(opts ...Option) *RecordStore {
	return &RecordStore{table: newTable(makeOptions(opts, kept{objects: 1000, versions: 1000}), nil)}
}

// Store writes the record and leaves an outbox event, together. See [backend.RecordStore] for the rules; it fails with
// backend.ErrVersionConflict, ErrWorkflowInProgress, ErrTooLarge and ErrInvalidID, the last also where the run id is that of
// another workflow or foreign id.
func (s *RecordStore) Store(ctx context.Context, record *backend.Record) error {
	if record == nil {
		return errors.New("store: nil record")
	}
	if err := backend.ValidateRecord(record); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	rec := record.Clone()
	event, err := backend.MakeOutboxEventData(*rec)
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	if err := s.table.store(ctx, rec, event); err != nil {
		return err
	}
	s.table.stores.tell()
	return nil
}

// store writes a record that nobody else has, with its event.
func (t *table) store(ctx context.Context, rec *backend.Record, event backend.OutboxEventData) error {
	t.commits.Lock()
	defer t.commits.Unlock()
	if err := t.write(ctx, "store"); err != nil {
		return err
	}
	defer t.mu.Unlock()
	v, err := t.judge(rec)
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	if rec.Meta.Version != v.version { // the event says which version it is about
		rec.Meta.Version = v.version
		if event, err = backend.MakeOutboxEventData(*rec); err != nil {
			return fmt.Errorf("store: %w", err)
		}
	}
	t.put(v, rec, v.run.point(), backend.CauseStore, "")
	t.post(t.runs[rec.RunID], event)
	return nil
}

// Lookup returns a copy of the run, or backend.ErrRecordNotFound.
func (s *RecordStore) Lookup(ctx context.Context, runID string) (*backend.Record, error) {
	rec, err := s.table.lookup(ctx, runID)
	return rec.Clone(), err
}

// Latest returns a copy of the newest created run of the foreign id, or backend.ErrRecordNotFound.
func (s *RecordStore) Latest(ctx context.Context, workflowName, foreignID string) (*backend.Record, error) {
	rec, err := s.table.latest(ctx, workflowName, foreignID)
	return rec.Clone(), err
}

// List returns copies of runs in the order of their creation, descending from the newest, skipping the first offset that match, at
// most limit. An empty workflow name lists all workflows.
func (s *RecordStore) List(ctx context.Context, workflowName string, offset int64, limit int, order backend.OrderType, filters ...backend.RecordFilter) ([]backend.Record, error) {
	out, err := s.table.list(ctx, workflowName, offset, limit, order, filters)
	for i := range out {
		out[i] = *out[i].Clone()
	}
	return out, err
}

// Snapshots returns copies of what was stored of the run, oldest first, each version and each record of version 0, as many as are kept
// (see [WithHistory]); older ones have no object. There are none where the names are not those of the run.
func (s *RecordStore) Snapshots(workflowName, foreignID, runID string) []*backend.Record {
	s.table.mu.RLock()
	defer s.table.mu.RUnlock()
	r := s.table.runs[runID]
	if r == nil || r.workflow.name != workflowName || r.foreign.id != foreignID {
		return nil
	}
	out := make([]*backend.Record, len(r.versions))
	for i := range out {
		out[i] = r.versions[i].Record.Clone()
	}
	return out
}
