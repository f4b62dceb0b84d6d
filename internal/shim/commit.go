package shim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"sync"

	"github.com/stillwater-go/workflow/backend"
)

// Commit stores every change by itself, in order. The returned error is not nil only for a closed Backend or an ended ctx;
// then nothing is stored. Pos stays zero: the entry comes back through the stream.
func (b *Backend) Commit(ctx context.Context, batch []*backend.Change) error {
	if err := b.open(ctx); err != nil {
		for _, c := range batch {
			c.Err = err
		}
		return err
	}
	stored := false
	for _, c := range batch {
		c.Pos = 0
		c.Err = b.commit(ctx, c)
		stored = stored || (c.Err == nil && c.Record != nil)
	}
	if stored && b.notifier == nil {
		poke(b.relayWake)
	}
	return nil
}

// commit stores one change: the record, then what only memory and the TimeoutStore keep.
func (b *Backend) commit(ctx context.Context, c *backend.Change) error {
	if err := unsupported(c); err != nil {
		return err
	}
	create, complete, err := b.write(ctx, c)
	if err != nil {
		return err
	}
	b.mirror.create(ctx, create)
	b.mirror.complete(complete)
	return nil
}

// unsupported refuses what plain parts cannot keep.
func unsupported(c *backend.Change) error {
	switch {
	case c.Tx != nil:
		return fmt.Errorf("%w: plain parts have no transaction to run it in", backend.ErrTxUnsupported)
	case c.SignalID != "":
		return fmt.Errorf("%w: a plain record store has no place to remember a signal's id, so it could be taken twice", backend.ErrUnsupported)
	case slices.ContainsFunc(c.Hold, func(d backend.Delivery) bool { return d.Receiver.IsSignal() }):
		return fmt.Errorf("%w: plain parts keep deliveries in memory, so a signal would be lost with the process", backend.ErrUnsupported)
	}
	return nil
}

// write stores the record and takes what memory keeps, while nobody else writes the run. It returns what has to be told to the TimeoutStore.
func (b *Backend) write(ctx context.Context, c *backend.Change) (create, complete []*timeoutRow, err error) {
	of := c.Record
	switch {
	case of != nil:
		if err := backend.ValidateRecord(of); err != nil {
			return nil, nil, err
		}
		if have := of.Meta.Version - 1; c.Expect != 0 && of.Meta.Version != 0 && c.Expect != have {
			return nil, nil, &backend.ConflictError{RunID: of.RunID, Want: c.Expect, Have: have}
		}
	case c.Expect != 0 || setsTimer(c):
		if of, err = b.lookup(ctx, c.RunID()); err != nil {
			return nil, nil, expected(c, err)
		}
	}
	if of != nil {
		defer b.lock(of, c)()
	}
	if c.Expect != 0 && (c.Record == nil || c.Record.Meta.Version == 0) {
		if of, err = b.lookup(ctx, c.RunID()); err != nil { // now that nobody moves it
			return nil, nil, expected(c, err)
		}
		if have := of.Meta.Version; have != c.Expect {
			return nil, nil, &backend.ConflictError{RunID: of.RunID, Want: c.Expect, Have: have}
		}
	}
	if c.Record != nil {
		if err := b.storeRecord(ctx, c.Record); err != nil {
			return nil, nil, err
		}
		of = c.Record
		b.cache.put(of)
		b.log.countEnd(of)
	}
	if c.Scrub {
		b.scrub(c.RunID(), c.Record)
	}
	if c.Attempt != nil {
		b.attempts.add(*c.Attempt)
	}
	create, complete = b.held.apply(c, of)
	return create, complete, nil
}

// expected puts the lookup of a run that is not there in the words of a guarded change.
func expected(c *backend.Change, err error) error {
	if c.Expect != 0 && errors.Is(err, backend.ErrRecordNotFound) {
		return &backend.ConflictError{RunID: c.RunID(), Want: c.Expect}
	}
	return err
}

