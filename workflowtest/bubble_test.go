package workflowtest_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/memory"
	"github.com/stillwater-go/workflow/adapters/memrecordstore"
	"github.com/stillwater-go/workflow/adapters/memrolescheduler"
	"github.com/stillwater-go/workflow/adapters/memstreamer"
	"github.com/stillwater-go/workflow/adapters/memtimeoutstore"
	"github.com/stillwater-go/workflow/workflowtest"
)

// TestATimeoutFiresAtItsInstant lets an hour pass but for a nanosecond, and then that one.
func TestATimeoutFiresAtItsInstant(t *testing.T) {
	workflowtest.Run(t, func(t *workflowtest.T) {
		w := workflowtest.Start(t, orders())
		id := workflowtest.Trigger(t, w, "order-1")
		t.Advance(time.Hour - time.Nanosecond)
		workflowtest.RequireStatus(t, w, id, placed)
		t.Advance(time.Nanosecond)
		workflowtest.RequireHistory(t, w, id, placed, expired)
		workflowtest.RequireState(t, w, id, workflow.RunStateCompleted)
		rec := workflowtest.Lookup(t, w, id)
		if want := midnight().Add(time.Hour); !rec.UpdatedAt.Equal(want) || !rec.CreatedAt.Equal(midnight()) {
			t.Errorf("the run went from %v to %v, want %v to %v", rec.CreatedAt, rec.UpdatedAt, midnight(), want)
		}
	})
}

func TestACallbackComesBeforeTheTimeout(t *testing.T) {
	workflowtest.Run(t, func(t *workflowtest.T) {
		w := workflowtest.Start(t, orders())
		id := workflowtest.Trigger(t, w, "order-1")
		t.Advance(59 * time.Minute)
		pay(t, w, "order-1", "ada@example.com")
		t.Advance(24 * time.Hour)
		workflowtest.RequireHistory(t, w, id, placed, paid, shipped)
		workflowtest.RequireObject(t, w, id, order{Email: "ada@example.com"})
		if got := workflowtest.Newest(t, w, "order-1"); got.RunID != id || got.Object.Email != "ada@example.com" {
			t.Errorf("the newest run is %s with %+v", got.RunID, got.Object)
		}
	})
}

// TestRetriesWaitForHoursExactly follows a backoff of 1, 2, 4 and 8 hours, bounded by 6.
func TestRetriesWaitForHoursExactly(t *testing.T) {
	workflowtest.Run(t, func(t *workflowtest.T) {
		w := workflowtest.Start(t, flaky(4, workflow.ErrBackOff(time.Hour), workflow.MaxBackOff(6*time.Hour)))
		id := workflowtest.Trigger(t, w, "order-1")
		for i, wait := range []time.Duration{time.Hour, 2 * time.Hour, 4 * time.Hour, 6 * time.Hour} {
			t.Settle()
			if got := attempts(t, w, id); got != i+1 {
				t.Fatalf("%d attempts have failed, want %d\n%s", got, i+1, workflowtest.Describe(w, id))
			}
			t.Advance(wait - time.Nanosecond)
			if got := attempts(t, w, id); got != i+1 {
				t.Fatalf("a retry is early\n%s", workflowtest.Describe(w, id))
			}
			t.Advance(time.Nanosecond)
		}
		workflowtest.RequireHistory(t, w, id, placed, paid, shipped)
		workflowtest.RequireObject(t, w, id, order{Tries: 5})
		if got := workflowtest.Lookup(t, w, id).UpdatedAt.Sub(midnight()); got != 13*time.Hour {
			t.Errorf("the run took %v, want 13h", got)
		}
	})
}

// attempts counts a run's failed attempts.
func attempts(t testing.TB, w *flow, runID string) int {
	t.Helper()
	as, err := w.Backend().Attempts(context.Background(), runID, 100)
	if err != nil {
		t.Fatal(err)
	}
	return len(as)
}

// TestAutoResumeAfterAnHour exhausts a run's attempts, mends the cause and lets the engine's own hour pass.
func TestAutoResumeAfterAnHour(t *testing.T) {
	workflowtest.Run(t, func(t *workflowtest.T) {
		var down atomic.Bool
		down.Store(true)
		b := workflow.NewBuilder[order, status]("resumed")
		b.AddStep(placed, func(context.Context, *run) (status, error) {
			if down.Load() {
				return 0, errGateway
			}
			return paid, nil
		}, paid)
		paused := make(chan string, 1)
		b.OnPause(func(_ context.Context, r *workflow.TypedRecord[order, status]) error {
			paused <- r.Meta.RunStateReason
			return nil
		})
		w := workflowtest.Start(t, b, workflow.WithDefaultOptions(workflow.PauseAfterErrCount(3)))
		id := workflowtest.Trigger(t, w, "order-1")
		t.Advance(3 * time.Second) // attempts at 0, 1 and 3 seconds
		workflowtest.RequirePaused(t, w, id, "gave up after 3 attempts: gateway is down")
		if reason := <-paused; reason == "" {
			t.Error("the hook was told no reason")
		}
		down.Store(false)
		t.Advance(time.Hour - time.Nanosecond)
		workflowtest.RequirePaused(t, w, id, "")
		t.Advance(time.Nanosecond)
		workflowtest.RequireHistory(t, w, id, placed, paid)
	})
}

