package workflow_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/memory"
	"github.com/stillwater-go/workflow/backend"
)

// TestRetention: each run goes at its time, with everything about it, after its clean-up, and takes nothing else with it.
func TestRetention(t *testing.T) {
	bubble(t, func(t *testing.T, on *memory.Backend) {
		var mu sync.Mutex
		cleaned := make(map[string]int)
		fails := map[string]bool{"stubborn": true, "panics": true}
		b := three("retained")
		b.AddCallback(statusOther, goes(statusEnd), statusEnd)
		log := &quietLog{}
		w := build(t, on, b, workflow.WithRetention(24*time.Hour), workflow.WithLogger(log),
			workflow.WithCleanUp(func(_ context.Context, r *workflow.TypedRecord[object, status]) error {
				mu.Lock()
				defer mu.Unlock()
				cleaned[r.ForeignID]++
				switch {
				case fails[r.ForeignID] && r.ForeignID == "panics":
					panic("no")
				case fails[r.ForeignID]:
					return errTest
				}
				return nil
			}))
		other := build(t, on, three("kept for ever"))
		keep := trigger(t, other, "f")
		waits := trigger(t, w, "waits", workflow.WithStartingPoint[object, status](statusOther))
		early := trigger(t, w, "early")
		cancelled := trigger(t, w, "cancelled", workflow.WithStartingPoint[object, status](statusOther))
		if err := w.RunStateController(cancelled).Cancel(ctxFor(t), "enough"); err != nil {
			t.Fatal(err)
		}
		pass(time.Hour)
		late := trigger(t, w, "late")
		stubborn, panics := trigger(t, w, "stubborn"), trigger(t, w, "panics")
		there := func(id string) bool {
			_, err := on.Lookup(ctxFor(t), id)
			if err != nil && !errors.Is(err, workflow.ErrRecordNotFound) {
				t.Fatal(err)
			}
			return err == nil
		}
		pass(23*time.Hour - time.Second)
		if !there(early) || !there(cancelled) {
			t.Error("a run was erased before its time")
		}
		pass(2 * time.Second)
		if there(early) || there(cancelled) || !there(late) || !there(waits) {
			t.Errorf("after a day: early %v, cancelled %v, late %v, unfinished %v", there(early), there(cancelled), there(late), there(waits))
		}
		if history, err := on.History(ctxFor(t), early, 0, 10); !errors.Is(err, workflow.ErrRecordNotFound) && len(history) > 0 {
			t.Errorf("its history is still there: %d entries, %v", len(history), err)
		}
		pass(2 * time.Hour)
		if there(late) || !there(stubborn) || !there(panics) {
			t.Errorf("late %v, failing clean-ups %v %v", there(late), there(stubborn), there(panics))
		}
		if log.count("clean up after run") == 0 || log.count("panic") == 0 {
			t.Errorf("failing clean-ups were not reported: %v", log.errs)
		}
		mu.Lock()
		clear(fails)
		mu.Unlock()
		pass(time.Hour)
		if there(stubborn) || there(panics) || !there(waits) || !there(keep) {
			t.Errorf("in the end: %v %v, unfinished %v, of another workflow %v", there(stubborn), there(panics), there(waits), there(keep))
		}
		mu.Lock()
		defer mu.Unlock()
		if cleaned["early"] != 1 || cleaned["stubborn"] < 2 || cleaned["waits"] > 0 {
			t.Errorf("clean-ups: %v", cleaned)
		}
		id := trigger(t, w, "early") // the foreign id is free, and nothing of the old run comes back
		synctest.Wait()
		if rec := lookup(t, on, id); rec.RunState != backend.RunStateCompleted || rec.Meta.Version != 4 {
			t.Errorf("a new run of the foreign id is %v in version %d", rec.RunState, rec.Meta.Version)
		}
	})
}

