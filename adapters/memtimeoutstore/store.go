package memtimeoutstore

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sort"
	"sync"
	"time"

	"github.com/stillwater-go/workflow/backend"
)

// Store is a backend.TimeoutStore in memory. Make it with [New]. All methods may be called concurrently.
type Store struct {
	clock backend.Clock

	mu      sync.Mutex // guards all below
	lastID  int64
	byID    map[int64]*backend.TimeoutRecord
	created map[string][]*backend.TimeoutRecord // per workflow, in the order of ids
	open    map[place][]*backend.TimeoutRecord  // not completed, in the order of (expiry, id)
}

// place is where a timeout applies.
type place struct {
	workflowName string
	status       int
}

var _ backend.TimeoutStore = (*Store)(nil)

// Option alters what [New] makes.
type Option func(s *Store)

// WithClock sets the clock that stamps TimeoutRecord.CreatedAt. The default, also for nil, is the machine's clock.
func WithClock(c backend.Clock) Option {
	return func(s *Store) { s.clock = c }
}

// New returns an empty store.
func New(opts ...Option) *Store {
	s := &Store{
		byID:    make(map[int64]*backend.TimeoutRecord),
		created: make(map[string][]*backend.TimeoutRecord),
		open:    make(map[place][]*backend.TimeoutRecord),
	}
	for _, opt := range opts {
		opt(s)
	}
	if s.clock == nil {
		s.clock = backend.RealClock{}
	}
	return s
}

// Create adds a timeout under the next id; ids start at 1. One that equals an existing timeout is added beside it. It fails with
// ctx.Err() when the context has ended.
func (s *Store) Create(ctx context.Context, workflowName, foreignID, runID string, status int, expireAt time.Time) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	now := s.clock.Now() // the user's code runs without the lock
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lastID++
	r := &backend.TimeoutRecord{
		ID:           s.lastID,
		WorkflowName: workflowName,
		ForeignID:    foreignID,
		RunID:        runID,
		Status:       status,
		ExpireAt:     expireAt,
		CreatedAt:    now,
	}
	s.byID[r.ID] = r
	s.created[workflowName] = append(s.created[workflowName], r)
	at := place{workflowName, status}
	i, _ := slices.BinarySearchFunc(s.open[at], r, byExpiry)
	s.open[at] = slices.Insert(s.open[at], i, r)
	return nil
}

// Complete marks the timeout as done: ListValid leaves it out from then on, List still shows it. Doing it again changes nothing. It
// fails with backend.ErrTimeoutNotFound for an unknown or cancelled id, and with ctx.Err() when the context has ended.
func (s *Store) Complete(ctx context.Context, id int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.byID[id]
	if r == nil {
		return fmt.Errorf("memtimeoutstore: complete timeout %d: %w", id, backend.ErrTimeoutNotFound)
	}
	if !r.Completed {
		s.closeOpen(r)
		r.Completed = true
	}
	return nil
}

// Cancel removes the timeout, completed or not. It fails with backend.ErrTimeoutNotFound for an unknown id, one cancelled before
// included, and with ctx.Err() when the context has ended.
func (s *Store) Cancel(ctx context.Context, id int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.byID[id]
	if r == nil {
		return fmt.Errorf("memtimeoutstore: cancel timeout %d: %w", id, backend.ErrTimeoutNotFound)
	}
	if !r.Completed {
		s.closeOpen(r)
	}
	delete(s.byID, id)
	put(s.created, r.WorkflowName, without(s.created[r.WorkflowName], r, byCreation))
	return nil
}

// List returns the timeouts of the workflow that were not cancelled, completed ones too, in the order of their ids. It fails with
// ctx.Err() when the context has ended.
func (s *Store) List(ctx context.Context, workflowName string) ([]backend.TimeoutRecord, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return copies(s.created[workflowName]), nil
}

// ListValid returns the timeouts of the workflow and status that are not completed and expired at or before now, the earliest
// first. It fails with ctx.Err() when the context has ended.
func (s *Store) ListValid(ctx context.Context, workflowName string, status int, now time.Time) ([]backend.TimeoutRecord, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	open := s.open[place{workflowName, status}]
	n := sort.Search(len(open), func(i int) bool { return open[i].ExpireAt.After(now) })
	return copies(open[:n]), nil
}

// closeOpen takes a timeout out of those that can expire.
func (s *Store) closeOpen(r *backend.TimeoutRecord) {
	at := place{r.WorkflowName, r.Status}
	put(s.open, at, without(s.open[at], r, byExpiry))
}

type order func(a, b *backend.TimeoutRecord) int

func byExpiry(a, b *backend.TimeoutRecord) int {
	return cmp.Or(a.ExpireAt.Compare(b.ExpireAt), byCreation(a, b))
}

func byCreation(a, b *backend.TimeoutRecord) int { return cmp.Compare(a.ID, b.ID) }

// without removes a record from an ordered list that holds it.
func without(list []*backend.TimeoutRecord, r *backend.TimeoutRecord, by order) []*backend.TimeoutRecord {
	i, _ := slices.BinarySearchFunc(list, r, by)
	return slices.Delete(list, i, i+1)
}

// put stores a list, and no empty ones, so that the map holds only what is in use.
func put[K comparable](m map[K][]*backend.TimeoutRecord, key K, list []*backend.TimeoutRecord) {
	if len(list) == 0 {
		delete(m, key)
		return
	}
	m[key] = list
}

func copies(list []*backend.TimeoutRecord) []backend.TimeoutRecord {
	out := make([]backend.TimeoutRecord, len(list))
	for i, r := range list {
		out[i] = *r
	}
	return out
}
