package workflow_test

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/memory"
	"github.com/stillwater-go/workflow/backend"
)

// hourly is a timer of an hour.
func hourly() workflow.TimerFunc[object, status] {
	return workflow.DurationTimerFunc[object, status](time.Hour)
}

// repeats is a callback that saves and stays in its visit.
func repeats(_ context.Context, r *run, _ io.Reader) (status, error) { return r.SaveAndRepeat() }

// goes is a callback that moves the run.
func goes(to status) workflow.CallbackFunc[object, status] {
	return func(context.Context, *run, io.Reader) (status, error) { return to, nil }
}

// TestATimeoutThatLostARaceFiresAgain: a commit of the same visit, or a pause, comes between a timeout's handler and its commit. The visit
// goes on, so its timer must too (G9, G12).
func TestATimeoutThatLostARaceFiresAgain(t *testing.T) {
	for what, between := range map[string]func(t *testing.T, w *flow, id string){
		"save and repeat": func(t *testing.T, w *flow, id string) {
			if err := w.Callback(ctxFor(t), "f", statusA, nil); err != nil {
				t.Fatal(err)
			}
		},
		"pause and resume": func(t *testing.T, w *flow, id string) {
			c := w.RunStateController(id)
			if err := errors.Join(c.Pause(ctxFor(t), "wait"), c.Resume(ctxFor(t))); err != nil {
				t.Fatal(err)
			}
		},
		"pause": func(t *testing.T, w *flow, id string) {
			if err := w.RunStateController(id).Pause(ctxFor(t), "wait"); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(what, func(t *testing.T) {
			on, clock := newStore(t), newFakeClock()
			b := workflow.NewBuilder[object, status]("lost race")
			entered, open := make(chan bool, 10), make(chan struct{})
			b.AddCallback(statusA, repeats, statusA)
			b.AddTimeout(statusA, hourly(), func(context.Context, *run, time.Time) (status, error) {
				entered <- true
				<-open
				return statusEnd, nil
			}, statusEnd)
			w := build(t, on, b, workflow.WithClock(clock))
			id := trigger(t, w, "f")
			clock.awaitWaiter(t)
			clock.step(time.Hour)
			receive(t, entered)
			between(t, w, id)
			close(open)
			if what == "pause" {
				heldIn(t, on, id, backend.DeliveryHeld) // the timer waits for the resume
				if err := w.RunStateController(id).Resume(ctxFor(t)); err != nil {
					t.Fatal(err)
				}
			}
			stuckUnless(t, on, id, statusEnd)
		})
	}
}

// TestATimeoutGivenUpComesBackWithTheResume: a resume gives fresh attempts to what failed, also where that was a timeout (G12).
func TestATimeoutGivenUpComesBackWithTheResume(t *testing.T) {
	for what, resume := range map[string]bool{"by an operator": true, "by itself": false} {
		t.Run(what, func(t *testing.T) {
			on := newStore(t)
			b := workflow.NewBuilder[object, status]("given up")
			var broken atomic.Bool
			broken.Store(true)
			var attempts sync.Map
			b.AddTimeout(statusA, workflow.TimeTimerFunc[object, status](time.Now()), func(_ context.Context, r *run, _ time.Time) (status, error) {
				attempts.Store(r.Attempt(), true)
				if broken.Load() {
					return 0, workflow.Permanent(errTest)
				}
				return statusEnd, nil
			}, statusEnd)
			opt := workflow.DisablePauseRetry()
			if !resume {
				opt = workflow.WithPauseRetry(20 * time.Millisecond)
			}
			w := build(t, on, b, opt)
			id := trigger(t, w, "f")
			awaitRecord(t, on, id, func(r *backend.Record) bool { return r.Meta.Version > 1 })
			broken.Store(false)
			if resume {
				if err := w.RunStateController(id).Resume(ctxFor(t)); err != nil {
					t.Fatal(err)
				}
			}
			stuckUnless(t, on, id, statusEnd)
			if _, ok := attempts.Load(2); ok {
				t.Error("a resume gives fresh attempts; this one counted on")
			}
		})
	}
}

// TestATimeoutsRetrySeesTheRunAsItIs: a timeout that backs off must not run while the run is paused, and not on the version of its first
// attempt.
func TestATimeoutsRetrySeesTheRunAsItIs(t *testing.T) {
	on, clock := newStore(t), newFakeClock()
	b := workflow.NewBuilder[object, status]("stale")
	versions := make(chan uint, 10)
	b.AddTimeout(statusA, hourly(), func(_ context.Context, r *run, _ time.Time) (status, error) {
		versions <- r.Meta.Version
		if r.Meta.Version < 3 {
			return 0, workflow.RetryAfter(errTest, time.Hour)
		}
		return statusEnd, nil
	}, statusEnd)
	w := build(t, on, b, workflow.WithClock(clock))
	id := trigger(t, w, "f")
	clock.awaitWaiter(t)
	clock.step(time.Hour)
	if v := receive(t, versions); v != 1 {
		t.Fatalf("first attempt on version %d", v)
	}
	heldIn(t, on, id, backend.DeliveryBackingOff)
	if err := w.RunStateController(id).Pause(ctxFor(t), "wait"); err != nil {
		t.Fatal(err)
	}
	clock.step(time.Hour)
	heldIn(t, on, id, backend.DeliveryHeld)
	if err := w.RunStateController(id).Resume(ctxFor(t)); err != nil {
		t.Fatal(err)
	}
	stuckUnless(t, on, id, statusEnd)
	if v := receive(t, versions); v != 3 {
		t.Errorf("the timeout ran on version %d, which was paused; want 3 alone", v)
	}
}

// TestATimerOfALaterVisitIsNotBlockedByAnEarlierOne: a timeout backs off, the run leaves the status and comes back.
func TestATimerOfALaterVisitIsNotBlockedByAnEarlierOne(t *testing.T) {
	on, clock := newStore(t), newFakeClock()
	b := workflow.NewBuilder[object, status]("back again")
	b.AddCallback(statusA, goes(statusB), statusB)
	b.AddCallback(statusB, goes(statusA), statusA)
	b.AddTimeout(statusA, hourly(), func(_ context.Context, r *run, _ time.Time) (status, error) {
		if r.Meta.Visit == 1 {
			return 0, workflow.RetryAfter(errTest, 24*time.Hour)
		}
		return statusEnd, nil
	}, statusEnd)
	w := build(t, on, b, workflow.WithClock(clock))
	id := trigger(t, w, "f")
	clock.awaitWaiter(t)
	clock.step(time.Hour)
	heldIn(t, on, id, backend.DeliveryBackingOff)
	if err := errors.Join(w.Callback(ctxFor(t), "f", statusA, nil), w.Callback(ctxFor(t), "f", statusB, nil)); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		clock.step(time.Hour)
	}
	stuckUnless(t, on, id, statusEnd)
}