// TestRetentionWaitsForHooks: a run is not erased before everybody was told of its end.
func TestRetentionWaitsForHooks(t *testing.T) {
	bubble(t, func(t *testing.T, on *memory.Backend) {
		b := three("hooked")
		var works atomic.Bool
		var told atomic.Int64
		b.OnComplete(func(context.Context, *workflow.TypedRecord[object, status]) error {
			if !works.Load() {
				return workflow.RetryAfter(errTest, 10*time.Hour)
			}
			told.Add(1)
			return nil
		})
		w := build(t, on, b, workflow.WithRetention(time.Hour))
		id := trigger(t, w, "f")
		pass(5 * time.Hour)
		if _, err := on.Lookup(ctxFor(t), id); err != nil {
			t.Fatalf("its hook was not told yet, and the run is gone: %v", err)
		}
		works.Store(true)
		pass(6 * time.Hour)
		if _, err := on.Lookup(ctxFor(t), id); !errors.Is(err, workflow.ErrRecordNotFound) || told.Load() != 1 {
			t.Errorf("told %d times, lookup %v", told.Load(), err)
		}
	})
}

// TestRetentionForgetsDroppedHooks: what is owed to a hook that the program no longer has keeps no run for ever.
func TestRetentionForgetsDroppedHooks(t *testing.T) {
	bubble(t, func(t *testing.T, on *memory.Backend) {
		b := three("dropped")
		b.OnComplete(func(context.Context, *workflow.TypedRecord[object, status]) error {
			return workflow.RetryAfter(errTest, 100*time.Hour)
		})
		w := build(t, on, b, workflow.WithRetention(time.Hour))
		id := trigger(t, w, "f")
		pass(time.Minute)
		w.Stop()
		build(t, on, three("dropped"), workflow.WithRetention(time.Hour))
		pass(2 * time.Hour)
		if _, err := on.Lookup(ctxFor(t), id); !errors.Is(err, workflow.ErrRecordNotFound) {
			t.Errorf("the run is still there: %v", err)
		}
	})
}

func TestRetentionNeedsAnEraser(t *testing.T) {
	type plain struct{ backend.Backend }
	_, err := three("unsupported").BuildOn(plain{newStore(t)}, workflow.WithRetention(time.Hour))
	if !errors.Is(err, workflow.ErrUnsupported) {
		t.Errorf("BuildOn: %v, want ErrUnsupported", err)
	}
	if _, err := three("negative").BuildOn(newStore(t), workflow.WithRetention(-time.Hour)); err == nil || !strings.Contains(err.Error(), "negative") {
		t.Errorf("BuildOn: %v", err)
	}
}

// TestACleanUpThatHangsDoesNotAddUp: however long it hangs, it is one handler that is given up, and no reason to stop everything else.
func TestACleanUpThatHangsDoesNotAddUp(t *testing.T) {
	bubble(t, func(t *testing.T, on *memory.Backend) {
		free := make(chan struct{})
		w := build(t, on, three("hangs"), workflow.WithRetention(time.Hour), workflow.WithDefaultOptions(workflow.AttemptDeadline(time.Second)),
			workflow.WithCleanUp(func(_ context.Context, r *workflow.TypedRecord[object, status]) error {
				if r.ForeignID == "hangs" {
					<-free
				}
				return nil
			}))
		id := trigger(t, w, "hangs")
		fine := trigger(t, w, "fine")
		pass(10 * time.Hour)
		if err := w.Health(); err != nil {
			t.Errorf("one clean-up hangs: %v", err)
		}
		if _, err := on.Lookup(ctxFor(t), fine); !errors.Is(err, workflow.ErrRecordNotFound) {
			t.Errorf("the run beside it: %v, want ErrRecordNotFound", err)
		}
		trigger(t, w, "later")
		pass(time.Minute)
		if rec, err := on.Latest(ctxFor(t), w.Name(), "later"); err != nil || rec.RunState != backend.RunStateCompleted {
			t.Errorf("a run that came later: %+v, %v", rec, err)
		}
		close(free)
		pass(time.Hour)
		if _, err := on.Lookup(ctxFor(t), id); !errors.Is(err, workflow.ErrRecordNotFound) {
			t.Errorf("after its clean-up: %v, want ErrRecordNotFound", err)
		}
	})
}
