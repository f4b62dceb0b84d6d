package memory

import (
	"sync"

	"github.com/stillwater-go/workflow/adapters/memrolescheduler"
	"github.com/stillwater-go/workflow/adapters/memstreamer"
	"github.com/stillwater-go/workflow/adapters/memtimeoutstore"
	"github.com/stillwater-go/workflow/backend"
)

// Backend keeps runs in the memory of this process. Make it with [New]. All methods may be called concurrently, and all but
// the classic parts fail with backend.ErrClosed after Close.
type Backend struct {
	table *table
	roles roles
	slot  backend.Slot

	recordStore   func() *RecordStore
	eventStreamer func() backend.EventStreamer
	roleScheduler func() backend.RoleScheduler
	timeoutStore  func() backend.TimeoutStore
}

var (
	_ backend.Backend    = (*Backend)(nil)
	_ backend.Transactor = (*Backend)(nil)
	_ backend.Checker    = (*Backend)(nil)
	_ backend.Finder     = (*Backend)(nil)
	_ backend.HeldLister = (*Backend)(nil)
	_ backend.Eraser     = (*Backend)(nil)
)

// Option sets one of the options of [New] and [NewRecordStore].
type Option func(o *options)

type options struct {
	clock backend.Clock
	keep  kept
}

// WithClock sets the clock that stamps outbox events and what the classic parts stamp. The default, also for nil, is the machine's clock.
func WithClock(clock backend.Clock) Option {
	return func(o *options) { o.clock = clock }
}

// WithHistory sets how many versions of a run are kept, the newest, and how many of those with their object: of older ones it is known
// when the run moved where, and why. Zero or less leaves the default, which is 100 objects and 10,000 versions in a [Backend], and
// 1,000 of both in a store of [NewRecordStore]. At least as many versions are kept as objects.
//
// More is kept where somebody still needs it: what the cursor of the run's bucket has not passed, and what a stored delivery to a hook
// tells of.
func WithHistory(objects, versions int) Option {
	return func(o *options) { o.keep = kept{objects: objects, versions: versions} }
}

func makeOptions(opts []Option, keep kept) options {
	var o options
	for _, opt := range opts {
		opt(&o)
	}
	if o.clock == nil {
		o.clock = backend.RealClock{}
	}
	if o.keep.objects <= 0 {
		o.keep.objects = keep.objects
	}
	if o.keep.versions <= 0 {
		o.keep.versions = keep.versions
	}
	o.keep.versions = max(o.keep.versions, o.keep.objects)
	return o
}

// New returns an empty Backend.
func New(opts ...Option) *Backend {
	o := makeOptions(opts, kept{objects: 100, versions: 10_000})
	clock, t := o.clock, newTable(o, newLog())
	return &Backend{
		table:       t,
		roles:       roles{contests: make(map[string]*contest)},
		recordStore: sync.OnceValue(func() *RecordStore { return &RecordStore{table: t} }),
		eventStreamer: sync.OnceValue(func() backend.EventStreamer {
			return memstreamer.New(memstreamer.WithClock(clock))
		}),
		roleScheduler: sync.OnceValue(func() backend.RoleScheduler { return memrolescheduler.New() }),
		timeoutStore: sync.OnceValue(func() backend.TimeoutStore {
			return memtimeoutstore.New(memtimeoutstore.WithClock(clock))
		}),
	}
}

// Slot keeps the one engine that serves this Backend.
func (b *Backend) Slot() *backend.Slot { return &b.slot }

// RecordStore returns the classic view of the same runs, a *[RecordStore]. What it stores gets into the log, and wakes those who
// [Backend.Watch]; its outbox has the events of its own Store calls only, because a Commit leaves none.
func (b *Backend) RecordStore() backend.RecordStore { return b.recordStore() }

// EventStreamer returns a streamer in memory, the same one at every call.
func (b *Backend) EventStreamer() backend.EventStreamer { return b.eventStreamer() }

// RoleScheduler returns a scheduler of roles in memory, the same one at every call. Its roles have nothing to do with those of Join.
func (b *Backend) RoleScheduler() backend.RoleScheduler { return b.roleScheduler() }

// TimeoutStore returns a store of timeouts in memory, the same one at every call.
func (b *Backend) TimeoutStore() backend.TimeoutStore { return b.timeoutStore() }

// Watch calls changed after each Store on the classic view. changed must return at once, and calls do not overlap. The returned function
// ends the watch and waits for a running call; changed must not call it.
func (b *Backend) Watch(changed func()) (stop func()) { return b.table.stores.add(changed) }

// Close waits for a running Commit, takes the roles from those who hold them, and makes every later call fail with
// backend.ErrClosed. The data is gone with the last pointer to the Backend. It may be called again, and returns nil always.
func (b *Backend) Close() error {
	t := b.table
	t.commits.Lock()
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	t.commits.Unlock()
	b.roles.close()
	return nil
}