// TestATimeoutHasItsOwnDeadline: the deadline of a delivery that came from its row is that of its handler.
func TestATimeoutHasItsOwnDeadline(t *testing.T) {
	on := newStore(t)
	b := workflow.NewBuilder[object, status]("deadline")
	b.AddTimeout(statusA, workflow.TimeTimerFunc[object, status](time.Now()), func(ctx context.Context, _ *run, _ time.Time) (status, error) {
		<-ctx.Done()
		return 0, ctx.Err()
	}, statusEnd).WithOptions(append(quickRetry(1), workflow.AttemptDeadline(20*time.Millisecond))...)
	w := build(t, on, b, workflow.WithStopTimeout(time.Millisecond))
	id := trigger(t, w, "f")
	eventually(t, "the timeout's deadline of 20 ms ends it", func() bool {
		rec, err := on.Lookup(ctxFor(t), id)
		return err == nil && paused(rec)
	})
}

// TestAResumeThatCannotReadTheTimersFails: it must not leave them behind.
func TestAResumeThatCannotReadTheTimersFails(t *testing.T) {
	var failing atomic.Bool
	base, clock := newStore(t), newFakeClock()
	on := &tapped{Backend: base, held: func(_ string, do func() ([]backend.Delivery, error)) ([]backend.Delivery, error) {
		if failing.Load() {
			return nil, errShaky
		}
		return do()
	}}
	b := workflow.NewBuilder[object, status]("unreadable")
	b.AddTimeout(statusA, hourly(), func(context.Context, *run, time.Time) (status, error) { return statusEnd, nil }, statusEnd)
	w := build(t, on, b, workflow.WithClock(clock))
	id := trigger(t, w, "f")
	c := w.RunStateController(id)
	if err := c.Pause(ctxFor(t), "wait"); err != nil {
		t.Fatal(err)
	}
	clock.step(time.Hour)
	heldIn(t, base, id, backend.DeliveryHeld)
	failing.Store(true)
	err := c.Resume(ctxFor(t))
	failing.Store(false)
	if err != nil {
		if err = c.Resume(ctxFor(t)); err != nil {
			t.Fatal(err)
		}
	}
	stuckUnless(t, base, id, statusEnd)
}

