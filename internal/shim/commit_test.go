package shim_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stillwater-go/workflow/backend"
	"github.com/stillwater-go/workflow/internal/shim"
)

func commitErr(b *shim.Backend, rec *backend.Record) error {
	c := &backend.Change{Record: rec}
	if err := b.Commit(context.Background(), []*backend.Change{c}); err != nil {
		return err
	}
	return c.Err
}

func TestVersionsAreChecked(t *testing.T) {
	run(t, func(r *rig) {
		r.commit(record("a", 1, initiated, 1), record("a", 2, running, 2))
		for _, v := range []uint{1, 2, 4} {
			err := commitErr(r.b, record("a", v, running, 3))
			var conflict *backend.ConflictError
			if !errors.Is(err, backend.ErrVersionConflict) || !errors.As(err, &conflict) || conflict.Want != v-1 || conflict.Have != 2 {
				t.Errorf("version %d over 2: %v", v, err)
			}
		}
		if err := commitErr(r.b, record("b", 2, running, 3)); !errors.Is(err, backend.ErrVersionConflict) {
			t.Errorf("version 2 of a run that does not exist: %v", err)
		}
		second := record("other", 1, initiated, 1)
		second.ForeignID = "foreign-a"
		err := commitErr(r.b, second)
		var taken *backend.InProgressError
		if !errors.Is(err, backend.ErrWorkflowInProgress) || !errors.As(err, &taken) || taken.RunID != "a" {
			t.Errorf("second run of a foreign id: %v", err)
		}
		r.commit(record("a", 3, completed, 3), second)
	})
}

// slowStore lets others run between a read and the write after it.
type slowStore struct{ *plainStore }

func (s slowStore) Lookup(ctx context.Context, id string) (*backend.Record, error) {
	defer yield()
	return s.plainStore.Lookup(ctx, id)
}

func (s slowStore) Latest(ctx context.Context, name, foreignID string) (*backend.Record, error) {
	defer yield()
	return s.plainStore.Latest(ctx, name, foreignID)
}

func yield() {
	for range 20 {
		runtime.Gosched()
	}
}

func TestRacesOverAPlainStoreHaveOneWinner(t *testing.T) {
	b := shim.New(shim.Config{WorkflowName: name, Store: slowStore{newPlainStore()}, Streamer: newPlainStreamer(), Scheduler: newFreeScheduler()})
	race := func(what string, rivals ...*backend.Record) {
		t.Helper()
		var wg sync.WaitGroup
		var won atomic.Int64
		for _, rec := range rivals {
			wg.Go(func() {
				switch err := commitErr(b, rec); {
				case err == nil:
					won.Add(1)
				case !errors.Is(err, backend.ErrVersionConflict) && !errors.Is(err, backend.ErrWorkflowInProgress):
					t.Errorf("%s: %v", what, err)
				}
			})
		}
		wg.Wait()
		if n := won.Load(); n != 1 {
			t.Errorf("%s: %d winners", what, n)
		}
	}
	var starts []*backend.Record
	for i := range 16 {
		rec := record(fmt.Sprintf("start-%d", i), 1, initiated, 1)
		rec.ForeignID = "the same"
		starts = append(starts, rec)
	}
	race("start of one foreign id", starts...)
	for v := uint(1); v < 20; v++ {
		var rivals []*backend.Record
		for i := range 16 {
			rec := record("a", v, running, 1)
			rec.Object = fmt.Appendf(nil, "%d", i)
			rivals = append(rivals, rec)
		}
		race(fmt.Sprintf("version %d", v), rivals...)
	}
}

