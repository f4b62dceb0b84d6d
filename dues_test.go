package workflow_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/backend"
)

// TestATimerSetWhileTheRowsAreReadIsNotLost: the pump has read the due rows, and before it notes them another one is stored (G9).
func TestATimerSetWhileTheRowsAreReadIsNotLost(t *testing.T) {
	base, clock := newStore(t), newFakeClock()
	var first atomic.Bool
	have, note := make(chan bool, 1), make(chan struct{})
	on := &tapped{Backend: base, due: func(do func() ([]backend.Delivery, error)) ([]backend.Delivery, error) {
		rows, err := do()
		if first.CompareAndSwap(false, true) {
			have <- true
			<-note
		}
		return rows, err
	}}
	b := workflow.NewBuilder[object, status]("while reading")
	b.AddTimeout(statusA, hourly(), func(context.Context, *run, time.Time) (status, error) { return statusEnd, nil }, statusEnd)
	w := build(t, on, b, workflow.WithClock(clock))
	receive(t, have)
	id := trigger(t, w, "f")
	close(note)
	await(t, w, id, statusA)
	for range 3 {
		<-time.After(20 * time.Millisecond)
		clock.step(time.Hour)
	}
	stuckUnless(t, base, id, statusEnd)
}

// TestTimersPastAPageAreOnTime: more rows come due than are read at once, while many deliveries of this process wait for longer.
func TestTimersPastAPageAreOnTime(t *testing.T) {
	const timers, waiting = 600, 300
	on, clock := newStore(t), newFakeClock()
	var fired atomic.Int32
	b := workflow.NewBuilder[object, status]("pages")
	b.AddTimeout(statusA, hourly(), func(context.Context, *run, time.Time) (status, error) {
		fired.Add(1)
		return statusEnd, nil
	}, statusEnd)
	b.AddStep(statusB, func(context.Context, *run) (status, error) {
		return 0, workflow.RetryAfter(errTest, 10*time.Hour)
	}, statusEnd)
	client, err := b.BuildOn(on, workflow.WithClock(clock), workflow.WithLogger(&quietLog{}))
	if err != nil {
		t.Fatal(err)
	}
	for i := range timers {
		trigger(t, client, "timer"+name(i))
	}
	w := build(t, on, b, workflow.WithClock(clock))
	ids := make([]string, waiting)
	for i := range ids {
		ids[i] = trigger(t, w, "waits"+name(i), workflow.WithStartingPoint[object, status](statusB))
	}
	for _, id := range ids {
		heldIn(t, on, id, backend.DeliveryBackingOff)
	}
	clock.step(time.Hour)
	defer func() { t.Logf("%d of %d timers fired in time", fired.Load(), timers) }()
	eventually(t, "all timers fired", func() bool { return fired.Load() == timers })
}

// jumpy is a clock that is moved just before somebody begins to wait on it.
type jumpy struct {
	*fakeClock
	jump atomic.Int64
}

func (c *jumpy) After(d time.Duration) <-chan time.Time {
	if by := c.jump.Swap(0); by > 0 {
		c.step(time.Duration(by))
	}
	return c.fakeClock.After(d)
}

// TestAClockThatMovesWhileThePumpFallsAsleep: the timer is due by the clock before the pump waits for it, and fires without a further move.
func TestAClockThatMovesWhileThePumpFallsAsleep(t *testing.T) {
	on, clock := newStore(t), &jumpy{fakeClock: newFakeClock()}
	b := workflow.NewBuilder[object, status]("jumpy")
	b.AddTimeout(statusA, hourly(), func(context.Context, *run, time.Time) (status, error) { return statusEnd, nil }, statusEnd)
	w := build(t, on, b, workflow.WithClock(clock))
	clock.jump.Store(int64(time.Hour))
	stuckUnless(t, on, trigger(t, w, "f"), statusEnd)
}

// TestATimersLostAnswerIsNoSecondEffect: the commit of a timeout that stays in its visit is stored, and its answer is lost (G9).
func TestATimersLostAnswerIsNoSecondEffect(t *testing.T) {
	base, clock := newStore(t), newFakeClock()
	var lost atomic.Bool
	on := &tapped{Backend: base, commit: func(batch []*backend.Change, do func() error) error {
		err := do()
		if storesVersion(batch, 2) && lost.CompareAndSwap(false, true) {
			return refuse(batch, backend.ErrOutcomeUnknown)
		}
		return err
	}}
	b := workflow.NewBuilder[object, status]("lost answer")
	b.AddTimeout(statusA, hourly(), func(_ context.Context, r *run, _ time.Time) (status, error) {
		r.Object.Count++
		return r.SaveAndRepeat()
	}, statusEnd)
	b.AddTimeout(statusA, workflow.DurationTimerFunc[object, status](2*time.Hour), func(context.Context, *run, time.Time) (status, error) {
		return statusEnd, nil
	}, statusEnd)
	w := build(t, on, b, workflow.WithClock(clock))
	id := trigger(t, w, "f")
	clock.awaitWaiter(t)
	clock.step(time.Hour)
	eventually(t, "the timer took effect", func() bool {
		rec, err := base.Lookup(ctxFor(t), id)
		return err == nil && rec.Meta.Version > 1
	})
	<-time.After(600 * time.Millisecond) // the change is tried again after a quarter of a second
	clock.step(time.Hour)
	stuckUnless(t, base, id, statusEnd)
	if r := await(t, w, id, statusEnd); r.Object.Count != 1 {
		t.Errorf("the timer took effect %d times", r.Object.Count)
	}
}