// TestAResumeMeetsATimerThatIsJustBeingHeld: a timer comes due while the run is paused, and the resume comes before that is stored.
func TestAResumeMeetsATimerThatIsJustBeingHeld(t *testing.T) {
	for what, when := range map[string]string{"read before, stored after": "after", "stored before": "before"} {
		t.Run(what, func(t *testing.T) {
			base, clock := newStore(t), newFakeClock()
			holding, release, read := make(chan bool, 10), make(chan struct{}), make(chan bool, 10)
			var once sync.Once
			on := &tapped{Backend: base}
			var locked sync.Mutex
			looked, look := make(chan bool, 1), make(chan struct{})
			var slow atomic.Bool
			on.lookup = func(_ string, do func() (*backend.Record, error)) (*backend.Record, error) {
				rec, err := do()
				if when == "before" && slow.CompareAndSwap(true, false) { // the engine's look at the paused run
					looked <- true
					<-look
				}
				return rec, err
			}
			on.commit = func(batch []*backend.Change, do func() error) error {
				for _, c := range batch {
					if when == "after" && len(c.Hold) == 1 && c.Hold[0].State == backend.DeliveryHeld {
						once.Do(func() { holding <- true; <-release })
					}
				}
				return do()
			}
			on.held = func(_ string, do func() ([]backend.Delivery, error)) ([]backend.Delivery, error) {
				locked.Lock()
				defer locked.Unlock()
				rows, err := do()
				read <- true
				return rows, err
			}
			b := workflow.NewBuilder[object, status]("just held")
			b.AddTimeout(statusA, hourly(), func(context.Context, *run, time.Time) (status, error) { return statusEnd, nil }, statusEnd)
			w := build(t, on, b, workflow.WithClock(clock))
			id := trigger(t, w, "f")
			c := w.RunStateController(id)
			if err := c.Pause(ctxFor(t), "wait"); err != nil {
				t.Fatal(err)
			}
			resumed := make(chan error, 1)
			slow.Store(true)
			clock.step(time.Hour)
			if when == "after" {
				receive(t, holding)
				go func() { resumed <- c.Resume(context.Background()) }()
				receive(t, read)
				close(release)
			} else {
				receive(t, looked)
				go func() { resumed <- c.Resume(context.Background()) }()
				if err := receive(t, resumed); err != nil {
					t.Fatal(err)
				}
				resumed <- nil
				close(look)
			}
			if err := receive(t, resumed); err != nil {
				t.Fatal(err)
			}
			stuckUnless(t, base, id, statusEnd)
		})
	}
}

// TestATimerFunctionThatNeverWorksPausesItsRun: the run waits for a timer that is not there. It must say so, and a resume sets it.
func TestATimerFunctionThatNeverWorksPausesItsRun(t *testing.T) {
	on := newStore(t)
	b := workflow.NewBuilder[object, status]("no timer")
	var works atomic.Bool
	b.AddTimeout(statusA, func(context.Context, *run, time.Time) (time.Time, error) {
		if !works.Load() {
			return time.Time{}, errTest
		}
		return time.Now(), nil
	}, func(context.Context, *run, time.Time) (status, error) { return statusEnd, nil }, statusEnd)
	w := build(t, on, b, workflow.WithDefaultOptions(quickRetry(3)...), workflow.DisablePauseRetry())
	id := trigger(t, w, "f")
	eventually(t, "the run is paused by the engine with a reason", func() bool {
		rec, err := on.Lookup(ctxFor(t), id)
		return err == nil && rec.Meta.PausedBy == backend.PausedByEngine && rec.Meta.RunStateReason != ""
	})
	works.Store(true)
	if err := w.RunStateController(id).Resume(ctxFor(t)); err != nil {
		t.Fatal(err)
	}
	stuckUnless(t, on, id, statusEnd)
}

