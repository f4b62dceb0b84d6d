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