func TestOneBadChangeHarmsNoOther(t *testing.T) {
	run(t, func(r *rig) {
		hold := func(run string) []backend.Delivery {
			return []backend.Delivery{{DeliveryKey: backend.DeliveryKey{RunID: run, Receiver: "step", Version: 1}, WorkflowName: name, Due: time.Now(), State: backend.DeliveryBackingOff}}
		}
		batch := []*backend.Change{
			{Record: record("a", 1, initiated, 1), Hold: hold("a")},
			{Record: record("b", 7, initiated, 1), Hold: hold("b"), Attempt: &backend.Attempt{RunID: "b"}},
			{Record: record("", 1, initiated, 1)},
			{Record: record("c", 1, initiated, 1), Tx: func() {}, Hold: hold("c")},
			{Record: record("big", 1, initiated, 1)},
			{Record: record("a", 2, running, 1)},
		}
		batch[4].Record.Object = make([]byte, backend.MaxObjectBytes+1)
		if err := r.b.Commit(context.Background(), batch); err != nil {
			t.Fatalf("Commit: %v", err)
		}
		for i, want := range []error{nil, backend.ErrVersionConflict, backend.ErrInvalidID, backend.ErrTxUnsupported, backend.ErrTooLarge, nil} {
			if got := batch[i].Err; !errors.Is(got, want) {
				t.Errorf("change %d: %v, want %v", i, got, want)
			}
		}
		for run, want := range map[string]int{"a": 1, "b": 0, "c": 0} {
			if held, err := r.b.Held(context.Background(), run); err != nil || len(held) != want {
				t.Errorf("run %s holds %d deliveries, %v", run, len(held), err)
			}
		}
		if got, _ := r.b.Attempts(context.Background(), "b", 10); len(got) != 0 {
			t.Errorf("a refused change left its attempt")
		}
		for _, run := range []string{"b", "c", "big"} {
			if _, err := r.b.Lookup(context.Background(), run); !errors.Is(err, backend.ErrRecordNotFound) {
				t.Errorf("run %s: %v", run, err)
			}
		}
	})
}

func TestOutcomeOfAFailedStoreIsFoundOut(t *testing.T) {
	run(t, func(r *rig) {
		var before, after error
		var lookup error
		r.store.onStore = func(*backend.Record) (error, error) { return before, after }
		r.store.onLookup = func(string) error { return lookup }

		after = errBroken
		if err := commitErr(r.b, record("a", 1, initiated, 1)); err != nil {
			t.Errorf("stored, and the answer was lost: %v", err)
		}
		before, after = errBroken, nil
		if err := commitErr(r.b, record("a", 2, running, 1)); !errors.Is(err, errBroken) || errors.Is(err, backend.ErrOutcomeUnknown) {
			t.Errorf("not stored: %v", err)
		}
		r.store.onStore = func(*backend.Record) (error, error) { lookup = errBroken; return errBroken, nil }
		if err := commitErr(r.b, record("a", 2, running, 1)); !errors.Is(err, backend.ErrOutcomeUnknown) || !errors.Is(err, errBroken) {
			t.Errorf("nobody knows: %v", err)
		}
		r.store.onStore = func(*backend.Record) (error, error) { lookup = nil; return context.DeadlineExceeded, nil }
		lookup = nil
		if err := commitErr(r.b, record("a", 2, running, 1)); !errors.Is(err, backend.ErrOutcomeUnknown) {
			t.Errorf("the write may still be on its way: %v", err)
		}
	})
}

func TestPanicsOfPartsAreErrors(t *testing.T) {
	run(t, func(r *rig) {
		r.store.onStore = func(rec *backend.Record) (error, error) {
			if rec.RunID == "bad" {
				panic("store")
			}
			return nil, nil
		}
		panics := 3
		r.streamer.onRecv = func(string) error {
			if panics > 0 {
				panics--
				r.streamer.mu.Unlock() // Recv has no deferred unlock
				panic("receiver")
			}
			return nil
		}
		if err := commitErr(r.b, record("bad", 1, initiated, 1)); err == nil || !strings.Contains(err.Error(), "panicked") {
			t.Errorf("Commit: %v", err)
		}
		e := r.join()
		defer e.leave()
		r.commit(record("a", 1, initiated, 1))
		wantEntries(t, []backend.Entry{e.next()}, "a v1 Initiated")
		if r.reports("the part panicked: receiver") == 0 {
			t.Error("the panic was not reported")
		}
	})
}

func TestStoredRecordsShareNothing(t *testing.T) {
	run(t, func(r *rig) {
		rec := record("a", 1, initiated, 1)
		r.store.onStore = func(got *backend.Record) (error, error) {
			got.Object[0] = 'X' // a store that scribbles on what it is given
			return nil, nil
		}
		r.commit(rec)
		if rec.Object[0] != '{' {
			t.Error("the store reached the engine's record")
		}
	})
}