// TestATimerReadJustBeforeItWasDoneTakesNoEffectTwice: the pump reads a row, and before it notes it the row's effect is stored (G9).
func TestATimerReadJustBeforeItWasDoneTakesNoEffectTwice(t *testing.T) {
	base, clock := newStore(t), newFakeClock()
	var slow atomic.Bool
	have, note := make(chan bool, 10), make(chan struct{})
	on := &tapped{Backend: base, due: func(do func() ([]backend.Delivery, error)) ([]backend.Delivery, error) {
		rows, err := do()
		if slow.CompareAndSwap(true, false) {
			have <- true
			<-note
		}
		return rows, err
	}}
	b := workflow.NewBuilder[object, status]("twice")
	entered, open := make(chan bool, 10), make(chan struct{})
	var fired atomic.Int32
	b.AddTimeout(statusA, hourly(), func(_ context.Context, r *run, _ time.Time) (status, error) {
		fired.Add(1)
		entered <- true
		<-open
		return r.Skip() // done, and the visit goes on
	}, statusEnd)
	b.AddTimeout(statusA, workflow.DurationTimerFunc[object, status](2*time.Hour), func(_ context.Context, r *run, _ time.Time) (status, error) {
		return statusEnd, nil
	}, statusEnd)
	w := build(t, on, b, workflow.WithClock(clock))
	id := trigger(t, w, "f")
	clock.awaitWaiter(t)
	clock.step(time.Hour)
	receive(t, entered)
	slow.Store(true)
	// A plain store makes the engine read the log, and its due rows again.
	rec := &backend.Record{WorkflowName: "twice", ForeignID: "plain", RunID: "plain", RunState: backend.RunStateCompleted, Status: int(statusEnd)}
	if err := base.RecordStore().Store(ctxFor(t), rec); err != nil {
		t.Fatal(err)
	}
	receive(t, have)
	close(open)
	eventually(t, "the first timer is done", func() bool {
		held, err := base.Held(ctxFor(t), id)
		return err == nil && len(held) == 1
	})
	close(note)
	eventually(t, "the pump waits for the second timer or fires the first again", func() bool {
		clock.mu.Lock()
		defer clock.mu.Unlock()
		return len(clock.waiters) > 0
	})
	clock.step(time.Hour)
	stuckUnless(t, base, id, statusEnd)
	if n := fired.Load(); n != 1 {
		t.Errorf("the timer took effect %d times", n)
	}
}

// TestATimeoutThatRepeatsLeavesTheOthers: a timeout that stores the object and stays is done; the other timers of the stay go on.
func TestATimeoutThatRepeatsLeavesTheOthers(t *testing.T) {
	bubble(t, func(t *testing.T, on *memory.Backend) {
		b := workflow.NewBuilder[object, status]("several")
		b.AddTimeout(statusA, workflow.DurationTimerFunc[object, status](time.Hour), func(_ context.Context, r *run, _ time.Time) (status, error) {
			r.Object.Count++
			return r.SaveAndRepeat()
		})
		b.AddTimeout(statusA, workflow.DurationTimerFunc[object, status](3*time.Hour), func(context.Context, *run, time.Time) (status, error) {
			return statusEnd, nil
		}, statusEnd)
		w := build(t, on, b)
		id := trigger(t, w, "f")
		pass(3*time.Hour - time.Second)
		if rec := lookup(t, on, id); rec.Status != int(statusA) || rec.Meta.Version != 2 {
			t.Errorf("before the second timer the run is in status %d, version %d", rec.Status, rec.Meta.Version)
		}
		pass(time.Second)
		if r := await(t, w, id, statusEnd); r.Object.Count != 1 {
			t.Errorf("the first timeout was called %d times", r.Object.Count)
		}
	})
}
