package workflow_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/memory"
	"github.com/stillwater-go/workflow/adapters/memrecordstore"
	"github.com/stillwater-go/workflow/adapters/memrolescheduler"
	"github.com/stillwater-go/workflow/adapters/memstreamer"
	"github.com/stillwater-go/workflow/adapters/memtimeoutstore"
	"github.com/stillwater-go/workflow/backend"
)

// Group D: timeouts.

// onTimers runs a test in virtual time on the backend, and on classic parts with a timeout store.
func onTimers(t *testing.T, test func(t *testing.T, start func(b *workflow.Builder[object, status]) *flow)) {
	t.Helper()
	each(t, map[string]bool{"backend": false, "classic": true}, func(t *testing.T, onClassic bool) {
		test(t, func(b *workflow.Builder[object, status]) *flow {
			if onClassic {
				return classicOn(t, memstreamer.New(), memrecordstore.New(), memrolescheduler.New(), b,
					workflow.WithTimeoutStore(memtimeoutstore.New()), workflow.DisablePauseRetry(), workflow.WithoutJitter())
			}
			return build(t, newStore(t), b, workflow.DisablePauseRetry(), workflow.WithoutJitter())
		})
	})
}

// A timer of a finished run fired on the foreign id's next run, and one of an earlier stay in a status on a later stay.
func TestField33ATimerBelongsToOneStay(t *testing.T) {
	onTimers(t, func(t *testing.T, start func(b *workflow.Builder[object, status]) *flow) {
		var fired noted
		b := workflow.NewBuilder[object, status]("stay")
		b.AddTimeout(statusA, workflow.DurationTimerFunc[object, status](1500*time.Millisecond), func(_ context.Context, r *run, _ time.Time) (status, error) {
			fired.add(r.RunID)
			return statusEnd, nil
		}, statusEnd)
		b.AddCallback(statusA, func(_ context.Context, r *run, body reader) (status, error) {
			if r.ForeignID == "stay" {
				return statusB, nil
			}
			return statusEnd, nil
		}, statusB, statusEnd)
		b.AddCallback(statusB, goes(statusA), statusA)
		w := start(b)
		first := trigger(t, w, "next")
		again := trigger(t, w, "stay")
		pass(time.Second)
		must(t, w.Callback(ctxFor(t), "next", statusA, nil))
		second := trigger(t, w, "next")
		must(t, w.Callback(ctxFor(t), "stay", statusA, nil))
		must(t, w.Callback(ctxFor(t), "stay", statusB, nil)) // back in A
		began := time.Now()
		pass(time.Second)
		if fired.total() != 0 {
			t.Errorf("fired after a second of their stays: %v", fired.at)
		}
		pass(time.Hour)
		for _, id := range []string{second, again} {
			if at := fired.of(id); len(at) != 1 || at[0].Sub(began) != 1500*time.Millisecond {
				t.Errorf("the timer of a stay that began at %v fired at %v", began, at)
			}
		}
		if fired.count(first) != 0 {
			t.Error("the timer of a run that had ended fired")
		}
	})
}

// When one timer of a status expired, the functions of all its timers ran.
func TestField34EachTimerRunsItsOwnFunction(t *testing.T) {
	onTimers(t, func(t *testing.T, start func(b *workflow.Builder[object, status]) *flow) {
		var fired noted
		note := func(what string, to status) workflow.TimeoutFunc[object, status] {
			return func(_ context.Context, r *run, _ time.Time) (status, error) {
				fired.add(what)
				if to == statusNone {
					return r.Skip()
				}
				return to, nil
			}
		}
		b := workflow.NewBuilder[object, status]("two timers")
		b.AddTimeout(statusA, hourly(), note("hour", statusEnd), statusEnd)
		b.AddTimeout(statusA, workflow.DurationTimerFunc[object, status](50*time.Millisecond), note("moment", statusNone), statusEnd)
		b.AddTimeout(statusA, func(context.Context, *run, time.Time) (time.Time, error) { return time.Time{}, nil }, note("never", statusEnd), statusEnd)
		w := start(b)
		begin := time.Now()
		id := trigger(t, w, "f")
		pass(time.Hour - time.Second)
		allIn(t, w.Backend(), []string{id}, statusA, backend.RunStateInitiated)
		pass(24 * time.Hour)
		allIn(t, w.Backend(), []string{id}, statusEnd, backend.RunStateCompleted)
		for what, after := range map[string]time.Duration{"hour": time.Hour, "moment": 50 * time.Millisecond} {
			if at := fired.of(what); len(at) != 1 || at[0].Sub(begin) != after {
				t.Errorf("the timer of %v fired at %v, the run began at %v", after, at, begin)
			}
		}
		if fired.count("never") != 0 {
			t.Error("a timer without a time fired")
		}
	})
}