// TestAdvanceReturnsWhenAllIsDone lets three hundred timeouts fire at one instant, each followed by a step, and looks at what their code did
// without another wait.
func TestAdvanceReturnsWhenAllIsDone(t *testing.T) {
	workflowtest.Run(t, func(t *workflowtest.T) {
		const runs = 300
		var late, after atomic.Int32
		b := workflow.NewBuilder[order, status]("many")
		b.AddTimeout(placed, workflow.DurationTimerFunc[order, status](time.Hour), func(context.Context, *run, time.Time) (status, error) {
			late.Add(1)
			return expired, nil
		}, expired)
		b.AddStep(expired, func(context.Context, *run) (status, error) {
			after.Add(1)
			return shipped, nil
		}, shipped)
		w := workflowtest.Start(t, b)
		for i := range runs {
			workflowtest.Trigger(t, w, fmt.Sprint("order-", i))
		}
		t.Settle()
		if n := late.Load(); n != 0 {
			t.Errorf("%d timeouts were early", n)
		}
		t.Advance(time.Hour)
		if n, m := late.Load(), after.Load(); n != runs || m != runs {
			t.Errorf("Advance returned after %d timeouts and %d steps of %d", n, m, runs)
		}
	})
}

// TestHelpersReadTheStoreInside looks through two wrappers whose reads all fail.
func TestHelpersReadTheStoreInside(t *testing.T) {
	workflowtest.Run(t, func(t *workflowtest.T) {
		inner := workflowtest.NewFaulty(memory.New(), 1)
		outer := workflowtest.NewFaulty(inner, 1)
		t.Use(func() (workflow.Backend, error) { return outer, nil })
		w := workflowtest.Start(t, flaky(1))
		id := workflowtest.Trigger(t, w, "order-1")
		t.Advance(time.Minute)
		for _, f := range []*workflowtest.Faulty{inner, outer} {
			for _, m := range []workflowtest.Method{workflowtest.MethodLookup, workflowtest.MethodLatest, workflowtest.MethodHistory, workflowtest.MethodHeld, "List", "Attempts"} {
				f.Set(m, workflowtest.Fault{Before: 1})
			}
		}
		if _, err := w.Backend().Lookup(t.Context(), id); !errors.Is(err, workflowtest.ErrInjected) {
			t.Fatalf("Lookup gives %v", err)
		}
		workflowtest.RequireHistory(t, w, id, placed, paid, shipped)
		if newest := workflowtest.Newest(t, w, "order-1"); newest.RunID != id {
			t.Errorf("the newest run is %s", newest.RunID)
		}
		wantParts(t, workflowtest.Describe(w, id), "attempt 1 of step", "version 3: Completed in Shipped")
	})
}

// TestRestartKeepsTheTimer redeploys in the middle of a wait, with a program that does more.
func TestRestartKeepsTheTimer(t *testing.T) {
	workflowtest.Run(t, func(t *workflowtest.T) {
		w := workflowtest.Start(t, orders())
		id := workflowtest.Trigger(t, w, "order-1")
		t.Advance(40 * time.Minute)
		old := w
		w = workflowtest.Restart(t, w, orders())
		if w == old {
			t.Fatal("Restart returned the stopped workflow")
		}
		t.Advance(20 * time.Minute)
		workflowtest.RequireHistory(t, w, id, placed, expired)
		if took := workflowtest.Lookup(t, w, id).UpdatedAt.Sub(midnight()); took != time.Hour {
			t.Errorf("the timer took %v over the restart, want an hour", took)
		}
	})
}

// TestNobodyWorksBetweenStopAndRestart lets the hour pass while the workflow is stopped: its timer is overdue, and fires at the restart.
func TestNobodyWorksBetweenStopAndRestart(t *testing.T) {
	workflowtest.Run(t, func(t *workflowtest.T) {
		w := workflowtest.Start(t, orders())
		id := workflowtest.Trigger(t, w, "order-1")
		t.Settle()
		w.Stop()
		t.Advance(2 * time.Hour)
		workflowtest.RequireStatus(t, w, id, placed)
		w = workflowtest.Restart(t, w, orders())
		workflowtest.RequireStatus(t, w, id, expired)
	})
}

// TestUseOpensTheBackendAgain goes on with the data of a backend whose first user is gone.
func TestUseOpensTheBackendAgain(t *testing.T) {
	workflowtest.Run(t, func(t *workflowtest.T) {
		store := memory.New()
		closed := 0
		open := func() (workflow.Backend, error) { return &kept{Backend: store, closed: &closed}, nil }
		t.Use(open)
		id := workflowtest.Trigger(t, workflowtest.Start(t, orders()), "order-1")
		t.Advance(59 * time.Minute)
		t.Use(open)
		if closed != 1 {
			t.Errorf("the first backend was closed %d times", closed)
		}
		w := workflowtest.Start(t, orders())
		t.Advance(time.Minute)
		workflowtest.RequireHistory(t, w, id, placed, expired)
	})
}

