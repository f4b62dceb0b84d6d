package workflow_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/backend"
)

// TestAHeldTimerComesBackAlsoWhenTheResumeIsNotTheNewestVersion: nobody works while the run is resumed and saved again in the same visit.
func TestAHeldTimerComesBackAlsoWhenTheResumeIsNotTheNewestVersion(t *testing.T) {
	on, clock := newStore(t), newFakeClock()
	make := func() *workflow.Builder[object, status] {
		b := workflow.NewBuilder[object, status]("overtaken resume")
		b.AddCallback(statusA, repeats, statusA)
		b.AddTimeout(statusA, hourly(), func(context.Context, *run, time.Time) (status, error) { return statusEnd, nil }, statusEnd)
		return b
	}
	w, err := make().BuildOn(on, workflow.WithLogger(&quietLog{}), workflow.WithClock(clock))
	if err != nil {
		t.Fatal(err)
	}
	w.Run(context.Background())
	id := trigger(t, w, "f")
	if err := w.RunStateController(id).Pause(ctxFor(t), "wait"); err != nil {
		t.Fatal(err)
	}
	clock.awaitWaiter(t)
	clock.step(time.Hour)
	heldIn(t, on, id, backend.DeliveryHeld)
	w.Stop()
	client, err := make().BuildOn(on, workflow.WithLogger(&quietLog{}), workflow.WithClock(clock))
	if err != nil {
		t.Fatal(err)
	}
	if err := client.RunStateController(id).Resume(ctxFor(t)); err != nil {
		t.Fatal(err)
	}
	if err := client.Callback(ctxFor(t), "f", statusA, nil); err != nil {
		t.Fatal(err)
	}
	build(t, on, make(), workflow.WithClock(clock))
	stuckUnless(t, on, id, statusEnd)
}

// TestHooksStayInOrderAcrossARestart: an earlier hook's row comes due just as a later one looks at the store.
func TestHooksStayInOrderAcrossARestart(t *testing.T) {
	base := newStore(t)
	var up atomic.Bool // the second program is running
	calls := make(chan uint, 10)
	mk := func() *workflow.Builder[object, status] {
		b := workflow.NewBuilder[object, status]("order")
		b.AddCallback(statusA, repeats, statusA, statusEnd)
		b.OnPause(func(_ context.Context, r *workflow.TypedRecord[object, status]) error {
			if !up.Load() {
				return workflow.RetryAfter(errTest, 10*time.Millisecond)
			}
			calls <- r.Meta.Version
			return nil
		})
		return b
	}
	on := &tapped{Backend: base}
	noted, looked := make(chan struct{}), make(chan struct{})
	var once, first sync.Once
	on.held = func(_ string, do func() ([]backend.Delivery, error)) ([]backend.Delivery, error) {
		rows, err := do()
		if up.Load() {
			first.Do(func() {
				close(looked)
				<-noted
				<-time.After(100 * time.Millisecond) // the pump has fired the earlier row by now
			})
		}
		return rows, err
	}
	on.due = func(do func() ([]backend.Delivery, error)) ([]backend.Delivery, error) {
		if !up.Load() {
			return do()
		}
		<-looked // the later event was received first
		rows, err := do()
		once.Do(func() { close(noted) })
		return rows, err
	}
	w, err := mk().BuildOn(on, workflow.WithLogger(&quietLog{}), workflow.WithDefaultOptions(workflow.PauseAfterErrCount(1000)))
	if err != nil {
		t.Fatal(err)
	}
	w.Run(context.Background())
	id := trigger(t, w, "f")
	c := w.RunStateController(id)
	if err := c.Pause(ctxFor(t), "wait"); err != nil {
		t.Fatal(err)
	}
	heldIn(t, base, id, backend.DeliveryBackingOff)
	w.Stop()
	if err := c.Resume(ctxFor(t)); err != nil {
		t.Fatal(err)
	}
	if err := c.Pause(ctxFor(t), "wait"); err != nil {
		t.Fatal(err)
	}
	up.Store(true)
	w = build(t, on, mk(), workflow.WithDefaultOptions(workflow.PauseAfterErrCount(1000)))
	for _, want := range []uint{2, 4} {
		select {
		case v := <-calls:
			if v != want {
				t.Fatalf("the hook was told of version %d, want %d", v, want)
			}
		case <-time.After(impatience):
			held, _ := base.Held(context.Background(), id)
			t.Fatalf("the hook was never told of version %d; %+v", want, held)
		}
	}
	c = w.RunStateController(id)
	if err := c.Resume(ctxFor(t)); err != nil {
		t.Fatal(err)
	}
	if err := c.Pause(ctxFor(t), "wait"); err != nil {
		t.Fatal(err)
	}
	select {
	case v := <-calls:
		if v != 6 {
			t.Fatalf("the hook was told of version %d, want 6", v)
		}
	case <-time.After(impatience):
		held, _ := base.Held(context.Background(), id)
		t.Fatalf("the hook was never told of version 6; %+v", held)
	}
}

