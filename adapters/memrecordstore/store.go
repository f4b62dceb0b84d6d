package memrecordstore

import (
	"context"
	"sync"

	"github.com/stillwater-go/workflow/adapters/memory"
	"github.com/stillwater-go/workflow/backend"
)

// Store is the classic store of runs, in memory. Make it with [New]. All methods may be called concurrently. It copies what it
// is given and what it hands out.
type Store struct {
	records *memory.RecordStore

	mu      sync.Mutex // guards offsets
	offsets map[snapshotKey]int
}

var (
	_ backend.TestingRecordStore = (*Store)(nil)
	_ backend.Notifier           = (*Store)(nil)
)

// snapshotKey names the snapshots of one run.
type snapshotKey struct{ workflowName, foreignID, runID string }

// Option sets one of the options of [New].
type Option func(o *options)

type options struct {
	clock backend.Clock
	relay *relay
}

// WithClock sets the clock that stamps outbox events. The default, also for nil, is the machine's clock.
func WithClock(clock backend.Clock) Option {
	return func(o *options) { o.clock = clock }
}

// WithOutbox makes the store send its outbox events, of all workflows, to the streamer, by one goroutine that ends with ctx. Store
// wakes it; nothing polls. Each workflow's events are sent in order and at least once. What fails is told to the logger, which may be nil, and
// tried again after a pause that grows from 10 ms to 5 s, while other workflows' events go on. The default is to send nothing.
func WithOutbox(ctx context.Context, es backend.EventStreamer, logger backend.Logger) Option {
	return func(o *options) { o.relay = &relay{ctx: ctx, streamer: es, logger: logger} }
}

// New returns an empty store.
func New(opts ...Option) *Store {
	var o options
	for _, opt := range opts {
		opt(&o)
	}
	s := &Store{
		records: memory.NewRecordStore(memory.WithClock(o.clock)),
		offsets: make(map[snapshotKey]int),
	}
	if o.relay != nil {
		o.relay.start(s.records)
	}
	return s
}

// Store writes the record and leaves an outbox event, together. See [backend.RecordStore] for the rules; it fails with
// backend.ErrVersionConflict, ErrWorkflowInProgress, ErrTooLarge and ErrInvalidID, the last also where the run id is that of
// another workflow or foreign id.
func (s *Store) Store(ctx context.Context, record *backend.Record) error {
	return s.records.Store(ctx, record)
}

// Lookup returns the run, or backend.ErrRecordNotFound.
func (s *Store) Lookup(ctx context.Context, id string) (*backend.Record, error) {
	return s.records.Lookup(ctx, id)
}

// Latest returns the newest created run of the foreign id, or backend.ErrRecordNotFound.
func (s *Store) Latest(ctx context.Context, workflowName, foreignID string) (*backend.Record, error) {
	return s.records.Latest(ctx, workflowName, foreignID)
}

// List returns runs in the order of their creation, descending from the newest, skipping the first offset that match the filters, at
// most limit. An empty workflow name lists all workflows.
func (s *Store) List(ctx context.Context, workflowName string, offset int64, limit int, order backend.OrderType, filters ...backend.RecordFilter) ([]backend.Record, error) {
	return s.records.List(ctx, workflowName, offset, limit, order, filters...)
}

// ListOutboxEvents returns the oldest events of the workflow that wait to be sent, in the order of their Store calls, at most limit.
func (s *Store) ListOutboxEvents(ctx context.Context, workflowName string, limit int64) ([]backend.OutboxEvent, error) {
	return s.records.ListOutboxEvents(ctx, workflowName, limit)
}

// DeleteOutboxEvent removes an event that was sent, or returns backend.ErrOutboxRecordNotFound.
func (s *Store) DeleteOutboxEvent(ctx context.Context, id string) error {
	return s.records.DeleteOutboxEvent(ctx, id)
}

// ChecksVersions says that Store keeps the version rule by itself.
func (s *Store) ChecksVersions() bool { return true }

// NotifyOutbox calls stored after each Store. stored must return at once, and calls do not overlap. The returned function ends it
// and waits for a running call; stored must not call it.
func (s *Store) NotifyOutbox(stored func()) (stop func()) { return s.records.NotifyOutbox(stored) }

// Snapshots returns what was stored of the run, oldest first, each version and each record of version 0; the last 1,000 are kept.
func (s *Store) Snapshots(workflowName, foreignID, runID string) []*backend.Record {
	return s.records.Snapshots(workflowName, foreignID, runID)
}

// SetSnapshotOffset notes for a test how many snapshots of the run it has looked at. The store does nothing with it.
func (s *Store) SetSnapshotOffset(workflowName, foreignID, runID string, offset int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.offsets[snapshotKey{workflowName, foreignID, runID}] = offset
}

// SnapshotOffset returns what SetSnapshotOffset noted last, zero where it noted nothing.
func (s *Store) SnapshotOffset(workflowName, foreignID, runID string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.offsets[snapshotKey{workflowName, foreignID, runID}]
}