// A timeout that skipped was run again at every look, for ever.
func TestField35ASkippedTimeoutIsDone(t *testing.T) {
	onTimers(t, func(t *testing.T, start func(b *workflow.Builder[object, status]) *flow) {
		var fired noted
		b := workflow.NewBuilder[object, status]("skips")
		b.AddTimeout(statusA, workflow.DurationTimerFunc[object, status](time.Second), func(_ context.Context, r *run, _ time.Time) (status, error) {
			fired.add("")
			return r.Skip()
		}, statusEnd)
		w := start(b)
		id := trigger(t, w, "f")
		pass(24 * time.Hour)
		if n := fired.count(""); n != 1 {
			t.Errorf("a timeout that skipped ran %d times", n)
		}
		if rec := lookup(t, w.Backend(), id); rec.Meta.Version != 1 || !rec.RunState.Moving() {
			t.Errorf("the run is %v in version %d", rec.RunState, rec.Meta.Version)
		}
		if held, err := w.Backend().Held(ctxFor(t), id); err != nil || len(held) > 0 {
			t.Errorf("left behind: %+v, %v", held, err)
		}
	})
}

// The errors of a timeout function were swallowed: not told, not counted, not waited for.
func TestField36ATimeoutsErrorsCount(t *testing.T) {
	onTimers(t, func(t *testing.T, start func(b *workflow.Builder[object, status]) *flow) {
		var fired noted
		b := workflow.NewBuilder[object, status]("fails")
		b.AddTimeout(statusA, workflow.DurationTimerFunc[object, status](time.Second), func(_ context.Context, r *run, _ time.Time) (status, error) {
			fired.add("")
			return 0, errTest
		}, statusEnd).WithOptions(workflow.PauseAfterErrCount(4), workflow.ErrBackOff(time.Minute))
		w := start(b)
		id := trigger(t, w, "f")
		pass(90 * time.Second) // the second attempt comes after a minute
		if n := fired.count(""); n != 2 {
			t.Errorf("%d attempts in the first 90 seconds, want 2", n)
		}
		why, err := w.Waiting(ctxFor(t), id)
		if err != nil || why.Kind != workflow.WaitsForRetry || why.Attempts != 2 || !strings.Contains(why.Error, errTest.Error()) {
			t.Errorf("it waits for %v, %v", why, err)
		}
		pass(24 * time.Hour)
		at := fired.of("")
		if len(at) != 4 || at[2].Sub(at[1]) != 2*time.Minute || at[3].Sub(at[2]) != 4*time.Minute {
			t.Errorf("attempts at %v, want four with growing waits", at)
		}
		if rec := byEngine(t, w.Backend(), id); !strings.Contains(rec.Meta.RunStateReason, errTest.Error()) {
			t.Errorf("the reason is %q", rec.Meta.RunStateReason)
		}
		if a := failedAttempts(t, w.Backend(), id); len(a) != 4 || !strings.Contains(a[0].Error, errTest.Error()) {
			t.Errorf("kept of its attempts: %+v", a)
		}
	})
}