// TestAPauseThatCrossesADeadlineHolds: the attempt is past its deadline, but its handler has not returned yet, when the run is paused.
func TestAPauseThatCrossesADeadlineHolds(t *testing.T) {
	on := newStore(t)
	b := workflow.NewBuilder[object, status]("late pause")
	late, open, versions := make(chan bool, 10), make(chan struct{}), make(chan uint, 100)
	b.AddStep(statusA, func(ctx context.Context, r *run) (status, error) {
		versions <- r.Meta.Version
		if r.Meta.Version > 1 {
			return statusEnd, nil
		}
		<-ctx.Done()
		late <- true
		<-open
		return 0, ctx.Err()
	}, statusEnd).WithOptions(append(quickRetry(100), workflow.AttemptDeadline(20*time.Millisecond))...)
	w := build(t, on, b)
	id := trigger(t, w, "f")
	receive(t, late)
	if err := w.RunStateController(id).Pause(ctxFor(t), "wait"); err != nil {
		t.Fatal(err)
	}
	close(open)
	<-time.After(300 * time.Millisecond)
	if err := w.RunStateController(id).Resume(ctxFor(t)); err != nil {
		t.Fatal(err)
	}
	stuckUnless(t, on, id, statusEnd)
	close(versions)
	var seen []uint
	for v := range versions {
		seen = append(seen, v)
	}
	if len(seen) != 2 || seen[1] != 3 {
		t.Errorf("the step ran on versions %v, want 1 and 3: it was called while the run was paused", seen)
	}
}

// TestAPauseThatCrossesAFailedReadHolds: the store cannot be read before an attempt, and the run is paused meanwhile.
func TestAPauseThatCrossesAFailedReadHolds(t *testing.T) {
	base := newStore(t)
	var w *flow
	ready := make(chan struct{})
	var once sync.Once
	on := &tapped{Backend: base, held: func(_ string, do func() ([]backend.Delivery, error)) (rows []backend.Delivery, err error) {
		rows, err = do()
		once.Do(func() {
			<-ready
			if perr := w.RunStateController("r").Pause(context.Background(), "wait"); perr != nil {
				t.Error(perr)
			}
			rows, err = nil, errShaky
		})
		return rows, err
	}}
	now := time.Now()
	c := &backend.Change{Cause: backend.CauseTrigger, Record: &backend.Record{
		WorkflowName: "read", ForeignID: "f", RunID: "r", RunState: backend.RunStateInitiated, Status: int(statusA),
		CreatedAt: now, UpdatedAt: now, Meta: backend.Meta{Version: 1, Visit: 1},
	}, Hold: []backend.Delivery{{
		DeliveryKey: backend.DeliveryKey{RunID: "r", Receiver: "timeout:0", Version: 1}, WorkflowName: "read",
		Bucket: backend.BucketOf("r", backend.DefaultBuckets), Due: now.Add(time.Hour), State: backend.DeliveryTimer,
	}}}
	if err := base.Commit(ctxFor(t), []*backend.Change{c}); err != nil || c.Err != nil {
		t.Fatal(err, c.Err)
	}
	b := workflow.NewBuilder[object, status]("read")
	versions := make(chan uint, 100)
	b.AddStep(statusA, func(_ context.Context, r *run) (status, error) {
		versions <- r.Meta.Version
		return statusEnd, nil
	}, statusEnd)
	w = build(t, on, b)
	close(ready)
	select {
	case v := <-versions:
		t.Errorf("the step ran on version %d, while the run was paused", v)
	case <-time.After(time.Second):
	}
}

// TestAPauseVoidsWhatWaitsBehindAnAttempt: an attempt runs, a newer version waits behind it, and then the run is paused.
func TestAPauseVoidsWhatWaitsBehindAnAttempt(t *testing.T) {
	on := newStore(t)
	b := workflow.NewBuilder[object, status]("behind")
	entered, open, versions := make(chan bool, 10), make(chan struct{}), make(chan uint, 100)
	b.AddCallback(statusA, repeats, statusA)
	b.AddStep(statusA, func(_ context.Context, r *run) (status, error) {
		versions <- r.Meta.Version
		entered <- true
		<-open
		return statusEnd, nil
	}, statusEnd)
	w := build(t, on, b)
	id := trigger(t, w, "f")
	receive(t, entered)
	if err := w.Callback(ctxFor(t), "f", statusA, nil); err != nil {
		t.Fatal(err)
	}
	if err := w.RunStateController(id).Pause(ctxFor(t), "wait"); err != nil {
		t.Fatal(err)
	}
	close(open)
	<-time.After(300 * time.Millisecond)
	if err := w.RunStateController(id).Resume(ctxFor(t)); err != nil {
		t.Fatal(err)
	}
	stuckUnless(t, on, id, statusEnd)
	close(versions)
	var seen []uint
	for v := range versions {
		seen = append(seen, v)
	}
	if len(seen) != 2 || seen[1] != 4 {
		t.Errorf("the step ran on versions %v, want 1 and 4: it was called while the run was paused", seen)
	}
}