func TestClosed(t *testing.T) {
	run(t, func(r *rig) {
		ctx := context.Background()
		e := r.join()
		if err := r.b.Close(); err != nil {
			t.Fatal(err)
		}
		if e.grants[0].Context.Err() == nil {
			t.Error("the grant outlives Close")
		}
		e.leave()
		c := &backend.Change{Record: record("a", 1, initiated, 1)}
		if err := r.b.Commit(ctx, []*backend.Change{c}); !errors.Is(err, backend.ErrClosed) || !errors.Is(c.Err, backend.ErrClosed) {
			t.Errorf("Commit: %v, %v", err, c.Err)
		}
		_, err := r.b.Lookup(ctx, "a")
		_, err2 := r.b.ReadLog(ctx, 0, 1)
		_, err3 := r.b.Join(ctx, name, buckets, func(backend.Grant) {})
		_, err4 := r.b.Due(ctx, name, backend.DueMark{}, 1)
		err5 := r.b.SaveCursors(ctx, nil)
		for i, err := range []error{err, err2, err3, err4, err5} {
			if !errors.Is(err, backend.ErrClosed) {
				t.Errorf("call %d after Close: %v", i, err)
			}
		}
	})
}

func TestEndedContextStoresNothing(t *testing.T) {
	run(t, func(r *rig) {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		c := &backend.Change{Record: record("a", 1, initiated, 1)}
		if err := r.b.Commit(ctx, []*backend.Change{c}); !errors.Is(err, context.Canceled) || !errors.Is(c.Err, context.Canceled) {
			t.Errorf("Commit: %v, %v", err, c.Err)
		}
		if _, err := r.store.Lookup(ctx, "a"); !errors.Is(err, backend.ErrRecordNotFound) {
			t.Errorf("stored all the same: %v", err)
		}
	})
}

func TestVisitAndPauserSurviveAStoreThatDropsThem(t *testing.T) {
	run(t, func(r *rig) {
		r.store.show = func(rec *backend.Record) *backend.Record {
			c := rec.Clone()
			c.Meta.PausedBy = backend.PausedByNobody
			return c
		}
		r.commit(record("a", 1, initiated, 1))
		again := record("a", 2, running, 1)
		again.Meta.Visit = 1
		r.commit(again)
		pause := record("a", 3, paused, 1)
		pause.Meta.Visit, pause.Meta.PausedBy = 1, backend.PausedByEngine
		r.change(&backend.Change{Record: pause, Hold: []backend.Delivery{timer("a", 0, 1, time.Now().Add(time.Hour))}})
		got, err := r.b.Lookup(context.Background(), "a")
		if err != nil || got.Meta.Visit != 1 || got.Meta.PausedBy != backend.PausedByEngine {
			t.Errorf("%+v, %v", got, err)
		}
		e := r.join() // a join forgets the records; the timer still tells the visit
		e.leave()
		got, err = r.b.Lookup(context.Background(), "a")
		if err != nil || got.Meta.Visit != 1 {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

func TestHistory(t *testing.T) {
	run(t, func(r *rig) {
		r.commit(record("a", 1, initiated, 1), record("a", 2, running, 2), record("a", 3, running, 3))
		ctx := context.Background()
		got, err := r.b.History(ctx, "a", 1, 10)
		if err != nil || describe(got) != "a v2 Running overtaken, a v3 Running overtaken" || got[0].From.Status != 1 || got[1].From.Status != 2 {
			t.Errorf("own versions are remembered: %+v, %v", got, err)
		}
		got, err = r.b.History(ctx, "a", 1, 1)
		if err != nil || describe(got) != "a v2 Running overtaken" {
			t.Errorf("an own version is remembered: %s, %v", describe(got), err)
		}
		r.store.locked(func() { r.store.put(record("a", 5, running, 7)) }) // by another process
		got, err = r.b.History(ctx, "a", 2, 10)
		if err != nil || describe(got) != "a v3 Running overtaken, a v5 Running overtaken" || got[1].From != (backend.Point{}) {
			t.Errorf("others' versions are not: %+v, %v", got, err)
		}
		r.rebuild()
		got, err = r.b.History(ctx, "a", 0, 10)
		if err != nil || describe(got) != "a v5 Running overtaken" {
			t.Errorf("a plain store has its present version: %s, %v", describe(got), err)
		}
		if got, err = r.b.History(ctx, "nobody", 0, 10); err != nil || len(got) != 0 {
			t.Errorf("%v, %v", got, err)
		}
	})
}