// A timer was set by an event, beside the change of the run, and once more by each repetition of it.
func TestField37ATimerIsSetOnceWithItsStatus(t *testing.T) {
	mk := func(timers *noted) *workflow.Builder[object, status] {
		b := workflow.NewBuilder[object, status]("once")
		b.AddStep(statusA, step(statusB), statusB)
		b.AddStep(statusB, func(_ context.Context, r *run) (status, error) {
			if r.Object.Count++; r.Object.Count < 8 {
				return r.SaveAndRepeat()
			}
			return r.Skip() // and wait for the timer
		}, statusEnd)
		b.AddTimeout(statusB, func(_ context.Context, _ *run, now time.Time) (time.Time, error) {
			timers.add("set")
			return now.Add(time.Hour), nil
		}, func(context.Context, *run, time.Time) (status, error) { timers.add("fired"); return statusEnd, nil }, statusEnd)
		return b
	}
	bubble(t, func(t *testing.T, base *memory.Backend) {
		var mu sync.Mutex
		var set []backend.Change // the changes that hold timers
		on := &tapped{Backend: base, commit: func(batch []*backend.Change, do func() error) error {
			mu.Lock()
			defer mu.Unlock()
			for _, c := range batch {
				for _, d := range c.Hold {
					if d.State == backend.DeliveryTimer {
						set = append(set, *c)
					}
				}
			}
			return do()
		}}
		var timers noted
		w := build(t, on, mk(&timers))
		id := trigger(t, w, "f")
		pass(time.Minute)
		w.Stop()
		build(t, on, mk(&timers)) // the events that the cursor has not passed come again
		pass(time.Minute)
		if held, err := base.Held(ctxFor(t), id); err != nil || len(held) != 1 || held[0].State != backend.DeliveryTimer {
			t.Errorf("after seven repetitions and a restart there are %+v, %v", held, err)
		}
		pass(24 * time.Hour)
		allIn(t, base, []string{id}, statusEnd, backend.RunStateCompleted)
		if timers.count("set") != 1 || timers.count("fired") != 1 {
			t.Errorf("the timer was set %d times and fired %d times", timers.count("set"), timers.count("fired"))
		}
		if len(set) != 1 || set[0].Record == nil || set[0].Record.Meta.Version != 2 || set[0].Record.Status != int(statusB) {
			t.Errorf("the timer was set by %d changes, want the one that enters its status", len(set))
		}
	})
	inTime(t, func(t *testing.T) {
		timeouts := memtimeoutstore.New()
		var timers noted
		w := classicOn(t, memstreamer.New(), memrecordstore.New(), memrolescheduler.New(), mk(&timers), workflow.WithTimeoutStore(timeouts))
		id := trigger(t, w, "f")
		pass(time.Minute)
		if rows, err := timeouts.List(ctxFor(t), "once"); err != nil || len(rows) != 1 || rows[0].RunID != id {
			t.Errorf("the timeout store has %+v, %v", rows, err)
		}
		pass(24 * time.Hour)
		allIn(t, w.Backend(), []string{id}, statusEnd, backend.RunStateCompleted)
		if timers.count("set") != 1 || timers.count("fired") != 1 {
			t.Errorf("the timer was set %d times and fired %d times", timers.count("set"), timers.count("fired"))
		}
	})
}

// pagedDues notes how much is asked for at once.
type pagedDues struct {
	backend.Backend
	mu   sync.Mutex
	most int
}

func (b *pagedDues) Due(ctx context.Context, name string, after backend.DueMark, limit int) ([]backend.Delivery, error) {
	b.mu.Lock()
	b.most = max(b.most, limit)
	b.mu.Unlock()
	return b.Backend.Due(ctx, name, after, limit)
}

// A backlog of expired timers was loaded whole, and one that was done could be run again; cancelling an unknown timer deleted the first one.
func TestField38ABacklogOfTimersIsReadInPagesAndFiresOnce(t *testing.T) {
	bubble(t, func(t *testing.T, base *memory.Backend) {
		var fired noted
		mk := func() *workflow.Builder[object, status] {
			b := workflow.NewBuilder[object, status]("backlog")
			b.AddTimeout(statusA, hourly(), func(_ context.Context, r *run, _ time.Time) (status, error) {
				fired.add(r.RunID)
				return statusEnd, nil
			}, statusEnd)
			return b
		}
		on := &pagedDues{Backend: base}
		client, err := mk().BuildOn(on, workflow.WithLogger(&quietLog{}))
		must(t, err)
		ids := triggerAll(t, client, 3000) // nobody works meanwhile
		pass(2 * time.Hour)
		w := build(t, on, mk())
		pass(time.Minute)
		allIn(t, base, ids, statusEnd, backend.RunStateCompleted)
		if on.most == 0 || on.most > 1000 {
			t.Errorf("%d expired timers were asked for at once", on.most)
		}
		w.Stop()
		build(t, on, mk())
		pass(24 * time.Hour)
		if fired.keys() != len(ids) || fired.total() != len(ids) {
			t.Errorf("%d timers fired %d times, want %d once", fired.keys(), fired.total(), len(ids))
		}
	})
	store := memtimeoutstore.New()
	if err := store.Cancel(ctxFor(t), 1); !errors.Is(err, workflow.ErrTimeoutNotFound) {
		t.Errorf("cancelling in an empty store: %v", err)
	}
	for range 3 {
		must(t, store.Create(ctxFor(t), "w", "f", "r", 1, time.Now()))
	}
	for _, do := range []func(context.Context, int64) error{store.Cancel, store.Complete} {
		if err := do(ctxFor(t), 99); !errors.Is(err, workflow.ErrTimeoutNotFound) {
			t.Errorf("of an unknown timeout: %v", err)
		}
	}
	must(t, store.Cancel(ctxFor(t), 2))
	rows, err := store.ListValid(ctxFor(t), "w", 1, time.Now())
	if err != nil || len(rows) != 2 || rows[0].ID != 1 || rows[1].ID != 3 {
		t.Errorf("left are %+v, %v", rows, err)
	}
}