// kept is a backend that stays open, as a file on a disk stays there.
type kept struct {
	*memory.Backend
	closed *int
}

func (k *kept) Close() error { *k.closed++; return nil }

// TestASlowHandlerTakesVirtualTime works for hours, as claims and deadlines see it, and heartbeats.
func TestASlowHandlerTakesVirtualTime(t *testing.T) {
	workflowtest.Run(t, func(t *workflowtest.T) {
		b := workflow.NewBuilder[order, status]("slow")
		b.AddStep(placed, func(ctx context.Context, r *run) (status, error) {
			for range 3 {
				<-time.After(time.Hour)
				if err := r.Heartbeat(ctx); err != nil {
					return 0, err
				}
			}
			return paid, nil
		}, paid).WithOptions(workflow.AttemptDeadline(2 * time.Hour))
		b.AddStep(paid, func(ctx context.Context, r *run) (status, error) {
			if r.Attempt() > 1 {
				return shipped, nil
			}
			<-ctx.Done()
			return 0, context.Cause(ctx)
		}, shipped).WithOptions(workflow.AttemptDeadline(time.Minute))
		w := workflowtest.Start(t, b)
		id := workflowtest.Trigger(t, w, "order-1")
		t.Advance(3 * time.Hour)
		workflowtest.RequireStatus(t, w, id, paid)
		t.Advance(2 * time.Minute)
		workflowtest.RequireHistory(t, w, id, placed, paid, shipped)
		if as, err := w.Backend().Attempts(t.Context(), id, 10); err != nil || len(as) != 1 || as[0].At.Sub(midnight()) < 3*time.Hour+time.Minute {
			t.Errorf("attempts = %+v, %v; want one that ended at its deadline", as, err)
		}
	})
}

// TestClassicPartsInABubble runs the shim over classic parts: streams, polls and roles are virtual too.
func TestClassicPartsInABubble(t *testing.T) {
	workflowtest.Run(t, func(t *workflowtest.T) {
		store := workflowtest.NewFaultyRecordStore(memrecordstore.New(), 7)
		w := orders().Build(memstreamer.New(), store, memrolescheduler.New(), workflow.WithTimeoutStore(memtimeoutstore.New()), workflow.WithLogger(quiet{}))
		w.Run(context.Background())
		defer w.Stop()
		ids := make([]string, 20)
		for i := range ids {
			ids[i] = workflowtest.Trigger(t, w, "order-"+string(rune('a'+i)))
		}
		store.Set(workflowtest.MethodStore, workflowtest.Fault{Before: 0.3, After: 0.2})
		t.Advance(time.Hour + time.Minute)
		store.Heal()
		t.Advance(time.Hour)
		for _, id := range ids {
			workflowtest.RequireHistory(t, w, id, placed, expired)
		}
		if store.Injected(workflowtest.MethodStore) == 0 {
			t.Error("no Store failed")
		}
	})
}

// quiet is a Logger that says nothing.
type quiet struct{}

func (quiet) Debug(context.Context, string, map[string]string) {}
func (quiet) Error(context.Context, error)                     {}

// TestAnUnusedBubbleIsNoWork neither opens a backend nor leaves anything.
func TestAnUnusedBubbleIsNoWork(t *testing.T) {
	workflowtest.Run(t, func(t *workflowtest.T) {
		begin := time.Now()
		t.Advance(365 * 24 * time.Hour)
		if passed := time.Since(begin); passed != 365*24*time.Hour {
			t.Errorf("%v have passed", passed)
		}
	})
}

// TestASurvivorOfABadStore lets half of the commits fail: every run arrives all the same.
func TestASurvivorOfABadStore(t *testing.T) {
	workflowtest.Run(t, func(t *workflowtest.T) {
		store := workflowtest.NewFaulty(memory.New(), 1)
		t.Use(func() (workflow.Backend, error) { return store, nil })
		w := workflowtest.Start(t, flaky(2))
		store.Set(workflowtest.MethodCommit, workflowtest.Fault{Before: 0.3, After: 0.2})
		var ids []string
		for len(ids) < 50 {
			id, err := w.Trigger(t.Context(), "order-"+string(rune('0'+len(ids))))
			if errors.Is(err, workflow.ErrWorkflowInProgress) { // its answer was lost, the run is there
				id, err = workflowtest.Newest(t, w, "order-"+string(rune('0'+len(ids)))).RunID, nil
			}
			if err == nil {
				ids = append(ids, id)
			}
		}
		t.Advance(time.Minute)
		for _, id := range ids {
			workflowtest.RequireHistory(t, w, id, placed, paid, shipped)
			workflowtest.RequireObject(t, w, id, order{Tries: 3})
		}
		if n := store.Injected(workflowtest.MethodCommit); n == 0 {
			t.Error("no commit failed")
		}
	})
}
