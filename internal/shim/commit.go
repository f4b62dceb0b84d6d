package shim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
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
	if c.Tx != nil {
		return fmt.Errorf("%w: plain parts have no transaction to run it in", backend.ErrTxUnsupported)
	}
	of := c.Record
	if of == nil && setsTimer(c) {
		var err error
		if of, err = b.lookup(ctx, c.RunID()); err != nil {
			return err
		}
	}
	if c.Record != nil {
		if err := b.storeRecord(ctx, c.Record); err != nil {
			return err
		}
		b.cache.put(c.Record)
		b.log.countEnd(c.Record)
	}
	if c.Attempt != nil {
		b.attempts.add(*c.Attempt)
	}
	create, complete := b.held.apply(c, of)
	b.mirror.create(ctx, create)
	b.mirror.complete(complete)
	return nil
}

func setsTimer(c *backend.Change) bool {
	for i := range c.Hold {
		if isTimer(&c.Hold[i]) {
			return true
		}
	}
	return false
}

// storeRecord stores a record over the version before it. Where the store does not compare versions itself, this process
// reads before it writes, one writer per foreign id at a time.
func (b *Backend) storeRecord(ctx context.Context, r *backend.Record) error {
	if err := backend.ValidateRecord(r); err != nil {
		return err
	}
	if !b.checks && r.Meta.Version > 0 {
		mu := b.locks.of(r.WorkflowName, r.ForeignID)
		mu.Lock()
		defer mu.Unlock()
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
	mu   [64]sync.Mutex
}

func (s *stripes) of(workflowName, foreignID string) *sync.Mutex {
	s.once.Do(func() { s.seed = maphash.MakeSeed() })
	return &s.mu[maphash.Comparable(s.seed, [2]string{workflowName, foreignID})%64]
}