func setsTimer(c *backend.Change) bool {
	for i := range c.Hold {
		if isTimer(&c.Hold[i]) {
			return true
		}
	}
	return false
}

// lock keeps other changes of the run away until the returned function is called. A store that compares versions arbitrates between
// records by itself: they exclude only what is compared here.
func (b *Backend) lock(of *backend.Record, c *backend.Change) (unlock func()) {
	mu := b.locks.of(of.WorkflowName, of.ForeignID)
	switch {
	case c.Record == nil && c.Expect == 0:
		return func() {}
	case c.Record != nil && c.Record.Meta.Version > 0 && b.checks:
		mu.RLock()
		return mu.RUnlock
	}
	mu.Lock()
	return mu.Unlock
}

// storeRecord stores a valid record over the version before it. Where the store does not compare versions itself, this process
// reads before it writes, one writer per foreign id at a time.
func (b *Backend) storeRecord(ctx context.Context, r *backend.Record) error {
	if !b.checks && r.Meta.Version > 0 {
		if err := b.check(ctx, r); err != nil {
			return err
		}
	}
	err := b.store.Store(ctx, r)
	if err == nil || refused(err) {
		return err
	}
	return b.settle(ctx, r, err)
}

// check refuses a record that does not follow the stored version, or whose foreign id is taken.
func (b *Backend) check(ctx context.Context, r *backend.Record) error {
	have := uint(0)
	switch old, err := b.store.Lookup(ctx, r.RunID); {
	case err == nil:
		have = old.Meta.Version
	case !errors.Is(err, backend.ErrRecordNotFound):
		return fmt.Errorf("check version: %w", err)
	}
	if want := r.Meta.Version - 1; have != want {
		return &backend.ConflictError{RunID: r.RunID, Want: want, Have: have}
	}
	if r.Meta.Version != 1 || r.RunState.Finished() {
		return nil
	}
	switch last, err := b.store.Latest(ctx, r.WorkflowName, r.ForeignID); {
	case errors.Is(err, backend.ErrRecordNotFound):
	case err != nil:
		return fmt.Errorf("check foreign id: %w", err)
	case last.RunID != r.RunID && last.Meta.Version > 0 && !last.RunState.Finished():
		return &backend.InProgressError{WorkflowName: r.WorkflowName, ForeignID: r.ForeignID, RunID: last.RunID}
	}
	return nil
}

// refused reports whether the store's error says that nothing was stored.
func refused(err error) bool {
	for _, e := range [...]error{
		backend.ErrVersionConflict, backend.ErrWorkflowInProgress, backend.ErrInvalidID, backend.ErrTooLarge, backend.ErrClosed,
		backend.ErrReadOnly, backend.ErrFull, backend.ErrLocked,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// settle finds out what became of a Store that failed in its own way: a plain store may have stored the record and lost the answer.
func (b *Backend) settle(ctx context.Context, r *backend.Record, cause error) error {
	switch got, err := b.store.Lookup(context.WithoutCancel(ctx), r.RunID); {
	case err != nil && !errors.Is(err, backend.ErrRecordNotFound):
		return errors.Join(backend.ErrOutcomeUnknown, cause)
	case err == nil && r.Meta.Version > 0 && got.Meta.Version == r.Meta.Version && got.RunState == r.RunState &&
		got.Status == r.Status && bytes.Equal(got.Object, r.Object):
		return nil // it was stored
	case ctx.Err() != nil || errors.Is(cause, context.DeadlineExceeded) || errors.Is(cause, context.Canceled):
		return errors.Join(backend.ErrOutcomeUnknown, cause) // the write may still be on its way
	}
	return cause
}

// stripes are locks shared by hash, so that their number does not grow with the runs.
type stripes struct {
	once sync.Once
	seed maphash.Seed
	mu   [64]sync.RWMutex
}

func (s *stripes) of(workflowName, foreignID string) *sync.RWMutex {
	s.once.Do(func() { s.seed = maphash.MakeSeed() })
	return &s.mu[maphash.Comparable(s.seed, [2]string{workflowName, foreignID})%64]
}
